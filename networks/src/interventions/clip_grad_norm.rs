//! Gradient clipping by global norm (Pascanu et al. 2013, arXiv 1211.5063, Algorithm 1), with
//! PyTorch's `clip_grad_norm_` formula: factor `min(1, max_norm / (norm + 1e-6))`.

use tch::{Tensor, no_grad_guard};

use super::{Intervention, StepCx};
use crate::{fused, params::Params};

pub(super) struct ClipGradNorm {
    pub(super) max_norm: f64,
}

impl Intervention for ClipGradNorm {
    fn before_step(&mut self, _p: &Params, grads: &mut [Tensor], cx: &mut StepCx<'_>) {
        let _guard = no_grad_guard();
        cx.count += 1;
        let norm = fused::global_norm(&grads.iter().collect::<Vec<_>>());
        // Stays a tensor: no round trip to the host.
        let factor = ((norm + 1e-6).reciprocal() * self.max_norm).clamp_max(1.0);
        for grad in grads {
            let _ = grad.g_mul_(&factor);
        }
    }
}
