//! The parts of a run that repeat: acting, sampling, updating, handing over, saving.
//!
//! `cargo xtask bench` runs all; `cargo bench -p benchmarks --bench hot_path -- update` some.
//! `TORCH_THREADS=2` sets libtorch's threads for updates (default: all cores).

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up should stop")]

use std::{hint::black_box, time::Duration};

use agents::{
    agent::ActMode,
    diagnostics::{config::DueTiers, diagnostic::Context, registry::Diagnostics},
    logging::record::Scalars,
    replay::draws::NoReplay,
    runtime::learner::Learner,
    storage::{
        checkpoint::{self, Content},
        state::State,
    },
};
use benchmarks::{Sizes, dqn_128, observation, sac_256, simba_v2_256};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use crossbeam::channel::bounded;
use networks::{interventions::Clock, params::StateDict, random};
use tch::Device;

fn sizes() -> [(&'static str, Sizes); 2] {
    [("sac_2x256", sac_256().expect("valid")), ("dqn_2x128", dqn_128().expect("valid"))]
}

/// Observations in, actions out, on one libtorch thread as in an actor.
fn policy_step(c: &mut Criterion) {
    tch::set_num_threads(1);
    let mut group = c.benchmark_group("policy_step");
    for (name, sizes) in sizes() {
        for envs in [1usize, 8] {
            let mut rng = random::stream(1, 2);
            let mut policy = sizes.agent().expect("fits").policy();
            let obs = observation(envs * sizes.spec.obs.size(), &mut rng);
            group.throughput(Throughput::Elements(envs as u64));
            group.bench_function(format!("{name}/envs_{envs}"), |b| {
                let mode = ActMode::Train { env_step: 1_000_000 };
                b.iter(|| policy.act(black_box(&obs), envs, mode, &mut rng));
            });
        }
    }
}

/// One batch gathered from 100 000 steps into tensors.
fn replay_sample(c: &mut Criterion) {
    tch::set_num_threads(1);
    let mut group = c.benchmark_group("replay_sample");
    for (name, sizes) in sizes() {
        let mut replay = sizes.replay(100_000);
        let mut rng = random::stream(1, 3);
        let batch = sizes.config.replay.batch_size;
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_function(format!("{name}/batch_{batch}"), |b| {
            b.iter(|| replay.sample(batch, &mut rng));
        });
    }
}

/// One gradient update, sampling included. One element is one update.
fn update(c: &mut Criterion) {
    let threads = Sizes::threads();
    tch::set_num_threads(threads as i32);
    networks::keep_freed_memory(); // as `train` does
    let mut group = c.benchmark_group("update");
    group.throughput(Throughput::Elements(1)).measurement_time(Duration::from_secs(8));
    for (name, sizes) in sizes() {
        let mut replay = sizes.replay(100_000);
        let mut agent = sizes.agent().expect("fits");
        let (mut rng, mut log) = (random::stream(1, 4), Scalars::default());
        let mut clock = Clock::default();
        group.bench_function(format!("{name}/threads_{threads}"), |b| {
            b.iter(|| {
                let batch = replay.sample(sizes.config.replay.batch_size, &mut rng);
                agent.update(&batch, &mut NoReplay, clock, &mut rng, &mut log).expect("finite");
                clock.update += 1;
            });
        });
    }
}

/// One look at the networks, beside the update it interrupts: units and weights, then ranks, on 1024
/// transitions of a SimbaV2 agent with critics of width 256.
fn diagnostics(c: &mut Criterion) {
    let threads = Sizes::threads();
    tch::set_num_threads(threads as i32);
    networks::keep_freed_memory();
    let sizes = simba_v2_256().expect("valid");
    let mut replay = sizes.replay(20_000);
    let mut agent = sizes.agent().expect("fits");
    let (mut rng, mut log) = (random::stream(1, 4), Scalars::default());
    let mut group = c.benchmark_group("diagnostics");
    group.sample_size(10);
    let none = DueTiers::default();
    for (name, look) in [
        ("units", DueTiers { units: true, ..none }),
        ("ranks", DueTiers { ranks: true, ..none }),
        ("curvature", DueTiers { curvature: true, ..none }),
    ] {
        let mut initial = StateDict::new();
        agent.save(&mut initial);
        group.bench_function(format!("simba_v2_256/{name}/threads_{threads}"), |b| {
            b.iter(|| {
                let batch = replay.sample(1024, &mut rng);
                let probes = agent.probe(&batch, &mut rng);
                let mut cx = Context { initial: &initial, refit_steps: 0, rng: &mut rng };
                Diagnostics::current().of_networks(&probes, look, &mut cx)
            });
        });
    }
    let clock = Clock::default();
    group.bench_function(format!("simba_v2_256/update/threads_{threads}"), |b| {
        b.iter(|| {
            let batch = replay.sample(256, &mut rng);
            agent.update(&batch, &mut NoReplay, clock, &mut rng, &mut log).expect("finite");
        });
    });
}

/// A message to another thread and one back, over bounded channels.
fn channel_hop(c: &mut Criterion) {
    let (to, inbox) = bounded::<Vec<f32>>(64);
    let (outbox, from) = bounded::<Vec<f32>>(64);
    let echo = std::thread::spawn(move || {
        while let Ok(message) = inbox.recv() {
            if outbox.send(message).is_err() {
                break;
            }
        }
    });
    c.bench_function("channel_hop/there_and_back", |b| {
        let mut message = vec![0f32; 17];
        b.iter(|| {
            to.send(std::mem::take(&mut message)).expect("echo lives");
            message = from.recv().expect("echo lives");
        });
    });
    drop(to);
    let _ = echo.join();
}

/// A whole checkpoint to disk, synced: SAC 2x256 with 100 000 steps of replay.
fn save(c: &mut Criterion) {
    let sizes = sac_256().expect("valid");
    let replay = sizes.replay(100_000);
    let agent = sizes.agent().expect("fits");
    let state: State =
        Learner::new(&sizes.config, &sizes.spec, sizes.agent().expect("fits"), Device::Cpu)
            .expect("fits")
            .state();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut group = c.benchmark_group("checkpoint");
    group.sample_size(10).throughput(Throughput::Bytes(replay.bytes() as u64));
    group.bench_function("sac_2x256/replay_100000", |b| {
        b.iter(|| {
            let mut model = StateDict::new();
            agent.save(&mut model);
            let (meta, columns) = replay.save();
            let state = State { replay: Some(meta), ..state.clone() };
            let (state, model, replay) = (&state, &model, Some(&columns[..]));
            let content = Content { state, model, evaluating: Vec::new(), replay };
            checkpoint::write(folder.path(), "step", &content).expect("written")
        });
    });
}

criterion_group!(hot_path, policy_step, replay_sample, update, diagnostics, channel_hop, save);
criterion_main!(hot_path);
