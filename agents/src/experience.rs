//! What passes between environments and learning: one step of an actor's environments, and minibatches of transitions.

use envs::{Actions, Outcome};
use serde::{Deserialize, Serialize};
use tch::Tensor;

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

    /// The environments continue at `obs`, `[N * D]`. Where that is not what this step led to, the
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

/// A sampled minibatch on the learner's device.
#[derive(Debug)]
pub struct Batch {
    /// `[B, D]` f32.
    pub obs: Tensor,
    /// Continuous: `[B, A]` f32 in [-1, 1]. Discrete: `[B, 1]` i64.
    pub action: Tensor,
    /// `[B]` n-step reward.
    pub reward: Tensor,
    /// `[B]`: `gamma^n`, or 0 where the environment *terminated*. Truncation keeps bootstrapping.
    pub discount: Tensor,
    /// `[B, D]` f32: the observation after the n steps.
    pub next_obs: Tensor,
    /// What lies between, for agents whose value counts more than rewards there, and n above 1.
    pub between: Option<Between>,
    /// `[B]` f32: what the loss of each transition is multiplied by, at most 1; `None` where all count
    /// alike.
    pub weights: Option<Tensor>,
    /// `[B]` where each came from; empty where the batch is not from replay.
    pub rows: Vec<Row>,
}

/// Where a transition is in replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its environment.
    pub env: usize,
    /// Its row, counted from the environment's first.
    pub number: u64,
    /// Environment steps, over all environments, since it was stored: 0 for those of the newest round.
    pub age: u64,
}

/// Sampled sequences of `K` steps on the learner's device, each within one episode.
///
/// A sequence stops where its episode ends, and where the newest step is. Steps after that have a mask
/// of 0, the last observation again, and zeros for action, reward and discount.
#[derive(Debug)]
pub struct Sequences {
    /// `[B, K + 1, D]` f32: before each step, and after the last.
    pub obs: Tensor,
    /// Continuous: `[B, K, A]` f32 in [-1, 1]. Discrete: `[B, K, 1]` i64.
    pub action: Tensor,
    /// `[B, K]` reward of each step.
    pub reward: Tensor,
    /// `[B, K]`: `gamma`, or 0 where the environment *terminated*.
    pub discount: Tensor,
    /// `[B, K]` f32: 1 for steps that were made.
    pub mask: Tensor,
    /// `[B]` as in [`Batch`], for the first step.
    pub weights: Option<Tensor>,
    /// `[B]` where the first step of each is.
    pub rows: Vec<Row>,
}

/// The steps of n-step transitions after the first: `k` from 1 to `n - 1`.
#[derive(Debug)]
pub struct Between {
    /// `[B, n - 1, D]` f32: the observation before step `k`.
    pub obs: Tensor,
    /// `[B, n - 1]` f32: `gamma^k`, or 0 where the episode had ended before step `k`.
    pub discount: Tensor,
}

impl Batch {
    /// The same tensors.
    #[must_use]
    pub fn shallow_clone(&self) -> Batch {
        Batch {
            obs: self.obs.shallow_clone(),
            action: self.action.shallow_clone(),
            reward: self.reward.shallow_clone(),
            discount: self.discount.shallow_clone(),
            next_obs: self.next_obs.shallow_clone(),
            between: self.between.as_ref().map(|b| Between {
                obs: b.obs.shallow_clone(),
                discount: b.discount.shallow_clone(),
            }),
            weights: self.weights.as_ref().map(Tensor::shallow_clone),
            rows: self.rows.clone(),
        }
    }

    /// Every field with its name.
    pub fn fields(&self) -> Vec<(&'static str, &Tensor)> {
        let mut fields = vec![
            ("obs", &self.obs),
            ("action", &self.action),
            ("reward", &self.reward),
            ("discount", &self.discount),
            ("next_obs", &self.next_obs),
        ];
        if let Some(between) = &self.between {
            fields.push(("between_obs", &between.obs));
            fields.push(("between_discount", &between.discount));
        }
        fields.extend(self.weights.as_ref().map(|weights| ("weights", weights)));
        fields
    }
}
