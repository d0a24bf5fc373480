//! Runs that are stopped and go on.

use agents::config::Config;

use super::{Outcome, Run, config};

/// Boundaries every 16 steps, evaluations every 64, checkpoints every 96; 208 is none of the last
/// two and lies in the middle of episodes.
pub(crate) const COMMON: &str = "
    seed = 3
    total_steps = 400
    log_every_updates = 3
    runtime = { actors = 2, envs_per_actor = 2, sync_every = 4, update_to_data = 0.5, \
                torch_threads = 1 }
    eval = { every_steps = 64, episodes = 3 }
    checkpoint = { every_steps = 96, keep = 4 }
";

pub(crate) fn dqn() -> Config {
    config(&format!(
        "{COMMON}
        env.name = 'CartPole-v1'
        replay = {{ capacity = 240, batch_size = 8, learning_starts = 48, n_step = 3 }}
        [agent]
        kind = 'dqn'
        dueling = true
        target = {{ kind = 'hard', every_updates = 7 }}
        epsilon = {{ start = 1.0, end = 0.1, steps = 300 }}
        network.arch = {{ kind = 'mlp', hidden = [12, 12] }}
        network.optim = {{ lr = 0.01, schedule = {{ kind = 'linear', end_factor = 0.1, updates = 150 }} }}"
    ))
}

/// One that ran through, and what it left.
pub(crate) fn whole(config: &Config) -> (Run, Outcome) {
    let run = Run::new(config);
    let report = run.train().unwrap();
    assert!(!report.interrupted && report.restarted == 0);
    let outcome = run.outcome();
    (run, outcome)
}

/// A small run with several checkpoints, for tests of the folder.
pub(crate) fn short() -> Run {
    let mut config = dqn();
    config.total_steps = 200;
    let run = Run::new(&config);
    run.train().unwrap();
    assert_eq!(run.checkpoints("step"), names("step", &[96, 192, 200]));
    run
}

pub(crate) fn names(kind: &str, steps: &[u64]) -> Vec<String> {
    steps.iter().map(|step| format!("{kind}-{step:012}")).collect()
}
