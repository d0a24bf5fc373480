//! What each intervention adds to an update.
//!
//! `cargo bench -p benchmarks --bench methods`; `TORCH_THREADS=1` for one thread. Agents that differ in
//! their methods alone update in turns, so that a neighbour on the machine slows all of them; prints
//! the median update of each and what it adds to the one without methods.
#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up should stop")]
#![allow(clippy::print_stdout, reason = "its result")]

use std::time::{Duration, Instant};

use agents::{
    agent::Agent,
    config::Config,
    logging::record::Scalars,
    replay::{Replay, draws::NoReplay},
};
use benchmarks::{Sizes, dqn_128, sac_256, simba_v2_256};
use networks::{
    arch::mlp::MlpConfig,
    interventions::{Clock, InterventionConfig},
    layers::norm::{LayerNorm, NormConfig},
    random,
};

const NAP: &str = r#"[{"kind": "nap"}]"#;
const CBP: &str = r#"[{"kind": "cbp", "replacement_rate": 1e-4, "maturity_threshold": 100}]"#;
const REDO: &str = r#"[{"kind": "redo"}]"#;
const L2_INIT: &str = r#"[{"kind": "l2_init", "strength": 1e-4}]"#;
const SHRINK: &str =
    r#"[{"kind": "shrink_perturb", "shrink": 0.999999, "perturb": 1e-6, "every_updates": 1}]"#;

/// One agent, and how long its updates took.
struct Runner {
    name: String,
    agent: Box<dyn Agent>,
    times: Vec<Duration>,
}

impl Runner {
    fn new(sizes: &Sizes, name: &str, methods: &str, norm: Option<&NormConfig>) -> Runner {
        let list: Vec<InterventionConfig> = parse(methods);
        let mut config: Config = sizes.config.clone();
        config.agent = config.agent.changed(&mut |agent| {
            for network in agent.networks_mut() {
                network.interventions.clone_from(&list);
                if let (Some(mlp), Some(norm)) = (network.arch.settings::<MlpConfig>(), norm) {
                    network.arch = MlpConfig { norm: norm.clone(), ..mlp.clone() }.into();
                }
            }
        });
        let sizes = Sizes { spec: sizes.spec.clone(), config };
        let agent = sizes.agent().expect("fits");
        Runner { name: name.to_owned(), agent, times: Vec::new() }
    }

    fn update(&mut self, sizes: &Sizes, replay: &mut Replay, clock: Clock) {
        let mut rng = random::stream(1, 4 + clock.update);
        let batch = replay.sample(sizes.config.replay.batch_size, &mut rng);
        let start = Instant::now();
        let mut log = Scalars::default();
        self.agent.update(&batch, &mut NoReplay, clock, &mut rng, &mut log).expect("finite");
        self.times.push(start.elapsed());
    }

    fn median_ms(&self) -> f64 {
        // The first updates warm up, and no unit is mature.
        let mut times = self.times[self.times.len() / 5..].to_vec();
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1e3
    }
}

fn parse(methods: &str) -> Vec<InterventionConfig> {
    serde_json::from_str(methods).expect("methods")
}

fn compare(
    name: &str,
    sizes: &Sizes,
    norm: Option<&NormConfig>,
    list: &[(&str, &str)],
    rounds: u64,
) {
    let mut replay = sizes.replay(20_000);
    let variants = [&[("none", "[]"), ("none again", "[]")], list].concat();
    let mut runners: Vec<Runner> =
        variants.iter().map(|(name, methods)| Runner::new(sizes, name, methods, norm)).collect();
    for update in 0..rounds {
        let clock = Clock { update, ..Clock::default() };
        for runner in &mut runners {
            runner.update(sizes, &mut replay, clock);
        }
    }
    let base = runners[0].median_ms();
    for runner in &runners {
        let ms = runner.median_ms();
        println!("{name:>14} {:>16} {ms:8.3} ms {:+6.1} %", runner.name, 100.0 * (ms / base - 1.0));
    }
}

fn main() {
    let threads = Sizes::threads();
    tch::set_num_threads(threads as i32);
    networks::keep_freed_memory();
    println!("{threads} threads; median update, and what it adds to none");
    let all = [
        ("nap", NAP),
        ("cbp", CBP),
        ("redo", REDO),
        ("l2_init", L2_INIT),
        ("shrink_perturb", SHRINK),
    ];
    let norm = NormConfig::from(LayerNorm { affine: false });
    let norm = Some(&norm);
    compare("simba_v2_256", &simba_v2_256().expect("valid"), None, &[("cbp", CBP)], 150);
    compare("sac_2x256", &sac_256().expect("valid"), norm, &all, 400);
    compare("dqn_2x128", &dqn_128().expect("valid"), norm, &all, 2_000);
}
