//! The random numbers of one SAC update, as a value: tests give their own.

use networks::random::{self, Rng};
use tch::Tensor;

use crate::experience::Batch;

/// Standard normal noise of one update: what the actor's and the target's actions are drawn with.
#[derive(Debug)]
pub struct Noise {
    /// `[B, A]`, for actions at `obs`.
    pub obs: Tensor,
    /// `[B, A]`, for actions at `next_obs`.
    pub next_obs: Tensor,
    /// `[B, n - 1, A]`, for actions between, where the batch holds what lies there.
    pub between: Option<Tensor>,
}

impl Noise {
    /// For an update with this batch.
    pub(super) fn of(b: &Batch, rng: &mut Rng) -> Noise {
        let (obs, next_obs) = (normal_like(&b.action, rng), normal_like(&b.action, rng));
        Noise { obs, next_obs, between: Noise::between(b, rng) }
    }

    fn between(b: &Batch, rng: &mut Rng) -> Option<Tensor> {
        let steps = b.between.as_ref()?.discount.size()[1];
        let [batch, dim] = b.action.size()[..] else { unreachable!("[B, A]") };
        let noise = random::normal(&[batch, steps, dim], rng);
        Some(noise.to_kind(b.action.kind()).to_device(b.action.device()))
    }
}

fn normal_like(action: &Tensor, rng: &mut Rng) -> Tensor {
    random::normal(&action.size(), rng).to_kind(action.kind()).to_device(action.device())
}
