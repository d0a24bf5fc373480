//! Batch normalisation (Ioffe & Szegedy 2015, arXiv 1502.03167): each unit by its mean and variance over the batch,
//! and outside training by running averages of them.
//!
//! ```text
//! training   y = gain (x - mean_B) / sqrt(var_B + eps) + offset      otherwise with the running mean and variance
//! after it   running <- momentum running + (1 - momentum) of the batch
//! ```
//!
//! The variance is the biased one, also in the running average, as in Flax and CrossQ's code; PyTorch keeps the
//! unbiased one and calls `1 - momentum` the momentum. Running averages are buffers: a pass proposes their next values, and
//! [`Model::minimize`](crate::model::Model::minimize) takes them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tch::{Tensor, no_grad_guard};

use super::{Affine, Norm, NormSettings, yes};
use crate::{
    exec::fused_cpu::{ProgramBuilder, Slot},
    forward::{Forward, Mode},
    init::Init,
    params::{ParamId, Params, Role},
    random::Rng,
    registry::Part,
};

/// `kind = "batch_norm"`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchNorm {
    /// Learned gain and offset.
    #[serde(default = "yes")]
    pub affine: bool,
    /// Part of a running average that stays at each step.
    pub momentum: f64,
    /// Added to a variance.
    pub eps: f64,
}

impl Default for BatchNorm {
    /// CrossQ's numbers (Bhatt et al. 2024, arXiv 1902.05605).
    fn default() -> Self {
        BatchNorm { affine: true, momentum: 0.99, eps: 1e-3 }
    }
}

impl Part for BatchNorm {
    type Family = dyn NormSettings;

    const KIND: &'static str = "batch_norm";
    const SUMMARY: &'static str = "each unit by its mean and variance over the batch";
    const SOURCE: &'static str = "Ioffe & Szegedy 2015, arXiv 1502.03167";
}

impl NormSettings for BatchNorm {
    fn validate(&self) -> Result<(), String> {
        check(self.momentum, self.eps)
    }

    fn build(
        &self,
        p: &mut Params,
        name: &str,
        width: i64,
        _eps: f64,
        rng: &mut Rng,
    ) -> Option<Arc<dyn Norm>> {
        let affine = Affine::new(p, name, width, (self.affine, self.affine), rng);
        let running = Running::new(p, name, width, self.momentum, rng);
        Some(Arc::new(Batch { affine, running, eps: self.eps }))
    }
}

/// Refuses what no running average or variance can be made with.
pub(super) fn check(momentum: f64, eps: f64) -> Result<(), String> {
    if !(0.0..1.0).contains(&momentum) {
        return Err(format!("momentum is {momentum}; it must be in [0, 1)"));
    }
    if !(eps > 0.0 && eps.is_finite()) {
        return Err(format!("eps is {eps}; it must be greater than 0"));
    }
    Ok(())
}

/// Running averages of a mean, from 0, and a variance, from 1: `name/mean` and `name/variance`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    pub(super) mean: ParamId,
    pub(super) variance: ParamId,
    momentum: f64,
}

impl Running {
    pub(super) fn new(
        p: &mut Params,
        name: &str,
        width: i64,
        momentum: f64,
        rng: &mut Rng,
    ) -> Self {
        let role = Role::Buffer { averaged: true };
        let mut buffer = |part: &str, start| {
            p.add(format!("{name}/{part}"), role, &[width], Init::Constant(start), rng)
        };
        Running { mean: buffer("mean", 0.0), variance: buffer("variance", 1.0), momentum }
    }

    /// The mean and the biased variance of each unit over a batch, `[width]` each, are the next to be averaged.
    pub(super) fn observe(&self, fw: &mut Forward<'_>, mean: &Tensor, variance: &Tensor) {
        let _guard = no_grad_guard();
        for (id, of_batch) in [(self.mean, mean), (self.variance, variance)] {
            let next = fw.params.get(id) * self.momentum + of_batch * (1.0 - self.momentum);
            fw.trace.propose(id, next);
        }
    }

    pub(super) fn ids(&self) -> [ParamId; 2] {
        [self.mean, self.variance]
    }
}

/// `[width]` each: mean and biased variance of each unit over all inputs and positions.
pub(super) fn moments(x: &Tensor) -> (Tensor, Tensor) {
    let others: Vec<i64> = (0..x.dim() as i64).filter(|&d| d != 1).collect();
    let (variance, mean) = x.var_mean_dim(Some(others.as_slice()), false, false);
    (mean, variance)
}

#[derive(Debug)]
pub(super) struct Batch {
    pub(super) affine: Affine,
    pub(super) running: Running,
    pub(super) eps: f64,
}

impl Norm for Batch {
    fn forward(&self, fw: &mut Forward<'_>, x: &Tensor) -> Tensor {
        let (gain, offset) = self.affine.values(fw.params);
        if fw.mode == Mode::Eval {
            let [mean, variance] = self.running.ids().map(|id| Some(fw.params.get(id)));
            return x.batch_norm(gain, offset, mean, variance, false, 0.0, self.eps, true);
        }
        let (mean, variance) = {
            let _guard = no_grad_guard();
            moments(x)
        };
        self.running.observe(fw, &mean, &variance);
        let none = None::<&Tensor>;
        x.batch_norm(gain, offset, none, none, true, 0.0, self.eps, true)
    }

    fn program(&self, _b: &mut ProgramBuilder<'_>, _x: Slot) -> Result<Slot, String> {
        Err("statistics over a batch have no fused form".to_owned())
    }

    fn per_unit(&self) -> Vec<ParamId> {
        self.affine.ids().chain(self.running.ids()).collect()
    }
}
