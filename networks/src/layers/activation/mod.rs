//! Nonlinearities of hidden layers.

mod crelu;
mod relu;
mod silu;
mod tanh;

pub use crelu::Crelu;
pub use relu::Relu;
pub use silu::Silu;
pub use tanh::Tanh;

use std::{fmt::Debug, sync::Arc};

use tch::Tensor;

use crate::{
    exec::fused_cpu::Pointwise,
    registry::{Family, Holds, Named, Open, Part},
    trace::Activity,
};

/// `activation` of an architecture.
pub type ActivationConfig = Named<dyn Activation>;

/// One nonlinearity.
pub trait Activation: Debug + Send + Sync {
    /// # Errors
    /// One sentence about the first value that cannot work, beginning with its key.
    fn validate(&self) -> Result<(), String> {
        Ok(())
    }

    /// `[B, units, ...] -> [B, outputs_per_unit * units, ...]`
    fn apply(&self, x: &Tensor) -> Tensor;

    /// Outputs that the next layer reads, per unit.
    fn outputs_per_unit(&self) -> i64 {
        1
    }

    /// Which measures of its outputs mean something.
    fn activity(&self) -> Activity;

    /// The same as an operation on buffers, if it is one.
    fn pointwise(&self) -> Option<Pointwise> {
        None
    }
}

/// One line each.
impl Open for dyn Activation {
    const KEY: &'static str = "activation";
    const SHORT: bool = true;

    fn builtin() -> Family<Self> {
        let mut family = Family::default();
        family.add::<Crelu>();
        family.add::<Relu>();
        family.add::<Silu>();
        family.add::<Tanh>();
        family
    }
}

impl<P: Part + Activation> Holds<P> for dyn Activation {
    fn hold(part: Arc<P>) -> Arc<Self> {
        part
    }
}
