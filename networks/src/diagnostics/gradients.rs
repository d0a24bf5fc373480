//! Size, agreement and noise of gradients, and what Adam makes of them.
//!
//! `grads` is one tensor per parameter; `samples` is `[N, P]`, one gradient a row, of single inputs
//! ([`per_sample_gradients`](super::curvature::per_sample_gradients)) or of minibatches.

use tch::{Kind, Tensor};

pub use super::units::mean_cosine;
use super::{directions, double, flat, fraction, squared};
use crate::{
    optim::{Adam, OptimConfig},
    params::Params,
};

/// Sum of `|g|`. With [`l2`] it tells a gradient that vanished from one that is sparse (Abbas et al.
/// 2023, arXiv 2303.07507).
pub fn l1(grads: &[Tensor]) -> f64 {
    flat(grads).abs().sum(Kind::Double).double_value(&[])
}

/// 2-norm over all parameters.
pub fn l2(grads: &[Tensor]) -> f64 {
    squared(&flat(grads)).sqrt()
}

/// Largest `|g|`.
pub fn max_abs(grads: &[Tensor]) -> f64 {
    flat(grads).abs().max().double_value(&[])
}

/// Fraction of elements with `|g| < 1e-8`.
pub fn tiny_fraction(grads: &[Tensor]) -> f64 {
    fraction(&flat(grads).abs().lt(1e-8))
}

/// Fraction of pairs of different samples whose gradients point apart, `C_kl < 0`: learning one
/// unlearns the other. Rows of zeros do not count; NaN if fewer than two are left.
pub fn conflict_fraction(samples: &Tensor) -> f64 {
    let u = directions(samples);
    let n = u.size()[0] as f64;
    // A row is never in conflict with itself: the diagonal adds nothing.
    let pairs = u.matmul(&u.tr()).lt(0.0).to_kind(Kind::Double).sum(Kind::Double);
    pairs.double_value(&[]) / (n * (n - 1.0))
}

/// `tr(Sigma) / ||g||^2`, the batch size below which averaging still pays (arXiv 1812.06162,
/// equation 2.9), of single-sample gradients. `Sigma` is the unbiased covariance,
/// `g` the mean of the rows, whose square is `tr(Sigma) / N` too large on average.
pub fn noise_scale(samples: &Tensor) -> f64 {
    let samples = double(samples);
    let n = samples.size()[0] as f64;
    let mean = samples.mean_dim(Some([0i64].as_slice()), true, Kind::Double);
    squared(&(&samples - &mean)) / (n - 1.0) / squared(&mean)
}

/// Optimisation readiness (arXiv 2605.09044): a lower bound on what one gradient step gains, up to a
/// factor of step size and smoothness, as a part of the loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Readiness {
    /// `||g||^2 / L`: how much there is to gain.
    pub strength: f64,
    /// `||g||^2 / mean ||g_B||^2`: how much of a minibatch's gradient is the whole's, at most 1 if
    /// the minibatches make up the whole.
    pub reliability: f64,
}

impl Readiness {
    /// Of the loss `L` and gradient `g` on a large set, and gradients `[M, P]` of minibatches of it
    /// (the paper: 10 000 samples and 128 minibatches of 4). Infinite or NaN if `L` is 0.
    pub fn of(loss: f64, grads: &[Tensor], minibatches: &Tensor) -> Self {
        let square = squared(&flat(grads));
        let mean = squared(&double(minibatches)) / minibatches.size()[0] as f64;
        Readiness { strength: square / loss, reliability: square / mean }
    }

    /// `OR = ||g||^4 / (L mean ||g_B||^2)`
    pub fn value(self) -> f64 {
        self.strength * self.reliability
    }
}

/// What Adam's moments `m`, `v` say, both with their bias corrected: so `lr * largest_step` is the
/// largest update, and the first steps are not taken for weak ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamHealth {
    /// Mean of `m^2 / v`: 1 if gradients repeat, near `(1 - beta1) / (1 + beta1)` if they are noise;
    /// elements with `v = 0` count as 0.
    pub signal: f64,
    /// Fraction of elements with `v < eps^2`, where `eps` sets the step.
    pub below_eps: f64,
    /// Largest `|m| / (sqrt v + eps)`. Above 1 where gradients grew faster than `v` forgets (Lyle et
    /// al. 2023, arXiv 2303.01486).
    pub largest_step: f64,
}

impl AdamHealth {
    /// Of raw moments, one tensor per parameter, after `steps` (at least 1) of an Adam with `config`.
    pub fn of(m: &[Tensor], v: &[Tensor], config: Adam, steps: u64) -> Self {
        let correction = |beta: f64| 1.0 - beta.powf(steps as f64);
        let m = flat(m) / correction(config.beta1);
        let v = flat(v) / correction(config.beta2);
        let signal = (m.square() / &v).masked_fill(&v.le(0.0), 0.0);
        AdamHealth {
            signal: signal.mean(Kind::Double).double_value(&[]),
            below_eps: fraction(&v.lt(config.eps * config.eps)),
            largest_step: (m.abs() / (v.sqrt() + config.eps)).max().double_value(&[]),
        }
    }

    /// Of the moments beside `params`; `None` if their optimiser is no Adam or took no step.
    pub fn of_params(params: &Params, config: &OptimConfig, steps: u64) -> Option<Self> {
        let config = config.rule.as_adam()?;
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for p in params.trainable() {
            let [m, v] = p.moments.as_slice() else { return None };
            first.push(m.shallow_clone());
            second.push(v.shallow_clone());
        }
        (steps > 0 && !first.is_empty()).then(|| Self::of(&first, &second, config, steps))
    }
}
