//! Layer normalisation (Ba et al. 2016, arXiv 1607.06450): by mean and variance over the units of a sample, or over
//! channels and positions of a convolution's.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{Affine, Norm, NormSettings, yes};
use crate::{
    exec::fused_cpu::{NormKind, ProgramBuilder, Slot},
    forward::Forward,
    params::{ParamId, Params},
    random::Rng,
    registry::Part,
};

/// `kind = "layer_norm"`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerNorm {
    /// Learned gain and offset.
    #[serde(default = "yes")]
    pub affine: bool,
}

impl Default for LayerNorm {
    fn default() -> Self {
        LayerNorm { affine: true }
    }
}

impl Part for LayerNorm {
    type Family = dyn NormSettings;

    const KIND: &'static str = "layer_norm";
    const SUMMARY: &'static str = "by mean and variance over the units of a sample";
    const SOURCE: &'static str = "Ba et al. 2016, arXiv 1607.06450";
}

impl NormSettings for LayerNorm {
    fn build(
        &self,
        p: &mut Params,
        name: &str,
        width: i64,
        eps: f64,
        rng: &mut Rng,
    ) -> Option<Arc<dyn Norm>> {
        let affine = Affine::new(p, name, width, (self.affine, self.affine), rng);
        Some(Arc::new(Layer { affine, width, eps }))
    }
}

#[derive(Debug)]
struct Layer {
    affine: Affine,
    width: i64,
    eps: f64,
}

impl Norm for Layer {
    fn forward(&self, fw: &mut Forward<'_>, x: &Tensor) -> Tensor {
        let (gain, offset) = self.affine.values(fw.params);
        if x.dim() == 2 {
            x.layer_norm([self.width], gain, offset, self.eps, true)
        } else {
            x.group_norm(1, gain, offset, self.eps, true)
        }
    }

    fn program(&self, b: &mut ProgramBuilder<'_>, x: Slot) -> Result<Slot, String> {
        Ok(b.norm(x, NormKind::Layer { eps: self.eps }, self.affine.gain, self.affine.offset))
    }

    fn per_unit(&self) -> Vec<ParamId> {
        self.affine.ids().collect()
    }
}
