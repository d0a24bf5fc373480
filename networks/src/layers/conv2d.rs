//! Convolutions.

use tch::Tensor;

use super::{Weight, reparam::ReparamConfig};
use crate::{
    init::Init,
    params::{ParamId, Params, Role},
    random::Rng,
};

/// Two-dimensional convolution without padding.
#[derive(Clone, Debug)]
pub struct Conv2d {
    weight: Weight,
    bias: ParamId,
    stride: i64,
}

impl Conv2d {
    /// `name/weight` of `shape`, `[out, in, height, width]`, and `role`, and `name/bias`.
    pub fn new(
        p: &mut Params,
        name: &str,
        role: Role,
        shape: [i64; 4],
        stride: i64,
        (weight, bias): (Init, Init),
        rng: &mut Rng,
    ) -> Self {
        let weight = p.add(format!("{name}/weight"), role, &shape, weight, rng);
        let bias = p.add(format!("{name}/bias"), Role::Bias, &[shape[0]], bias, rng);
        Conv2d { weight: Weight::stored(weight), bias, stride }
    }

    /// The same layer with a function of its weight instead of the weight.
    #[must_use]
    pub fn reparametrised(self, config: &ReparamConfig, p: &mut Params) -> Self {
        Conv2d { weight: self.weight.reparametrise(config, p), ..self }
    }

    /// `[B, in, h, w] -> [B, out, h', w']`
    pub fn forward(&self, p: &Params, x: &Tensor) -> Tensor {
        let (weight, bias) = (self.weight.effective(p), p.get(self.bias));
        x.conv2d(&weight, Some(bias), [self.stride; 2], [0, 0], [1, 1], 1)
    }
}
