//! Layers: pure functions of `&Params`. Weights are `[out, in]`, inputs `[B, in]`.

use tch::Tensor;

use crate::{
    init::Init,
    params::{ParamId, Params, Role},
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
/// (Ba et al. 2016, arXiv 1607.06450); epsilon 1e-5 as in PyTorch.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm {
    gain: ParamId,
    offset: ParamId,
    width: i64,
}

impl LayerNorm {
    /// `name/gain` of ones and `name/offset` of zeros.
    pub fn new(p: &mut Params, name: &str, width: i64, rng: &mut Rng) -> Self {
        let gain =
            p.add(format!("{name}/gain"), Role::NormGain, &[width], Init::Constant(1.0), rng);
        let offset =
            p.add(format!("{name}/offset"), Role::NormOffset, &[width], Init::Constant(0.0), rng);
        LayerNorm { gain, offset, width }
    }

    /// `[B, width] -> [B, width]`
    pub fn forward(&self, p: &Params, x: &Tensor) -> Tensor {
        x.layer_norm([self.width], Some(p.get(self.gain)), Some(p.get(self.offset)), 1e-5, true)
    }
}
