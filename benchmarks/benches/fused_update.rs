//! How near fused updates come to the machine's products, and how far they are from autograd.
//!
//! `cargo bench -p benchmarks --bench fused_update`; `THREADS=2` for two threads. For each agent it prints an update's
//! GFLOP, the floor (these over the rate of products of 256x256x256 that stay in the cache, on as many cores), the
//! median time of a fused update and of one with autograd, in turns. Every update is SAC's with two critics and batch
//! 256; replay is not in it.
#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up should stop")]
#![allow(clippy::print_stdout, reason = "its result")]

use std::time::Instant;

use agents::{
    agent::Agent,
    config::{Config, Exec},
    experience::Batch,
    logging::record::Scalars,
    replay::draws::NoReplay,
};
use benchmarks::Sizes;
use envs::{ActionSpace, EnvSpec};
use networks::{
    arch::mlp::MlpConfig,
    exec::fused_cpu::{Host, Isa, Plan, ProgramBuilder, Purpose, Team},
    interventions::Clock,
    network::ArchConfig,
    params::Params,
    random,
};

const BATCH: usize = 256;
const ROUNDS: usize = 9;

/// Linear layers `(in, out)`.
type Layers = Vec<(usize, usize)>;

struct Case {
    name: &'static str,
    config: &'static str,
    spec: EnvSpec,
    actor: Layers,
    critic: Layers,
}

fn mlp(input: usize, width: usize, heads: &[usize]) -> Layers {
    let heads = heads.iter().map(|&out| (width, out));
    [(input, width), (width, width)].into_iter().chain(heads).collect()
}

fn simba_v2(input: usize, width: usize, blocks: usize, heads: &[usize]) -> Layers {
    let mut layers = vec![(input + 1, width)];
    for _ in 0..blocks {
        layers.extend([(width, 4 * width), (4 * width, width)]);
    }
    layers.extend(heads.iter().flat_map(|&out| [(width, width), (width, out)]));
    layers
}

fn cases() -> Vec<Case> {
    let half_cheetah = || EnvSpec::vector(17, ActionSpace::symmetric(6));
    vec![
        Case {
            name: "SAC 2x256, HalfCheetah",
            config: include_str!("../../configs/sac_mujoco.toml"),
            spec: half_cheetah(),
            actor: mlp(17, 256, &[6, 6]),
            critic: mlp(23, 256, &[1]),
        },
        Case {
            name: "SAC 2x64, Pendulum",
            config: include_str!("../../configs/sac_pendulum.toml"),
            spec: EnvSpec::vector(3, ActionSpace::symmetric(1)),
            actor: mlp(3, 64, &[1, 1]),
            critic: mlp(4, 64, &[1]),
        },
        Case {
            name: "SimbaV2, critics of 128",
            config: include_str!("../../configs/simba_v2/mujoco_128.toml"),
            spec: half_cheetah(),
            actor: simba_v2(17, 128, 1, &[6, 6]),
            critic: simba_v2(23, 128, 2, &[101]),
        },
        Case {
            name: "SimbaV2, critics of 512",
            config: include_str!("../../configs/simba_v2/mujoco.toml"),
            spec: half_cheetah(),
            actor: simba_v2(17, 128, 1, &[6, 6]),
            critic: simba_v2(23, 512, 2, &[101]),
        },
    ]
}

/// Of all products of an update: the actor's passes at this state (forward, both gradients) and the next one; each
/// critic's forward pass and input gradient for the actor, its target's forward pass, its own forward pass and both
/// gradients. No gradient goes to what was observed.
fn gigaflop(case: &Case) -> f64 {
    let all = |layers: &Layers| layers.iter().map(|(i, o)| i * o).sum::<usize>();
    let inner = |layers: &Layers| all(layers) - layers[0].0 * layers[0].1;
    let actor = 3 * all(&case.actor) + inner(&case.actor);
    let critic = 4 * all(&case.critic) + 2 * inner(&case.critic);
    2.0 * (BATCH * (actor + 2 * critic)) as f64 / 1e9
}

/// GFLOP/s of products of 256x256x256 on one core.
fn product_rate() -> f64 {
    let (width, mut rng, mut params) = (256, random::stream(1, 0), Params::default());
    let hidden = vec![width as i64; 2];
    let arch = ArchConfig::from(MlpConfig { hidden, ..MlpConfig::default() });
    let net = arch.build(&mut params, "net", &[width as i64], &[("out", width as i64)], &mut rng);
    let (mut builder, x) = ProgramBuilder::new(&params, width);
    let outputs = net.expect("fits").program(&mut builder, x).expect("an MLP has a program");
    let program = builder.finish(outputs);
    let mut plan = Plan::<f32>::new(program, Isa::best(), BATCH, Purpose::Evaluate, &params);
    plan.bind(&params, &[]);
    let x = random::normal(&[BATCH as i64, width as i64], &mut rng);
    let flop = 2.0 * (BATCH * 3 * width * width) as f64;
    Team::alone().whole(BATCH, |rows| {
        plan.input().load(rows, 0, &Host::of(&x));
        let rates = (0..200).map(|_| {
            let start = Instant::now();
            plan.forward(rows);
            flop / start.elapsed().as_secs_f64() / 1e9
        });
        median(rates.collect())
    })
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// Milliseconds of each of some updates.
fn updates(agent: &mut dyn Agent, batch: &Batch, count: usize) -> f64 {
    let mut rng = random::stream(1, 5);
    let start = Instant::now();
    for _ in 0..count {
        let (clock, mut log) = (Clock::default(), Scalars::default());
        agent.update(batch, &mut NoReplay, clock, &mut rng, &mut log).expect("finite");
    }
    start.elapsed().as_secs_f64() * 1e3 / count as f64
}

fn main() {
    let threads: usize =
        std::env::var("THREADS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    tch::set_num_threads(1);
    networks::keep_freed_memory();
    let rate = product_rate() * threads as f64;
    println!("{}, {threads} thread(s), products {rate:.0} GFLOP/s", Isa::best().name());
    println!("| update | GFLOP | floor | fused | of the floor | autograd | times |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for case in cases() {
        let config = |exec| {
            let mut config = Config::parse(case.config, &[]).expect("a shipped configuration");
            (config.runtime.exec, config.runtime.torch_threads) = (exec, threads);
            config
        };
        let [mut fused, mut autograd] = [Exec::Fused, Exec::Autograd].map(|exec| {
            let rng = &mut random::stream(1, 1);
            config(exec).build_agent(&case.spec, tch::Device::Cpu, rng).expect("fits")
        });
        let sizes = Sizes { spec: case.spec.clone(), config: config(Exec::Fused) };
        let batch = sizes.replay(2_000).sample(BATCH, &mut random::stream(1, 2));
        let floor = gigaflop(&case) / rate * 1e3;
        let count = (300.0 / floor / 3.0).ceil() as usize;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        updates(fused.as_mut(), &batch, count);
        for _ in 0..ROUNDS {
            ours.push(updates(fused.as_mut(), &batch, count));
            // Between fused updates libtorch's threads would spin.
            tch::set_num_threads(threads as i32);
            theirs.push(updates(autograd.as_mut(), &batch, count));
            tch::set_num_threads(1);
        }
        let (ours, theirs) = (median(ours), median(theirs));
        println!(
            "| {} | {:.3} | {floor:.2} ms | {ours:.2} ms | {:.0} % | {theirs:.2} ms | {:.1} |",
            case.name,
            gigaflop(&case),
            floor / ours * 100.0,
            theirs / ours,
        );
    }
}
