//! What threads say to each other: plain data that serde can carry, no tensors, so that the same
//! messages can cross machines.

use serde::{Deserialize, Serialize};

use crate::agent::Snapshot;
use crate::{experience::Experience, storage::state::ActorState};

/// From an actor to the learner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromActor {
    /// Sent once at the start: `[N * D]` observations the first actions will answer.
    Start(Vec<f32>),
    /// One round.
    Experience(Experience),
    /// The answer to [`ToActor::Save`].
    State(Box<ActorState>),
}

/// From the learner to an actor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToActor {
    /// New weights.
    Snapshot(Snapshot),
    /// Send your state.
    Save,
}

/// From the learner to the evaluator: play greedily with these weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvalJob {
    /// Environment steps at which the weights were taken.
    pub env_step: u64,
    /// Age of the environments to play in.
    pub step_offset: u64,
    /// The weights.
    pub snapshot: Snapshot,
}

/// The evaluator's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvalResult {
    /// As in the job.
    pub env_step: u64,
    /// Undiscounted return of each episode; none if the episodes were interrupted too often
    /// ([`MOST_INTERRUPTIONS`](crate::runtime::evaluate::MOST_INTERRUPTIONS)), and then this evaluation gives no number.
    pub returns: Vec<f64>,
    /// Length of each episode in steps.
    pub lengths: Vec<u64>,
    /// What estimates of each episode's return are compared with.
    pub paths: Vec<EpisodePath>,
    /// Episodes that only the evaluation's own limit ended.
    pub cut_off: usize,
    /// Mean return at each of [`EvalConfig::step_offsets`](crate::config::EvalConfig::step_offsets); NaN where there is no
    /// number.
    pub returns_by_step_offset: Vec<f64>,
}

/// One episode as an estimate of its discounted return sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpisodePath {
    /// `[D]` its first observation.
    pub start: Vec<f32>,
    /// Discounted sum of its rewards.
    pub discounted: f64,
    /// `[D]` its last observation, if it was cut off there: the value of that observation stands for the rest of the return.
    pub bootstrap_obs: Option<Vec<f32>>,
}

impl EvalResult {
    /// Mean return.
    pub fn mean(&self) -> f64 {
        mean(&self.returns)
    }

    /// Population standard deviation of the returns, as `numpy.std`.
    pub fn std(&self) -> f64 {
        let mean = self.mean();
        let squares: f64 = self.returns.iter().map(|r| (r - mean) * (r - mean)).sum();
        (squares / self.returns.len() as f64).sqrt()
    }
}

pub(crate) fn mean(returns: &[f64]) -> f64 {
    returns.iter().sum::<f64>() / returns.len() as f64
}
