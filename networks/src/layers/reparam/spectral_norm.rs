//! Spectral normalisation (Miyato et al. 2018, arXiv 1802.05957): a layer multiplies with `W / sigma`, `sigma` an estimate
//! of the largest singular value, so that it stretches nothing. In value networks one such layer, the one before the
//! output, is enough and widens the range of learning rates that work (Gogianu et al. 2021, arXiv 2105.05246).
//!
//! ```text
//! v <- n(W^T u);   u <- n(W v);   sigma = u^T W v        n(x) = x / max(||x||, 1e-12)
//! ```
//!
//! `u` and `v` are buffers and constants for the gradient; the iteration runs once after each step, which with one
//! training pass per step is the sequence of the authors' code, where it runs in every training pass. They begin at
//! the singular vectors of the initial weight, with the largest entry of `u` positive, instead of at noise with some
//! iterations, so that no generator is drawn from. A kernel of a convolution is flattened to `[out, in h w]`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor, no_grad_guard};

use super::{Reparam, ReparamSettings, WeightLayers};
use crate::{
    init::Init,
    params::{ParamId, Params, Role},
    registry::Part,
};

/// Below this a norm or an estimate counts as this, as in PyTorch.
const EPS: f64 = 1e-12;

/// Iterations after neurons or layers were reset, where the old vectors say little.
const AFTER_RESET: usize = 5;

/// `kind = "spectral_norm"`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpectralNorm {
    /// Which layers.
    pub layers: WeightLayers,
    /// The largest singular value that is left, up to the estimate's error.
    pub lipschitz: f64,
    /// Whether weights whose singular values are smaller stay as they are.
    pub only_larger: bool,
    /// Power iterations after each step.
    pub iterations: usize,
    /// Whether gradients flow through the estimate, as the authors' do.
    pub gradient: bool,
}

impl Default for SpectralNorm {
    fn default() -> Self {
        SpectralNorm {
            layers: WeightLayers::default(),
            lipschitz: 1.0,
            only_larger: false,
            iterations: 1,
            gradient: true,
        }
    }
}

impl Part for SpectralNorm {
    type Family = dyn ReparamSettings;

    const KIND: &'static str = "spectral_norm";
    const SUMMARY: &'static str = "`W / sigma`, `sigma` an estimate of the largest singular value";
    const SOURCE: &'static str =
        "Miyato et al. 2018, arXiv 1802.05957; Gogianu et al. 2021, arXiv 2105.05246";
}

impl ReparamSettings for SpectralNorm {
    fn validate(&self) -> Result<(), String> {
        if !(self.lipschitz > 0.0 && self.lipschitz.is_finite()) {
            return Err(format!("lipschitz is {}; it must be greater than 0", self.lipschitz));
        }
        if !(1..=1_000).contains(&self.iterations) {
            let n = self.iterations;
            return Err(format!("iterations is {n}; it must be between 1 and 1000"));
        }
        Ok(())
    }

    fn layers(&self) -> Option<WeightLayers> {
        Some(self.layers)
    }

    fn build(&self, id: ParamId, p: &mut Params) -> Arc<dyn Reparam> {
        let (name, w) = (p.name(id).to_owned(), matrix(p.get(id)));
        let (u, _, v) = w.to_kind(Kind::Double).svd(true, true);
        let (u, v) = (u.select(1, 0), v.select(1, 0));
        let sign = u.index_select(0, &u.abs().argmax(0, true)).sign();
        let mut add = |part: &str, x: Tensor| {
            let x = (x * &sign).to_kind(w.kind());
            p.add_value(
                format!("{name}@{part}"),
                Role::Buffer { averaged: false },
                Init::Constant(0.0),
                &x,
            )
        };
        Arc::new(PowerIteration { settings: *self, weight: id, u: add("u", u), v: add("v", v) })
    }
}

/// The singular vectors of one weight.
#[derive(Debug)]
struct PowerIteration {
    settings: SpectralNorm,
    weight: ParamId,
    u: ParamId,
    v: ParamId,
}

/// `[out, in]`, or `[out, in h w]` of a convolution.
fn matrix(w: &Tensor) -> Tensor {
    w.detach().flatten(1, -1)
}

fn unit(x: &Tensor) -> Tensor {
    x / x.norm().clamp_min(EPS)
}

impl Reparam for PowerIteration {
    fn effective(&self, w: &Tensor, p: &Params) -> Tensor {
        let SpectralNorm { lipschitz, only_larger, gradient, .. } = self.settings;
        let flat = w.flatten(1, -1);
        let flat = if gradient { flat } else { flat.detach() };
        let sigma = p.get(self.u).dot(&flat.mv(p.get(self.v))).clamp_min(EPS);
        let divisor = sigma / lipschitz;
        w / if only_larger { divisor.clamp_min(1.0) } else { divisor }
    }

    fn advance(&self, p: &mut Params, jumped: bool) {
        let _guard = no_grad_guard();
        let w = matrix(p.get(self.weight));
        let mut u = p.get(self.u).shallow_clone();
        let mut v = p.get(self.v).shallow_clone();
        for _ in 0..if jumped {
            AFTER_RESET.max(self.settings.iterations)
        } else {
            self.settings.iterations
        } {
            v = unit(&w.tr().mv(&u));
            u = unit(&w.mv(&v));
        }
        p.get_mut(self.u).copy_(&u);
        p.get_mut(self.v).copy_(&v);
    }
}
