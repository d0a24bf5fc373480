//! The rectified linear unit.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::Activation;
use crate::{exec::fused_cpu::Pointwise, registry::Part, trace::Activity};

/// `activation = "relu"`
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relu {}

impl Part for Relu {
    type Family = dyn Activation;

    const KIND: &'static str = "relu";
    const SUMMARY: &'static str = "`max(x, 0)`";
    const SOURCE: &'static str = "Nair & Hinton 2010";
}

impl Activation for Relu {
    fn apply(&self, x: &Tensor) -> Tensor {
        x.relu()
    }

    fn activity(&self) -> Activity {
        Activity::Relu
    }

    fn pointwise(&self) -> Option<Pointwise> {
        Some(Pointwise::Relu)
    }
}
