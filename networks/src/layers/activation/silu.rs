//! SiLU, also called swish.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::Activation;
use crate::{exec::fused_cpu::Pointwise, registry::Part, trace::Activity};

/// `activation = "silu"`
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Silu {}

impl Part for Silu {
    type Family = dyn Activation;

    const KIND: &'static str = "silu";
    const SUMMARY: &'static str = "`x * sigmoid(x)`";
    const SOURCE: &'static str = "Elfwing et al. 2017, arXiv 1702.03118";
}

impl Activation for Silu {
    fn apply(&self, x: &Tensor) -> Tensor {
        x.silu()
    }

    fn activity(&self) -> Activity {
        Activity::Silu
    }

    fn pointwise(&self) -> Option<Pointwise> {
        Some(Pointwise::Silu)
    }
}
