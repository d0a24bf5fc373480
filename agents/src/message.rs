//! What threads say to each other: plain data that serde can carry, no tensors, so that the same
//! messages can cross machines.

use envs::{Actions, Outcome, VecEnvState};
use networks::random::Rng;
use serde::{Deserialize, Serialize};

use crate::agent::Snapshot;

/// One step of all `N` environments of one actor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Experience {
    /// `[N]` actions taken.
    pub actions: Actions,
    /// `[N]` what came of them.
    pub outcomes: Vec<Outcome>,
    /// `[N * D]` true next observations, the last ones of an episode included.
    pub next_obs: Vec<f32>,
    /// `[E * D]` first observations of the next episodes, one per outcome that ended one, in order.
    pub reset_obs: Vec<f32>,
}

impl Experience {
    /// `[N * D]` observations that the next actions answer: the next ones, and the first ones of new
    /// episodes.
    ///
    /// # Panics
    /// If a reset observation is missing: a bug in the actor.
    pub fn upcoming(&self) -> impl Iterator<Item = &f32> {
        let d = self.next_obs.len() / self.outcomes.len();
        let mut resets = self.reset_obs.chunks_exact(d);
        self.outcomes.iter().zip(self.next_obs.chunks_exact(d)).flat_map(move |(o, next)| {
            if o.terminated || o.truncated {
                resets.next().expect("one reset observation per ended episode")
            } else {
                next
            }
        })
    }

    /// The environments go on at `obs`, `[N * D]`. Where that is not what this step led to, the
    /// environment restarted on a resume, and this step becomes the last of a cut-off episode.
    pub(crate) fn resume_at(&mut self, obs: &[f32]) {
        let d = obs.len() / self.outcomes.len();
        self.reset_obs.clear();
        for ((outcome, led_to), obs) in
            self.outcomes.iter_mut().zip(self.next_obs.chunks(d)).zip(obs.chunks(d))
        {
            outcome.truncated |= !outcome.terminated && led_to != obs;
            if outcome.terminated || outcome.truncated {
                self.reset_obs.extend_from_slice(obs);
            }
        }
    }
}

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

/// All that an actor needs to go on exactly where it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActorState {
    /// Environments, their statistics and generator.
    pub envs: VecEnvState,
    /// The exploration generator.
    pub rng: Rng,
    /// Rounds done.
    pub rounds: u64,
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
    /// ([`MOST_INTERRUPTIONS`](crate::evaluate::MOST_INTERRUPTIONS)), and then this evaluation gives no number.
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
    /// `[D]` its last observation, if it was cut off there: its return goes on.
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
