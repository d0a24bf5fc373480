//! Where weights are, how far they came, and what one step does to them. `w` is any tensor, `[n, in]`
//! where rows matter; whole models go through [`flat`](super::flat).

use tch::{Kind, Tensor};

use super::{double, squared};

/// `||W||_F`
pub fn norm(w: &Tensor) -> f64 {
    squared(&double(w)).sqrt()
}

/// Mean of `|w|` (the weight magnitude of Dohare et al. 2024).
pub fn mean_abs(w: &Tensor) -> f64 {
    double(w).abs().mean(Kind::Double).double_value(&[])
}

/// `||W - W_0||_F / ||W_0||_F`; infinite or NaN if `W_0` is 0.
pub fn distance(w: &Tensor, initial: &Tensor) -> f64 {
    let initial = double(initial);
    (squared(&(double(w) - &initial)) / squared(&initial)).sqrt()
}

/// Cosine of the angle between two weights as vectors; NaN if one is 0.
pub fn cosine(w: &Tensor, initial: &Tensor) -> f64 {
    let (a, b) = (double(w), double(initial));
    dot(&a, &b) / (squared(&a) * squared(&b)).sqrt()
}

/// `||W W^T - I||_F / sqrt n`: 0 for orthonormal rows, what Parseval regularisation pulls at (Chung
/// et al. 2024, arXiv 2412.07224). With more rows than columns it is at least `sqrt((n - in) / n)`.
pub fn orthogonality_gap(w: &Tensor) -> f64 {
    let w = double(w).flatten(1, -1);
    let n = w.size()[0];
    let eye = Tensor::eye(n, (Kind::Double, w.device()));
    (squared(&(w.matmul(&w.tr()) - eye)) / n as f64).sqrt()
}

fn dot(a: &Tensor, b: &Tensor) -> f64 {
    (a * b).sum(Kind::Double).double_value(&[])
}

/// An update `dW` in units of the weight it changes. For a weight whose scale has no effect only the
/// rotation does anything (Kosson et al. 2023, arXiv 2305.17212; Lyle et al. 2024, arXiv 2407.01800,
/// who call for its rate as the effective learning rate).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// `||dW|| / ||W||`
    pub relative_update: f64,
    /// Angle between `W` and `W + dW`, in radians.
    pub rotation: f64,
    /// `||W + dW|| / ||W|| - 1`
    pub growth: f64,
}

impl Step {
    /// Of the weight before and the change, same shape. Everything is NaN or infinite if `W` is 0.
    ///
    /// Written in `a = W.dW / ||W||^2` and `b`, the part of `dW` across `W` over `||W||`, because
    /// arc cosines and differences of norms lose half the digits of a small step.
    pub fn of(before: &Tensor, change: &Tensor) -> Self {
        let (w, d) = (double(before), double(change));
        let square = squared(&w);
        let along = dot(&w, &d) / square;
        let across = (squared(&(&d - &w * along)) / square).sqrt();
        let added = along * (2.0 + along) + across * across; // ||W + dW||^2 / ||W||^2 - 1
        Step {
            relative_update: (squared(&d) / square).sqrt(),
            rotation: across.atan2(1.0 + along),
            growth: added / (1.0 + (1.0 + added).sqrt()),
        }
    }

    /// Of the weights before and after, whose difference is exact in f64 for f32 weights that moved
    /// little.
    pub fn between(before: &Tensor, after: &Tensor) -> Self {
        Step::of(before, &(double(after) - double(before)))
    }
}
