//! What stepping several environments gives: an [`Outcome`] each, and the [`Episode`] that ended.

use serde::{Deserialize, Serialize};

/// What one environment's last step led to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Reward of the step.
    pub reward: f32,
    /// The episode ended in a terminal state.
    pub terminated: bool,
    /// The episode was cut off.
    pub truncated: bool,
    /// The task the step was taken in.
    pub task: usize,
    /// The whole episode, if this step ended it. One that was interrupted ([`Env::interruptions`](crate::Env::interruptions)) is none:
    /// the step is truncated, and there is nothing here.
    pub episode: Option<Episode>,
}

/// Statistics of one episode.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// Sum of its rewards.
    pub return_: f64,
    /// Its number of steps.
    pub length: u64,
}
