//! SimbaV2's linear layer and normalisation.

use tch::Tensor;

use crate::{
    exec::fused_cpu::{NormKind, ProgramBuilder, Slot},
    fused::L2_EPS,
    init::Init,
    neurons::Outgoing,
    params::{ParamId, Params, Role},
    random::Rng,
};

/// `x / max(||x||_2, 1e-8)` over the last dimension: onto the unit sphere, and zero to zero.
pub fn l2_normalize(x: &Tensor) -> Tensor {
    let norm = x.norm_scalaropt_dim(2.0, [-1i64].as_slice(), true); // [.., 1]
    x / norm.clamp_min(L2_EPS)
}

/// [`l2_normalize`] as an operation on buffers.
pub(crate) fn l2_program(b: &mut ProgramBuilder<'_>, x: Slot) -> Slot {
    b.norm(x, NormKind::L2 { eps: L2_EPS }, None, None)
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

    /// The same as an operation on buffers.
    pub fn program(&self, b: &mut ProgramBuilder<'_>, x: Slot) -> Slot {
        b.linear(x, self.weight, self.bias)
    }
}
