//! Root-mean-square normalisation (Zhang & Sennrich 2019, arXiv 1910.07467): by the size of the units of a sample, or of
//! channels and positions of a convolution's.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{Affine, Norm, NormSettings, yes};
use crate::{
    exec::fused_cpu::{NormKind, ProgramBuilder, Slot},
    forward::Forward,
    params::{ParamId, Params},
    random::Rng,
    registry::Part,
};

/// `kind = "rms_norm"`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RmsNorm {
    /// Learned gain.
    #[serde(default = "yes")]
    pub affine: bool,
    /// Fraction of the units, from the first on, whose mean square is taken (section 4, pRMSNorm).
    #[serde(default = "whole")]
    pub part: f64,
}

impl Default for RmsNorm {
    fn default() -> Self {
        RmsNorm { affine: true, part: 1.0 }
    }
}

fn whole() -> f64 {
    1.0
}

impl Part for RmsNorm {
    type Family = dyn NormSettings;

    const KIND: &'static str = "rms_norm";
    const SUMMARY: &'static str = "by the root mean square over the units of a sample";
    const SOURCE: &'static str = "Zhang & Sennrich 2019, arXiv 1910.07467";
}

impl NormSettings for RmsNorm {
    fn validate(&self) -> Result<(), String> {
        if self.part > 0.0 && self.part <= 1.0 {
            return Ok(());
        }
        Err(format!("part is {}; it must be in (0, 1]", self.part))
    }

    fn build(
        &self,
        p: &mut Params,
        name: &str,
        width: i64,
        eps: f64,
        rng: &mut Rng,
    ) -> Option<Arc<dyn Norm>> {
        let affine = Affine::new(p, name, width, (self.affine, false), rng);
        let units = ((self.part * width as f64).ceil() as i64).clamp(1, width);
        Some(Arc::new(Rms { affine, units, eps }))
    }
}

#[derive(Debug)]
struct Rms {
    affine: Affine,
    /// Of these the mean square is taken.
    units: i64,
    eps: f64,
}

impl Norm for Rms {
    fn forward(&self, fw: &mut Forward<'_>, x: &Tensor) -> Tensor {
        let within: Vec<i64> = (1..x.dim() as i64).collect();
        let part = x.narrow(1, 0, self.units).square();
        let mean = part.mean_dim(Some(within.as_slice()), true, None::<Kind>); // [B, 1, ...]
        self.affine.apply(fw.params, &(x * (mean + self.eps).rsqrt()))
    }

    fn program(&self, b: &mut ProgramBuilder<'_>, x: Slot) -> Result<Slot, String> {
        let kind = NormKind::Rms { units: self.units as usize, eps: self.eps };
        Ok(b.norm(x, kind, self.affine.gain, self.affine.offset))
    }

    fn per_unit(&self) -> Vec<ParamId> {
        self.affine.ids().collect()
    }
}
