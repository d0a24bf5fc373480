//! Hyperbolic tangent.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::Activation;
use crate::{exec::fused_cpu::Pointwise, registry::Part, trace::Activity};

/// `activation = "tanh"`
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tanh {}

impl Part for Tanh {
    type Family = dyn Activation;

    const KIND: &'static str = "tanh";
    const SUMMARY: &'static str = "hyperbolic tangent";
    const SOURCE: &'static str = "LeCun et al. 1998";
}

impl Activation for Tanh {
    fn apply(&self, x: &Tensor) -> Tensor {
        x.tanh()
    }

    fn activity(&self) -> Activity {
        Activity::Tanh
    }

    fn pointwise(&self) -> Option<Pointwise> {
        Some(Pointwise::Tanh)
    }
}
