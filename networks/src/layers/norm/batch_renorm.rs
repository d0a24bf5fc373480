//! Batch renormalisation (Ioffe 2017, arXiv 1702.03275) as CrossQ's code has it (Bhatt et al. 2024, arXiv 1902.05605): batch
//! normalisation for the first steps and then, with factors through which no gradient flows, by the running averages,
//! so that one strange batch does not change what a network computes.
//!
//! ```text
//! r = clip(std_B / std_run, 1/r_max, r_max)       d = clip((mean_B - mean_run) / std_run, -d_max, d_max)
//! mean = mean_B - d sqrt(var_B) / r                var = var_B / r^2          (r = 1, d = 0 while warming up)
//! y = gain (x - mean) / sqrt(var + eps) + offset                             std = sqrt(var + eps)
//! ```
//!
//! The paper relaxes the two bounds over tens of thousands of steps; CrossQ's code goes from one to the other at once.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tch::{Tensor, no_grad_guard};

use super::{
    Affine, Norm, NormSettings,
    batch_norm::{Batch, Running, check, moments},
    over_units, yes,
};
use crate::{
    exec::fused_cpu::{ProgramBuilder, Slot},
    forward::{Forward, Mode},
    init::Init,
    params::{ParamId, Params, Role},
    random::Rng,
    registry::Part,
};

/// `kind = "batch_renorm"`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchRenorm {
    /// Learned gain and offset.
    #[serde(default = "yes")]
    pub affine: bool,
    /// Part of a running average that stays at each step.
    pub momentum: f64,
    /// Added to a variance.
    pub eps: f64,
    /// Steps of plain batch normalisation at the start.
    pub warmup: u64,
    /// Bound of `r`, at least 1.
    pub r_max: f64,
    /// Bound of `d`.
    pub d_max: f64,
}

impl Default for BatchRenorm {
    /// The numbers of CrossQ's code.
    fn default() -> Self {
        BatchRenorm {
            affine: true,
            momentum: 0.99,
            eps: 1e-3,
            warmup: 100_000,
            r_max: 3.0,
            d_max: 5.0,
        }
    }
}

impl Part for BatchRenorm {
    type Family = dyn NormSettings;

    const KIND: &'static str = "batch_renorm";
    const SUMMARY: &'static str =
        "batch normalisation that goes over to its running averages after a warm-up";
    const SOURCE: &'static str =
        "Ioffe 2017, arXiv 1702.03275; Bhatt et al. 2024, arXiv 1902.05605";
}

impl NormSettings for BatchRenorm {
    fn validate(&self) -> Result<(), String> {
        check(self.momentum, self.eps)?;
        if !(self.r_max >= 1.0 && self.r_max.is_finite()) {
            return Err(format!("r_max is {}; it must be at least 1", self.r_max));
        }
        if !(self.d_max >= 0.0 && self.d_max.is_finite()) {
            return Err(format!("d_max is {}; it must be at least 0", self.d_max));
        }
        // They are counted in an f32.
        if self.warmup > 1 << 24 {
            return Err(format!("warmup is {}; it must be at most {}", self.warmup, 1 << 24));
        }
        Ok(())
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
        // Averaged like statistics, so that a reset of them resets the warm-up.
        let role = Role::Buffer { averaged: true };
        let steps = p.add(format!("{name}/steps"), role, &[], Init::Constant(0.0), rng);
        let plain = Batch { affine, running, eps: self.eps };
        Some(Arc::new(Renorm { settings: *self, plain, steps }))
    }
}

#[derive(Debug)]
struct Renorm {
    settings: BatchRenorm,
    /// While warming up, and outside training.
    plain: Batch,
    /// Steps so far, a scalar that stops at `warmup`.
    steps: ParamId,
}

impl Renorm {
    /// What a batch of this mean and variance is normalised by, `[width]` each.
    fn corrected(&self, fw: &Forward<'_>, mean: &Tensor, variance: &Tensor) -> (Tensor, Tensor) {
        let BatchRenorm { eps, r_max, d_max, .. } = self.settings;
        let [running_mean, running_variance] = self.plain.running.ids().map(|id| fw.params.get(id));
        let (r, d) = {
            let _guard = no_grad_guard();
            let std = (running_variance + eps).sqrt();
            let r = ((variance + eps).sqrt() / &std).clamp(1.0 / r_max, r_max);
            let d = ((mean - running_mean) / std).clamp(-d_max, d_max);
            (r, d)
        };
        (mean - d * variance.sqrt() / &r, variance / r.square())
    }
}

impl Norm for Renorm {
    fn forward(&self, fw: &mut Forward<'_>, x: &Tensor) -> Tensor {
        if fw.mode == Mode::Eval {
            return self.plain.forward(fw, x);
        }
        let steps = fw.params.get(self.steps).double_value(&[]);
        if steps < self.settings.warmup as f64 {
            let next = fw.params.get(self.steps) + 1.0;
            fw.trace.propose(self.steps, next);
            return self.plain.forward(fw, x);
        }
        let (mean, variance) = moments(x);
        self.plain.running.observe(fw, &mean, &variance);
        let (mean, variance) = self.corrected(fw, &mean, &variance);
        let scale = (variance + self.settings.eps).rsqrt();
        let y = (x - over_units(&mean, x)) * over_units(&scale, x);
        self.plain.affine.apply(fw.params, &y)
    }

    fn program(&self, _b: &mut ProgramBuilder<'_>, _x: Slot) -> Result<Slot, String> {
        Err("statistics over a batch have no fused form".to_owned())
    }

    fn per_unit(&self) -> Vec<ParamId> {
        self.plain.per_unit()
    }
}
