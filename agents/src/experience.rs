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
        fields
    }
}
