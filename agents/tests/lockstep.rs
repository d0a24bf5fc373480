//! Invariant 3: threads in lockstep equal a sequential loop, bit for bit.
//!
//! The oracle is [`sequential`]: no thread, no channel, only `Actor::step` and `Learner::round` in
//! the order that the design promises.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use std::{fs, thread};

use agents::{
    config::Config,
    logging::record::Row,
    replay::sampler::{PrioritizedConfig, SampleWeightDecayConfig, SamplerConfig},
    runtime::{actor::Actor, learner::Learner, session::make_env, streams},
    storage::tensor_file::{self, Saved},
};
use envs::{Registry, VecEnv};
use harness::{Outcome, Run, by_tag, config, timeless, within};
use networks::{params::StateDict, random};
use tch::Device;

fn dqn(actors: usize, envs: usize, sync_every: u64) -> Config {
    config(&format!(
        "seed = 5
        total_steps = 230
        log_every_updates = 3
        env.name = 'CartPole-v1'
        runtime = {{ actors = {actors}, envs_per_actor = {envs}, sync_every = {sync_every}, \
                     update_to_data = 0.5, torch_threads = 1 }}
        replay = {{ capacity = 160, batch_size = 8, learning_starts = 48, n_step = 3 }}
        eval.episodes = 0
        [agent]
        kind = 'dqn'
        dueling = true
        target = {{ kind = 'hard', every_updates = 7 }}
        epsilon = {{ start = 1.0, end = 0.1, steps = 60 }}
        network.optim.lr = 0.02
        network.arch = {{ kind = 'mlp', hidden = [12, 12], norm = {{ kind = 'layer_norm' }} }}
        network.interventions = [{{ kind = 'shrink_perturb', shrink = 0.9, perturb = 0.1, \
                              every_updates = 20 }}]"
    ))
}

fn sac(actors: usize, envs: usize, sync_every: u64) -> Config {
    config(&format!(
        "seed = 6
        total_steps = 200
        log_every_updates = 2
        env = {{ name = 'Pendulum-v1', kwargs = {{ max_episode_steps = 17 }} }}
        runtime = {{ actors = {actors}, envs_per_actor = {envs}, sync_every = {sync_every}, \
                     update_to_data = 0.5, torch_threads = 1 }}
        replay = {{ capacity = 120, batch_size = 8, learning_starts = 40 }}
        eval.episodes = 0
        [agent]
        kind = 'sac'
        actor.arch = {{ kind = 'mlp', hidden = [12] }}
        actor.optim.lr = 0.01
        critic.arch = {{ kind = 'mlp', hidden = [12, 12] }}"
    ))
}

/// SAC as SimbaV2 has it: statistics travel with the weights.
fn simba_v2(actors: usize, envs: usize, sync_every: u64) -> Config {
    let Config { normalize, diagnostics, agent, .. } = config(harness::SIMBA_V2);
    Config { normalize, diagnostics, agent, ..sac(actors, envs, sync_every) }
}

/// DQN whose errors decide what it draws next.
fn prioritized(actors: usize, envs: usize, sync_every: u64) -> Config {
    let mut config = dqn(actors, envs, sync_every);
    let sampler = PrioritizedConfig { beta_updates: 90, ..PrioritizedConfig::default() };
    config.replay.sampler = SamplerConfig::Prioritized(sampler);
    config
}

/// SAC that prefers new transitions.
fn decaying(actors: usize, envs: usize, sync_every: u64) -> Config {
    let mut config = sac(actors, envs, sync_every);
    let decay = SampleWeightDecayConfig { horizon: 80, min_weight: 0.2 };
    config.replay.sampler = SamplerConfig::SampleWeightDecay(decay);
    config
}

/// The run of a configuration without threads.
fn sequential(config: &Config) -> Outcome {
    let registry = Registry::builtin();
    let make = make_env(config, &registry);
    let spec = make().unwrap().spec();
    let mut rng = random::stream(config.seed, streams::INIT);
    let agent = config.build_agent(&spec, Device::Cpu, &mut rng).unwrap();
    let mut actors: Vec<Actor> = (0..config.runtime.actors)
        .map(|i| {
            let envs = (0..config.runtime.envs_per_actor).map(|_| make().unwrap()).collect();
            let rng = random::stream(config.seed, streams::envs(i));
            Actor::new(config, i, VecEnv::new(envs, rng).unwrap(), agent.policy())
        })
        .collect();
    let mut learner = Learner::new(config, &spec, agent, Device::Cpu).unwrap();
    for (i, actor) in actors.iter().enumerate() {
        learner.start(i, actor.obs());
    }
    let (mut rows, mut snapshots) = (Vec::new(), Vec::new());
    while learner.counters.env_steps < config.total_steps {
        if learner.counters.rounds.is_multiple_of(config.runtime.sync_every) {
            snapshots.push(learner.snapshot());
            let age = config.runtime.lag as usize;
            let old = &snapshots[(snapshots.len() - 1).saturating_sub(age)];
            for actor in &mut actors {
                actor.load(old);
            }
        }
        let experiences: Vec<_> = actors.iter_mut().map(|a| a.step().unwrap()).collect();
        let mut log = |step, record| rows.push((step, by_tag(Row::new(step, 0.0, record))));
        learner.round(&experiences, &mut log).unwrap();
    }

    let mut model = StateDict::new();
    learner.agent.save(&mut model);
    let model: Vec<_> = model.iter().map(|(k, t)| (k.clone(), Saved::tensor(t))).collect();
    let (meta, columns) = learner.replay.save();
    let folder = tempfile::tempdir().unwrap();
    let bytes = |arrays: &[(String, Saved<'_>)]| {
        let path = folder.path().join("arrays");
        tensor_file::write(&path, arrays).unwrap();
        fs::read(&path).unwrap()
    };
    let mut state = learner.state();
    state.replay = Some(meta);
    state.actors = actors.iter_mut().map(Actor::state).collect();
    state.pending = vec![Vec::new(); config.runtime.actors]; // lockstep leaves nothing unlearned
    Outcome {
        model: bytes(&model),
        replay: bytes(&columns),
        state: timeless(state),
        best: None,
        rows,
    }
}

fn threaded(config: &Config) -> Outcome {
    let run = Run::new(config);
    let report = run.train().unwrap();
    let outcome = run.outcome();
    assert_eq!(report.steps, outcome.state.env_steps);
    assert_eq!(report.updates, outcome.state.updates);
    assert_eq!(report.episodes, outcome.state.episodes);
    outcome
}

/// Every number of actors, environments and synchronisation that the design names.
fn equals_the_oracle(make: fn(usize, usize, u64) -> Config) {
    for actors in [1, 2, 4] {
        for envs in [1, 2] {
            for sync_every in [1, 3, 8] {
                let config = make(actors, envs, sync_every);
                let oracle = sequential(&config);
                let what = format!("{actors} actors x {envs} envs, sync_every {sync_every}");
                assert!(oracle.state.updates > 70, "{what}: {} updates", oracle.state.updates);
                assert!(oracle.state.episodes > 4, "{what}: {} episodes", oracle.state.episodes);
                assert!(oracle.rows.len() > 25, "{what}: {} rows", oracle.rows.len());
                threaded(&config).assert_equals(&oracle, &what);
            }
        }
    }
}

#[test]
fn dqn_threads_equal_the_sequential_loop() {
    within(120, || equals_the_oracle(dqn));
}

#[test]
fn sac_threads_equal_the_sequential_loop() {
    within(120, || equals_the_oracle(sac));
}

#[test]
fn simba_v2_threads_equal_the_sequential_loop() {
    within(120, || equals_the_oracle(simba_v2));
}

#[test]
fn prioritized_threads_equal_the_sequential_loop() {
    within(120, || equals_the_oracle(prioritized));
}

#[test]
fn decaying_threads_equal_the_sequential_loop() {
    within(120, || equals_the_oracle(decaying));
}

/// Actors that run ahead have weights of exactly that age, whatever the threads do.
#[test]
fn lagging_actors_equal_the_sequential_loop() {
    within(120, || {
        for make in [dqn, sac, simba_v2] {
            for (actors, sync_every, lag) in [(1, 1, 1), (2, 1, 3), (3, 4, 1), (1, 2, 40)] {
                let mut config = make(actors, 1, sync_every);
                let fresh = sequential(&config);
                config.runtime.lag = lag;
                let oracle = sequential(&config);
                assert!(oracle.model != fresh.model, "a lag of {lag} is a lag");
                let what = format!("{actors} actors, sync_every {sync_every}, lag {lag}");
                threaded(&config).assert_equals(&oracle, &what);
            }
        }
    });
}

/// A queue of one makes the actors wait in `send` as well; nothing may depend on it.
#[test]
fn a_full_queue_changes_nothing() {
    within(60, || {
        let mut config = dqn(2, 2, 8);
        let oracle = sequential(&config);
        config.runtime.queue = 1;
        threaded(&config).assert_equals(&oracle, "queue of 1");
    });
}

#[test]
fn repeated_runs_are_equal() {
    within(60, || {
        for config in [dqn(4, 1, 3), sac(2, 2, 3)] {
            let first = threaded(&config);
            threaded(&config).assert_equals(&first, "second run");
        }
    });
}

/// Runs share one process, and libtorch's global state, without influence on each other.
#[test]
fn parallel_runs_are_equal() {
    within(60, || {
        let configs = [dqn(2, 1, 1), sac(2, 1, 3), dqn(2, 1, 1), sac(2, 1, 3)];
        let runs: Vec<_> =
            configs.iter().cloned().map(|c| thread::spawn(move || threaded(&c))).collect();
        for (config, run) in configs.iter().zip(runs) {
            run.join().unwrap().assert_equals(&sequential(config), "run beside others");
        }
    });
}

/// The oracle shares the numbers of the streams, so they are checked apart: no two components draw
/// the same random numbers.
#[test]
fn every_component_has_a_stream_of_its_own() {
    let mut all = vec![streams::LEARNER, streams::REPLAY, streams::INIT];
    all.extend((0..1024).map(streams::actor)); // as many as `Config::validate` allows
    all.extend((0..1024).map(streams::envs));
    all.extend((0..1024).map(streams::evaluation));
    all.extend((0..1024).map(streams::probe));
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}

/// The comparison can fail: another seed, and weights one round late, give other experience.
#[test]
fn other_runs_differ() {
    within(60, || {
        for make in [dqn, sac, simba_v2, prioritized, decaying] {
            let config = make(2, 1, 1);
            let base = sequential(&config);
            let other_seed = sequential(&Config { seed: 7, ..config.clone() });
            assert!(base.model != other_seed.model && base.replay != other_seed.replay);
            let late = sequential(&make(2, 1, 2));
            assert!(base.model != late.model && base.replay != late.replay);
        }
    });
}
