//! Gradient clipping by global norm (Pascanu et al. 2013, arXiv 1211.5063, Algorithm 1), with
//! PyTorch's `clip_grad_norm_` formula: factor `min(1, max_norm / (norm + 1e-6))`.

use serde::{Deserialize, Serialize};
use tch::{Tensor, no_grad_guard};

use super::{Intervention, InterventionSettings, StepCx};
use crate::{fused, params::Params, registry::Part};

/// `kind = "clip_grad_norm"`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClipGradNorm {
    /// The bound on the joint 2-norm of all gradients.
    pub max_norm: f64,
}

impl Part for ClipGradNorm {
    type Family = dyn InterventionSettings;

    const KIND: &'static str = "clip_grad_norm";
    const SUMMARY: &'static str = "scales all gradients to a joint norm of at most `max_norm`";
    const SOURCE: &'static str = "Pascanu et al. 2013, arXiv 1211.5063";
}

impl InterventionSettings for ClipGradNorm {
    fn validate(&self) -> Result<(), String> {
        let max_norm = self.max_norm;
        if max_norm.is_nan() || max_norm <= 0.0 {
            return Err(format!("max_norm is {max_norm}; it must be greater than 0"));
        }
        Ok(())
    }

    fn build(&self, _p: &mut Params) -> Box<dyn Intervention> {
        Box::new(*self)
    }
}

impl Intervention for ClipGradNorm {
    fn gradients(&mut self, _p: &Params, grads: &mut [Tensor], cx: &mut StepCx<'_>) {
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
