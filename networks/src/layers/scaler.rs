//! SimbaV2's learned elementwise factor.

use tch::Tensor;

use crate::{
    exec::fused_cpu::{ProgramBuilder, Slot},
    init::Init,
    params::{ParamId, Params, Role},
    random::Rng,
};

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

    /// The same as an operation on buffers.
    pub fn program(&self, b: &mut ProgramBuilder<'_>, x: Slot) -> Slot {
        b.scale(x, self.value, self.multiplier)
    }

    /// `x + scaler * (to - x)` as an operation on buffers.
    pub fn program_between(&self, b: &mut ProgramBuilder<'_>, x: Slot, to: Slot) -> Slot {
        b.lerp(x, to, self.value, self.multiplier)
    }
}
