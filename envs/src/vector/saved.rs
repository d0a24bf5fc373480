//! [`VecEnvState`]: what a checkpoint holds of several environments.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::outcome::Episode;

/// All of a [`VecEnv`](crate::VecEnv) that a checkpoint must hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VecEnvState {
    pub(super) rng: ChaCha8Rng,
    pub(super) obs: Vec<f32>,
    pub(super) running: Vec<Episode>,
    /// Not in states of before environments had ages.
    #[serde(default)]
    pub(super) steps: u64,
    pub(super) envs: Vec<Option<Vec<u8>>>,
}

/// How a [`VecEnv::load`](crate::VecEnv::load) went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadReport {
    /// Environments that continue in the middle of their episode.
    pub resumed: usize,
    /// Environments that cannot save their state and began a new episode.
    pub restarted: usize,
}
