//! Orthogonal weights (Saxe et al. 2014, arXiv 1312.6120).

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{
    Init,
    settings::{InitSettings, Place, Position},
};
use crate::{
    random::{self, Rng},
    registry::Part,
};

/// `init = "orthogonal"`
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Orthogonal {}

impl Part for Orthogonal {
    type Family = dyn InitSettings;

    const KIND: &'static str = "orthogonal";
    const SUMMARY: &'static str =
        "orthogonal with gain `sqrt(2)` in hidden layers and 1 in heads; biases zero";
    const SOURCE: &'static str = "Saxe et al. 2014, arXiv 1312.6120";
}

impl InitSettings for Orthogonal {
    fn weight(&self, place: &Place) -> Init {
        Init::Orthogonal(if place.position == Position::Output { 1.0 } else { 2f64.sqrt() })
    }
}

/// QR of a tall Gaussian matrix in f64; multiplying by the signs of R's diagonal makes the distribution
/// uniform over orthogonal matrices (as `torch.nn.init.orthogonal_`).
pub(super) fn draw(shape: &[i64], gain: f64, rng: &mut Rng) -> Tensor {
    let rows = shape[0];
    let cols = shape.iter().skip(1).product::<i64>().max(1);
    let gaussian = random::normal_f64(&[rows.max(cols), rows.min(cols)], rng);
    let (q, r) = Tensor::linalg_qr(&gaussian, "reduced");
    let q = q * r.diagonal(0, 0, 1).sign();
    let q = if rows < cols { q.tr() } else { q };
    (q * gain).to_kind(Kind::Float).contiguous().view(shape)
}
