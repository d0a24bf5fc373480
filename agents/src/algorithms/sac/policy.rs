//! The actor's side of SAC.

use envs::Actions;
use networks::{
    exec::fused_cpu::{GaussianRows, Host, Isa},
    model::FrozenNetwork,
    random::{self, Rng},
    squashed_gaussian::{LogStd, SquashedGaussian},
};
use tch::{Tensor, no_grad_guard};

use crate::{
    agent::{ActMode, Policy, Snapshot, obs_tensor},
    algorithms::acting::{Acting, flat},
};

/// The actor's side: samples from the squashed Gaussian, or takes its mode.
pub(super) struct SacPolicy {
    net: FrozenNetwork,
    dim: usize,
    log_std: LogStd,
    /// Where updates are fused.
    acting: Option<Acting>,
}

impl SacPolicy {
    pub(super) fn new(net: FrozenNetwork, dim: usize, log_std: LogStd) -> Self {
        SacPolicy { net, dim, log_std, acting: None }
    }

    /// The same on kernels of our own, where there are such, for observations of so many numbers.
    pub(super) fn fused(self, obs_dim: usize) -> Self {
        let acting = Acting::new(&self.net, obs_dim, 1);
        SacPolicy { acting, ..self }
    }
}

impl Policy for SacPolicy {
    fn load(&mut self, snapshot: &Snapshot) {
        self.net.params.load_flat(&snapshot.policy);
    }

    fn act(&mut self, obs: &[f32], n: usize, mode: ActMode, rng: &mut Rng) -> Actions {
        let (dim, log_std) = (self.dim, self.log_std);
        if let Some(acting) = &mut self.acting {
            acting.renew(&self.net, n);
            // The mode of a Gaussian is where its noise is 0.
            let noise = match mode {
                ActMode::Train { .. } => random::normals(n * dim, rng),
                ActMode::Eval => vec![0.0; n * dim],
            };
            let data = acting.apply(obs, n, |plan, rows| {
                let gaussian = GaussianRows::new(Isa::best(), n, dim, log_std);
                gaussian.sample(rows, plan.output(0), plan.output(1), &Host::new(&noise, dim));
                flat(gaussian.draw(), rows)
            });
            return Actions::Continuous { data, dim };
        }
        let _guard = no_grad_guard();
        let dist = dist(&self.net.forward(&obs_tensor(obs, n)), log_std);
        let action = match mode {
            ActMode::Train { .. } => dist.draw(rng),
            ActMode::Eval => dist.mode(),
        }; // [n, A]
        let mut data = vec![0f32; n * dim];
        let len = data.len();
        action.contiguous().copy_data(&mut data, len);
        Actions::Continuous { data, dim }
    }
}

/// The distribution of actions that the actor's outputs mean: mean and raw log standard deviation.
pub(super) fn dist(outputs: &[Tensor], log_std: LogStd) -> SquashedGaussian {
    SquashedGaussian::new(outputs[0].shallow_clone(), log_std.apply(&outputs[1]))
}
