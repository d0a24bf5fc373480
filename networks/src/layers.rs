//! Layers: pure functions of `&Params`. Weights are `[out, in]`, inputs `[B, in]`.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::{
    init::Init,
    neurons::Outgoing,
    params::{L2_EPS, ParamId, Params, Role},
    random::Rng,
};

/// Affine layer `y = x W^T (+ b)`.
#[derive(Clone, Copy, Debug)]
pub struct Linear {
    weight: ParamId,
    bias: Option<ParamId>,
}

impl Linear {
    /// `name/weight` of `role` drawn from `init`; `name/bias` from `bias`, if there is one.
    #[expect(clippy::too_many_arguments, reason = "a layer is its shape, role and two laws")]
    pub fn new(
        p: &mut Params,
        name: &str,
        role: Role,
        input: i64,
        output: i64,
        init: Init,
        bias: Option<Init>,
        rng: &mut Rng,
    ) -> Self {
        let weight = p.add(format!("{name}/weight"), role, &[output, input], init, rng);
        let bias = bias.map(|law| p.add(format!("{name}/bias"), Role::Bias, &[output], law, rng));
        Linear { weight, bias }
    }

    /// The layer as a reader of the units before it.
    pub fn outgoing(&self) -> Outgoing {
        Outgoing { weight: self.weight, bias: self.bias }
    }

    /// `[B, in] -> [B, out]`
    pub fn forward(&self, p: &Params, x: &Tensor) -> Tensor {
        x.linear(p.get(self.weight), self.bias.map(|b| p.get(b)))
    }
}

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

/// `x / max(||x||_2, 1e-8)` over the last dimension: onto the unit sphere, and zero to zero.
pub fn l2_normalize(x: &Tensor) -> Tensor {
    let norm = x.norm_scalaropt_dim(2.0, [-1i64].as_slice(), true); // [.., 1]
    x / norm.clamp_min(L2_EPS)
}

/// Linear layer whose weight rows have unit 2-norm, `y = x W^T (+ b)` (SimbaV2, arXiv 2502.15280,
/// section 4): each output is `||x||` times a cosine. Rows start orthonormal where there are no
/// more of them than inputs.
#[derive(Clone, Copy, Debug)]
pub struct HypersphericalLinear {
    weight: ParamId,
    bias: Option<ParamId>,
}

impl HypersphericalLinear {
    /// `name/weight`, and `name/bias` of zeros if there is one.
    pub fn new(
        p: &mut Params,
        name: &str,
        input: i64,
        output: i64,
        bias: bool,
        rng: &mut Rng,
    ) -> Self {
        let weight = format!("{name}/weight");
        let weight =
            p.add(weight, Role::Hyperspherical, &[output, input], Init::Hyperspherical, rng);
        let bias = bias.then(|| {
            p.add(format!("{name}/bias"), Role::Bias, &[output], Init::Constant(0.0), rng)
        });
        HypersphericalLinear { weight, bias }
    }

    /// The layer as a reader of the units before it.
    pub fn outgoing(&self) -> Outgoing {
        Outgoing { weight: self.weight, bias: self.bias }
    }

    /// `[B, in] -> [B, out]`
    pub fn forward(&self, p: &Params, x: &Tensor) -> Tensor {
        x.linear(p.get(self.weight), self.bias.map(|b| p.get(b)))
    }
}

/// Learned elementwise factor with its starting value apart from its learning rate (SimbaV2,
/// section 4; Loshchilov et al. 2024, arXiv 2410.01131, section 2.5).
///
/// The parameter starts at `scale` and the factor is `parameter * init / scale`. An optimiser that
/// moves every parameter by about its rate, as Adam does, so moves the factor by `init / scale`
/// times that.
#[derive(Clone, Copy, Debug)]
pub struct Scaler {
    value: ParamId,
    multiplier: f64,
}

impl Scaler {
    /// `name`, a vector of `width`.
    pub fn new(
        p: &mut Params,
        name: &str,
        width: i64,
        init: f64,
        scale: f64,
        rng: &mut Rng,
    ) -> Self {
        let value = p.add(name.to_owned(), Role::Scaler, &[width], Init::Constant(scale), rng);
        Scaler { value, multiplier: init / scale }
    }

    /// The stored vector.
    pub fn id(&self) -> ParamId {
        self.value
    }

    /// `[B, width] -> [B, width]`
    pub fn forward(&self, p: &Params, x: &Tensor) -> Tensor {
        x * (p.get(self.value) * self.multiplier)
    }
}
