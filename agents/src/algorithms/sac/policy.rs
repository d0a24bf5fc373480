//! The actor's side of SAC.

use envs::Actions;
use networks::{
    model::FrozenNetwork,
    random::Rng,
    squashed_gaussian::{LogStd, SquashedGaussian},
};
use tch::{Tensor, no_grad_guard};

use crate::agent::{ActMode, Policy, Snapshot, obs_tensor};

/// The actor's side: samples from the squashed Gaussian, or takes its mode.
pub(super) struct SacPolicy {
    pub(super) net: FrozenNetwork,
    pub(super) dim: usize,
    pub(super) log_std: LogStd,
}

impl Policy for SacPolicy {
    fn load(&mut self, snapshot: &Snapshot) {
        self.net.params.load_flat(&snapshot.policy);
    }

    fn act(&mut self, obs: &[f32], n: usize, mode: ActMode, rng: &mut Rng) -> Actions {
        let _guard = no_grad_guard();
        let dist = dist(&self.net.forward(&obs_tensor(obs, n)), self.log_std);
        let action = match mode {
            ActMode::Train { .. } => dist.draw(rng),
            ActMode::Eval => dist.mode(),
        }; // [n, A]
        let mut data = vec![0f32; n * self.dim];
        let len = data.len();
        action.contiguous().copy_data(&mut data, len);
        Actions::Continuous { data, dim: self.dim }
    }
}

/// The distribution of actions that the actor's outputs mean: mean and raw log standard deviation.
pub(super) fn dist(outputs: &[Tensor], log_std: LogStd) -> SquashedGaussian {
    SquashedGaussian::new(outputs[0].shallow_clone(), log_std.apply(&outputs[1]))
}
