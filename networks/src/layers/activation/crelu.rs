//! Concatenated ReLU (Shang et al. 2016, arXiv 1603.05201): `[max(x, 0), max(-x, 0)]`, so that of each unit with a
//! nonzero input one half is on and passes a gradient. With it a deep Q-network stays plastic (Abbas et al. 2023,
//! arXiv 2303.07507). The layer behind has twice the inputs; all positive halves come first.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::Activation;
use crate::{exec::fused_cpu::Pointwise, registry::Part, trace::Activity};

/// `activation = "crelu"`
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crelu {}

impl Part for Crelu {
    type Family = dyn Activation;

    const KIND: &'static str = "crelu";
    const SUMMARY: &'static str = "`[max(x, 0), max(-x, 0)]`: two outputs a unit, one of them on";
    const SOURCE: &'static str =
        "Shang et al. 2016, arXiv 1603.05201; Abbas et al. 2023, arXiv 2303.07507";
}

impl Activation for Crelu {
    fn apply(&self, x: &Tensor) -> Tensor {
        Tensor::cat(&[x.relu(), (-x).relu()], 1)
    }

    fn outputs_per_unit(&self) -> i64 {
        2
    }

    fn activity(&self) -> Activity {
        Activity::Relu
    }

    fn pointwise(&self) -> Option<Pointwise> {
        Some(Pointwise::Crelu)
    }
}
