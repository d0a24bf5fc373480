//! Layers: pure functions of `&Params`. Weights are `[out, in]`, inputs `[B, in]`.

use tch::Tensor;

use crate::{
    init::Init,
    params::{L2_EPS, ParamId, Params, Role},
    random::Rng,
};

/// Affine layer `y = x W^T + b`.
#[derive(Clone, Copy, Debug)]
pub struct Dense {
    weight: ParamId,
    bias: ParamId,
}

impl Dense {
    /// `name/weight` of `role` drawn from `init`; `name/bias` from `bias`.
    #[expect(clippy::too_many_arguments, reason = "a layer is its shape, role and two laws")]
    pub fn new(
        p: &mut Params,
        name: &str,
        role: Role,
        input: i64,
        output: i64,
        init: Init,
        bias: Init,
        rng: &mut Rng,
    ) -> Self {
        let weight = p.add(format!("{name}/weight"), role, &[output, input], init, rng);
        let bias = p.add(format!("{name}/bias"), Role::Bias, &[output], bias, rng);
        Dense { weight, bias }
    }

    /// `[B, in] -> [B, out]`
    pub fn forward(&self, p: &Params, x: &Tensor) -> Tensor {
        x.linear(p.get(self.weight), Some(p.get(self.bias)))
    }
}

/// Layer normalisation over the last dimension with learned gain and offset
/// (Ba et al. 2016, arXiv 1607.06450).
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm {
    gain: ParamId,
    offset: ParamId,
    width: i64,
    eps: f64,
}

impl LayerNorm {
    /// `name/gain` of ones and `name/offset` of zeros; `eps` is added to the variance (PyTorch
    /// takes 1e-5, Flax 1e-6).
    pub fn new(p: &mut Params, name: &str, width: i64, eps: f64, rng: &mut Rng) -> Self {
        let gain =
            p.add(format!("{name}/gain"), Role::NormGain, &[width], Init::Constant(1.0), rng);
        let offset =
            p.add(format!("{name}/offset"), Role::NormOffset, &[width], Init::Constant(0.0), rng);
        LayerNorm { gain, offset, width, eps }
    }

    /// `[B, width] -> [B, width]`
    pub fn forward(&self, p: &Params, x: &Tensor) -> Tensor {
        x.layer_norm([self.width], Some(p.get(self.gain)), Some(p.get(self.offset)), self.eps, true)
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
pub struct UnitDense {
    weight: ParamId,
    bias: Option<ParamId>,
}

impl UnitDense {
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
        let weight = p.add(weight, Role::UnitRows, &[output, input], Init::UnitRows, rng);
        let bias = bias.then(|| {
            p.add(format!("{name}/bias"), Role::Bias, &[output], Init::Constant(0.0), rng)
        });
        UnitDense { weight, bias }
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

    /// `[B, width] -> [B, width]`
    pub fn forward(&self, p: &Params, x: &Tensor) -> Tensor {
        x * (p.get(self.value) * self.multiplier)
    }
}
