//! Numbered random streams of one seed: who draws from which.

/// The learner: noise of its updates, interventions.
pub const LEARNER: u64 = 0;
/// Sampling from replay.
pub const REPLAY: u64 = 1;
/// The probe batch of diagnostics after this many updates.
pub fn probe(updates: u64) -> u64 {
    (1 << 48) + updates
}

/// Initial weights.
pub const INIT: u64 = 3;

/// Exploration of one actor.
pub fn actor(index: usize) -> u64 {
    16 + index as u64
}

/// Episode seeds of one actor's environments.
pub fn envs(index: usize) -> u64 {
    (1 << 16) + index as u64
}

/// The evaluation at an environment step: its own stream, so that it does not depend on how many
/// came before.
pub fn evaluation(env_step: u64) -> u64 {
    (1 << 32) + env_step
}
