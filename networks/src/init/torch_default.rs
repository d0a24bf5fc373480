//! What PyTorch's linear layers and convolutions start with.

use serde::{Deserialize, Serialize};

use super::{
    Init,
    settings::{InitSettings, Place},
};
use crate::registry::Part;

/// `init = "torch_default"`
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TorchDefault {}

impl Part for TorchDefault {
    type Family = dyn InitSettings;

    const KIND: &'static str = "torch_default";
    const SUMMARY: &'static str = "uniform in `1 / sqrt(fan_in)`, biases too";
    const SOURCE: &'static str = "the defaults of `torch.nn.Linear` and `torch.nn.Conv2d`";
}

impl InitSettings for TorchDefault {
    fn weight(&self, _place: &Place) -> Init {
        Init::TorchDefault
    }

    fn bias(&self, place: &Place) -> Init {
        Init::Uniform((place.fan_in as f64).sqrt().recip())
    }
}
