//! Normal weights that keep the variance of activations (He et al. 2015, arXiv 1502.01852).

use serde::{Deserialize, Serialize};

use super::{
    Init,
    settings::{InitSettings, Place, Position},
};
use crate::registry::Part;

/// `init = "he"`
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct He {}

impl Part for He {
    type Family = dyn InitSettings;

    const KIND: &'static str = "he";
    const SUMMARY: &'static str = "He normal in hidden layers, LeCun normal in heads; biases zero";
    const SOURCE: &'static str = "He et al. 2015, arXiv 1502.01852; LeCun et al. 1998";
}

impl InitSettings for He {
    fn weight(&self, place: &Place) -> Init {
        if place.position == Position::Output { Init::Lecun } else { Init::He }
    }
}
