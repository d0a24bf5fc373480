//! How alive a network is, and how ready to learn: pure functions of activations, weights and
//! gradients, in f64.
//!
//! | file | of what | says |
//! | --- | --- | --- |
//! | [`units`] | activations `[N, n]`, a weight's gradient | which units take part |
//! | [`spectrum`] | any matrix | how many directions it has |
//! | [`weights`] | weights now, at first, and a step between | how far, how fast, which way |
//! | [`gradients`] | lists or rows of gradients, Adam's moments | size, agreement, noise |
//! | [`curvature`] | a differentiable closure | tangent kernel, Hessian, local redundancy |
//! | [`probe`] | a network and a copy of its parameters | how well it still fits something new |
//!
//! What has no value (a cosine with nothing, the mean of no rows) is NaN.

use std::borrow::Borrow;

use tch::{Device, Kind, Tensor};

pub mod curvature;
pub mod gradients;
pub mod probe;
pub mod spectrum;
pub mod units;
pub mod weights;

pub use spectrum::Spectrum;
pub use units::{
    dead_fraction, dormant_fraction, feature_norm, linearised_fraction, rarely_active_fraction,
    saturated_fraction, unit_measures, unit_scores, zero_fraction,
};

/// Relative rounding of f64.
const ROUNDING: f64 = 1.0 / (1u64 << 52) as f64;

/// Values without their history, in f64.
fn double(t: &Tensor) -> Tensor {
    t.detach().to_kind(Kind::Double)
}

/// All elements of all tensors in a row, `[P]`, in f64.
pub fn flat(tensors: &[impl Borrow<Tensor>]) -> Tensor {
    let parts: Vec<Tensor> = tensors.iter().map(|t| double(t.borrow()).reshape([-1])).collect();
    Tensor::cat(&parts, 0)
}

/// A list of numbers, on the host.
fn numbers(t: &Tensor) -> Vec<f64> {
    Vec::try_from(&double(t).to_device(Device::Cpu)).expect("f64 on the CPU")
}

/// The fraction of a mask that is true.
fn fraction(mask: &Tensor) -> f64 {
    mask.to_kind(Kind::Double).mean(Kind::Double).double_value(&[])
}

/// 2-norms of the rows of `[N, n]`, `[N, 1]`.
fn row_norms(rows: &Tensor) -> Tensor {
    rows.norm_scalaropt_dim(2.0, [1i64].as_slice(), true)
}

/// Sum of squares of all elements.
fn squared(t: &Tensor) -> f64 {
    t.square().sum(Kind::Double).double_value(&[])
}

/// Rows of `[N, n]` divided by their norms, in f64; rows of zeros, which point nowhere, are left out.
fn directions(rows: &Tensor) -> Tensor {
    let rows = double(rows);
    let norms = row_norms(&rows);
    let kept = norms.squeeze_dim(1).gt(0.0).nonzero().squeeze_dim(1);
    rows.index_select(0, &kept) / norms.index_select(0, &kept)
}
