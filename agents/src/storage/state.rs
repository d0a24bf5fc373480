//! All of a run's state that is not an array: counters, generators, actors.

use envs::VecEnvState;
use networks::random::Rng;
use serde::{Deserialize, Serialize};

use crate::experience::Experience;

/// Version of the layout; a reader refuses others.
const FORMAT: u32 = 1;

/// All of the learner's state that is not an array.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Layout version.
    pub format: u32,
    /// Environment steps over all actors.
    pub env_steps: u64,
    /// Steps of each environment.
    pub rounds: u64,
    /// Gradient updates.
    pub updates: u64,
    /// Episodes ended.
    pub episodes: u64,
    /// Task of the newest step; checkpoints from before tasks were logged have none.
    pub task: Option<usize>,
    /// Best evaluation so far: environment step and mean return.
    pub best: Option<(u64, f64)>,
    /// Evaluated last: environment step, mean and standard deviation of the return.
    pub last_eval: Option<(u64, f64, f64)>,
    /// Seconds the run took so far.
    pub wall_s: f64,
    /// libtorch threads of the learner; other numbers change the last bits.
    pub torch_threads: usize,
    /// The learner's generator.
    pub rng: Rng,
    /// The generator that samples from replay.
    pub replay_rng: Rng,
    /// Replay counters; `None` in a best checkpoint.
    pub replay: Option<ReplayMeta>,
    /// The resolved configuration that the run had, as TOML; not in a best checkpoint.
    pub config: Option<String>,
    /// Every actor; empty in a best checkpoint.
    pub actors: Vec<ActorState>,
    /// Rounds received but not yet learned from, per actor (async mode only).
    pub pending: Vec<Vec<Experience>>,
}

impl State {
    /// The current layout version.
    pub const FORMAT: u32 = FORMAT;
}

/// All that an actor needs to resume exactly where it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActorState {
    /// Environments, their statistics and generator.
    pub envs: VecEnvState,
    /// The exploration generator.
    pub rng: Rng,
    /// Rounds done.
    pub rounds: u64,
}

/// What a checkpoint needs besides the columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplayMeta {
    /// Rows ever written, per ring.
    pub written: Vec<u64>,
}
