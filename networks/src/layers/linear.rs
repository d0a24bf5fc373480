//! Affine layers.

use tch::Tensor;

use super::{Weight, reparam::ReparamConfig};
use crate::{
    exec::fused_cpu::{ProgramBuilder, Slot},
    init::Init,
    neurons::Outgoing,
    params::{ParamId, Params, Role},
    random::Rng,
};

/// Affine layer `y = x W^T (+ b)`.
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Weight,
    bias: Option<ParamId>,
}

impl Linear {
    /// `name/weight` of `role` drawn from `init`; `name/bias` from `bias`, if there is one.
    #[expect(
        clippy::too_many_arguments,
        reason = "a layer is its shape, role and two distributions"
    )]
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
        let bias = bias.map(|init| p.add(format!("{name}/bias"), Role::Bias, &[output], init, rng));
        Linear { weight: Weight::stored(weight), bias }
    }

    /// The same layer with a function of its weight instead of the weight.
    #[must_use]
    pub fn reparametrised(self, config: &ReparamConfig, p: &mut Params) -> Self {
        Linear { weight: self.weight.reparametrise(config, p), ..self }
    }

    /// The layer as a reader of the units before it.
    pub fn outgoing(&self) -> Outgoing {
        Outgoing { weight: self.weight.id(), bias: self.bias }
    }

    /// `[B, in] -> [B, out]`
    pub fn forward(&self, p: &Params, x: &Tensor) -> Tensor {
        x.linear(&self.weight.effective(p), self.bias.map(|b| p.get(b)))
    }

    /// The same as an operation on buffers.
    ///
    /// # Errors
    /// If it multiplies with a function of its weight.
    pub fn program(&self, b: &mut ProgramBuilder<'_>, x: Slot) -> Result<Slot, String> {
        if self.weight.is_reparametrised() {
            return Err("a function of weights has no fused form".to_owned());
        }
        Ok(b.linear(x, self.weight.id(), self.bias))
    }
}
