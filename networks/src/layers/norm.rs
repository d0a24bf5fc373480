//! What a layer's outputs are normalised by.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::{
    init::Init,
    params::{ParamId, Params, Role},
    random::Rng,
};

/// What a layer's outputs are normalised by before its nonlinearity.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum NormConfig {
    /// Nothing.
    None {},
    /// Mean and variance over the units of a sample (Ba et al. 2016, arXiv 1607.06450).
    LayerNorm {
        /// Learned gain and offset.
        #[serde(default = "yes")]
        affine: bool,
    },
    /// Root mean square over the units of a sample (Zhang & Sennrich 2019, arXiv 1910.07467).
    RmsNorm {
        /// Learned gain.
        #[serde(default = "yes")]
        affine: bool,
        /// Fraction of the units, from the first on, whose mean square is taken (section 4, pRMSNorm).
        #[serde(default = "whole")]
        part: f64,
    },
}

fn yes() -> bool {
    true
}

fn whole() -> f64 {
    1.0
}

impl NormConfig {
    pub(crate) fn validate(self) -> Result<(), String> {
        match self {
            NormConfig::RmsNorm { part, .. } if !(part > 0.0 && part <= 1.0) => {
                Err(format!("part is {part}; it must be in (0, 1]"))
            }
            _ => Ok(()),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Statistics {
    MeanAndVariance,
    /// Of the first so many units.
    MeanSquare(i64),
}

/// A normalisation layer over the last dimension.
#[derive(Clone, Copy, Debug)]
pub struct Norm {
    statistics: Statistics,
    gain: Option<ParamId>,
    offset: Option<ParamId>,
    width: i64,
    eps: f64,
}

impl Norm {
    /// The layer that `config` asks for, if any: `name/gain` of ones and `name/offset` of zeros where
    /// they are learned. `eps` is added to the variance or the mean square (PyTorch's LayerNorm takes
    /// 1e-5, Flax 1e-6).
    pub fn new(
        p: &mut Params,
        name: &str,
        config: NormConfig,
        width: i64,
        eps: f64,
        rng: &mut Rng,
    ) -> Option<Self> {
        let (statistics, affine, shifts) = match config {
            NormConfig::None {} => return None,
            NormConfig::LayerNorm { affine } => (Statistics::MeanAndVariance, affine, true),
            NormConfig::RmsNorm { affine, part } => {
                let units = ((part * width as f64).ceil() as i64).clamp(1, width);
                (Statistics::MeanSquare(units), affine, false)
            }
        };
        let mut vector = |part: &str, role, value| {
            p.add(format!("{name}/{part}"), role, &[width], Init::Constant(value), rng)
        };
        let gain = affine.then(|| vector("gain", Role::NormGain, 1.0));
        let offset = (affine && shifts).then(|| vector("offset", Role::NormOffset, 0.0));
        Some(Norm { statistics, gain, offset, width, eps })
    }

    /// Its learned vectors, `[width]` each.
    pub fn learned(&self) -> impl Iterator<Item = ParamId> {
        self.gain.into_iter().chain(self.offset)
    }

    /// `[B, width] -> [B, width]`
    pub fn forward(&self, p: &Params, x: &Tensor) -> Tensor {
        let (gain, offset) = (self.gain.map(|id| p.get(id)), self.offset.map(|id| p.get(id)));
        match self.statistics {
            Statistics::MeanAndVariance => x.layer_norm([self.width], gain, offset, self.eps, true),
            Statistics::MeanSquare(units) => {
                let part = x.narrow(-1, 0, units).square();
                let mean = part.mean_dim(Some([-1i64].as_slice()), true, None::<Kind>); // [B, 1]
                let y = x * (mean + self.eps).rsqrt();
                gain.map_or_else(|| y.shallow_clone(), |gain| &y * gain)
            }
        }
    }
}
