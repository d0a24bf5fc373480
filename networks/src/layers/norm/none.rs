//! No normalisation.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Norm, NormSettings};
use crate::{params::Params, random::Rng, registry::Part};

/// `norm = "none"`
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoNorm {}

impl Part for NoNorm {
    type Family = dyn NormSettings;

    const KIND: &'static str = "none";
    const SUMMARY: &'static str = "nothing is normalised";
    const SOURCE: &'static str = "-";
}

impl NormSettings for NoNorm {
    fn build(
        &self,
        _p: &mut Params,
        _name: &str,
        _width: i64,
        _eps: f64,
        _rng: &mut Rng,
    ) -> Option<Arc<dyn Norm>> {
        None
    }

    fn is_none(&self) -> bool {
        true
    }
}
