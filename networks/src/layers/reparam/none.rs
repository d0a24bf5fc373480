//! No reparametrisation: layers multiply with their stored weights.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Reparam, ReparamSettings, WeightLayers};
use crate::{
    params::{ParamId, Params},
    registry::Part,
};

/// `kind = "none"`
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {}

impl Part for Stored {
    type Family = dyn ReparamSettings;

    const KIND: &'static str = "none";
    const SUMMARY: &'static str = "weights as they are stored";
    const SOURCE: &'static str = "PyTorch's Linear";
}

impl ReparamSettings for Stored {
    fn layers(&self) -> Option<WeightLayers> {
        None
    }

    fn build(&self, _id: ParamId, _p: &mut Params) -> Arc<dyn Reparam> {
        unreachable!("it is for no layer")
    }
}
