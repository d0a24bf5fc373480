//! Which units of a layer take part.
//!
//! `h` is `[N, n]`: activations of `n` units on `N` inputs. Of a convolution, `[N, n, ...]`, every
//! position counts as an input.

use tch::{Kind, Tensor};

use super::{directions, double, fraction, numbers, row_norms, spectrum::perplexity, squared};
use crate::trace::Activity;

fn over_inputs(t: &Tensor) -> Tensor {
    t.mean_dim(Some([0i64].as_slice()), false, Kind::Double)
}

/// `[N, n, ...]` as `[N * positions, n]`: a matrix, for [`Spectrum`](super::Spectrum) too.
pub fn per_unit(h: &Tensor) -> Tensor {
    if h.dim() == 2 { h.shallow_clone() } else { h.movedim([1i64], [-1i64]).flatten(0, -2) }
}

/// `mean |h_i|`, `[n]`.
fn mean_sizes(h: &Tensor) -> Tensor {
    over_inputs(&double(&per_unit(h)).abs())
}

/// How much each unit speaks beside the average unit of its layer: `mean |h_i| / mean_j mean |h_j|`
/// (Sokar et al. 2023, arXiv 2302.12902, equation 1), `[n]`. Its epsilon of 1e-9 is the official
/// code's.
pub fn unit_scores(h: &Tensor) -> Tensor {
    let size = mean_sizes(h);
    let mean = size.mean(Kind::Double) + 1e-9;
    size / mean
}

/// Fraction of units whose score is at most `tau` (0.025 and 0.1 are published values).
pub fn dormant_fraction(h: &Tensor, tau: f64) -> f64 {
    fraction(&unit_scores(h).le(tau))
}

/// Fraction of units that are 0 on every input (Lu et al. 2020, arXiv 1903.06733).
pub fn dead_fraction(h: &Tensor) -> f64 {
    fraction(&per_unit(h).eq(0.0).all_dim(0, false))
}

/// Fraction of units that are above 0 on at most `rate` of the inputs (Dohare et al. 2024: 0.01).
pub fn rarely_active_fraction(h: &Tensor, rate: f64) -> f64 {
    fraction(&over_inputs(&per_unit(h).gt(0.0).to_kind(Kind::Double)).le(rate))
}

/// Fraction of units that are above 0 on every input: a ReLU that never bends (Lyle et al. 2024,
/// arXiv 2402.18762).
pub fn linearised_fraction(h: &Tensor) -> f64 {
    fraction(&per_unit(h).gt(0.0).all_dim(0, false))
}

/// Fraction of all entries that are 0.
pub fn zero_fraction(h: &Tensor) -> f64 {
    fraction(&h.eq(0.0))
}

/// Fraction of all entries beyond +-0.99: a tanh that no longer answers.
pub fn saturated_fraction(h: &Tensor) -> f64 {
    fraction(&h.abs().gt(0.99))
}

/// Mean 2-norm of the rows, one row an input.
pub fn feature_norm(h: &Tensor) -> f64 {
    row_norms(&double(&h.flatten(1, -1))).mean(Kind::Double).double_value(&[])
}

/// Mean over units of their variance over inputs, `mean_i mean_k (h_ki - mean_k h_ki)^2`: 0 where
/// every input looks the same.
pub fn feature_variance(h: &Tensor) -> f64 {
    let variance = double(&per_unit(h)).var_dim(Some([0i64].as_slice()), false, false);
    variance.mean(Kind::Double).double_value(&[])
}

/// Mean cosine between the rows of two different inputs, `(||sum_k u_k||^2 - N) / (N (N - 1))` with
/// `u_k = h_k / ||h_k||`: 1 where the layer tells nothing apart (Lyle et al. 2023, arXiv 2303.01486,
/// look at the same of gradients). In `O(N n)`. Rows of zeros do not count; NaN if fewer than two
/// are left.
pub fn mean_cosine(h: &Tensor) -> f64 {
    let u = directions(&h.flatten(1, -1));
    let n = u.size()[0] as f64;
    let sum = u.sum_dim_intlist(Some([0i64].as_slice()), false, Kind::Double);
    (squared(&sum) - squared(&u)) / (n * (n - 1.0))
}

/// How evenly the units are used: `exp(-sum p ln p) / n` with `p_i = mean |h_i| / sum_j mean |h_j|`;
/// 1 if all speak alike, `1 / n` if one does, 0 if none does.
pub fn usage(h: &Tensor) -> f64 {
    let sizes = numbers(&mean_sizes(h));
    perplexity(&sizes) / sizes.len() as f64
}

/// How much each unit learns beside the average unit of its layer, of the gradient `[n, in]` of its
/// incoming weights: `mean_j |g_ij| / mean_i mean_j |g_ij|` (arXiv 2505.24061), `[n]`. Unlike
/// [`unit_scores`] it needs no nonlinearity that can be off. The 1e-8 is the official code's.
pub fn gradient_scores(grad: &Tensor) -> Tensor {
    let sizes = double(&grad.flatten(1, -1)).abs();
    let size = sizes.mean_dim(Some([1i64].as_slice()), false, Kind::Double);
    let mean = size.mean(Kind::Double) + 1e-8;
    size / mean
}

/// Fraction of units whose [`gradient_scores`] is at most `tau` (arXiv 2505.24061: 0.01).
pub fn gradient_dormant_fraction(grad: &Tensor, tau: f64) -> f64 {
    fraction(&gradient_scores(grad).le(tau))
}

/// The measures of units that mean something for what produced them, by name.
pub fn unit_measures(h: &Tensor, activity: Activity) -> Vec<(&'static str, f64)> {
    let mut out = vec![
        ("feature_norm", feature_norm(h)),
        ("feature_variance", feature_variance(h)),
        ("feature_cosine", mean_cosine(h)),
        ("usage", usage(h)),
    ];
    match activity {
        Activity::Relu => out.extend([
            ("dormant_0.025", dormant_fraction(h, 0.025)),
            ("dormant_0.1", dormant_fraction(h, 0.1)),
            ("dead", dead_fraction(h)),
            ("rarely_active", rarely_active_fraction(h, 0.01)),
            ("linearised", linearised_fraction(h)),
            ("zeros", zero_fraction(h)),
        ]),
        Activity::Tanh => out.push(("saturated", saturated_fraction(h))),
        Activity::Silu | Activity::Linear => {}
    }
    out
}
