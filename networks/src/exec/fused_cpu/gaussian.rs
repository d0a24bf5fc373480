//! The Gaussian squashed by tanh of [`SquashedGaussian`](crate::squashed_gaussian::SquashedGaussian), on buffers: draws,
//! their log-probabilities, and the way back to mean and spread.

use super::{
    matrix::{Host, Matrix, Rows},
    simd::{Isa, Kernel, LANES, Lanes, Real, math},
};
use crate::squashed_gaussian::{LogStd, constant};

/// Draws for a batch, and what the way back needs of them.
#[derive(Debug)]
pub struct GaussianRows<T> {
    isa: Isa,
    log_std: LogStd,
    /// `[rows, dim]`
    draw: Matrix<T>,
    /// `[rows, dim]`
    std: Matrix<T>,
    /// `[rows, 1]`
    log_prob: Matrix<T>,
}

impl<T: Real> GaussianRows<T> {
    /// For so many rows and dimensions.
    pub fn new(isa: Isa, rows: usize, dim: usize, log_std: LogStd) -> Self {
        GaussianRows {
            isa,
            log_std,
            draw: Matrix::new(rows, dim),
            std: Matrix::new(rows, dim),
            log_prob: Matrix::new(rows, 1),
        }
    }

    /// `tanh(mean + std * noise)`, `[rows, dim]`.
    pub fn draw(&self) -> &Matrix<T> {
        &self.draw
    }

    /// Standard deviations, `[rows, dim]`.
    pub fn std(&self) -> &Matrix<T> {
        &self.std
    }

    /// Log-probabilities, `[rows, 1]`.
    pub fn log_prob(&self) -> &Matrix<T> {
        &self.log_prob
    }

    /// The draws that standard normal `noise` leads to.
    pub fn sample(&self, rows: &Rows, mean: &Matrix<T>, raw: &Matrix<T>, noise: &Host<'_, T>) {
        let dim = self.draw.width();
        for r in rows.range() {
            let log_prob = self.isa.run(Sample {
                log_std: self.log_std,
                mean: mean.at(r),
                raw: raw.at(r),
                noise: noise.row(r).as_ptr(),
                draw: self.draw.at(r),
                std: self.std.at(r),
                dim,
            });
            self.log_prob.row(rows, r)[0].set(log_prob);
        }
    }

    /// From the gradient of draws, in the columns of `d_draw` from `column` on, and of every log-probability to those of
    /// `mean` and `raw`.
    ///
    /// # Panics
    /// If a matrix has not the columns that draws have.
    #[expect(clippy::too_many_arguments, reason = "a function of two things with two gradients")]
    pub fn backward(
        &self,
        rows: &Rows,
        raw: &Matrix<T>,
        noise: &Host<'_, T>,
        d_draw: &Matrix<T>,
        column: usize,
        d_log_prob: T,
        d_mean: &Matrix<T>,
        d_raw: &Matrix<T>,
    ) {
        let dim = self.draw.width();
        assert!(column + dim <= d_draw.width() && dim == d_mean.width() && dim == d_raw.width());
        for r in rows.range() {
            self.isa.run(Backward {
                log_std: self.log_std,
                raw: raw.at(r),
                noise: noise.row(r).as_ptr(),
                draw: self.draw.at(r),
                std: self.std.at(r),
                // SAFETY: inside the row, as checked above.
                d_draw: unsafe { d_draw.at(r).add(column) },
                d_log_prob,
                d_mean: d_mean.at(r),
                d_raw: d_raw.at(r),
                dim,
            });
        }
    }
}

/// One row; gives its log-probability.
struct Sample<T> {
    log_std: LogStd,
    mean: *const T,
    raw: *const T,
    noise: *const T,
    draw: *mut T,
    std: *mut T,
    dim: usize,
}

impl<T: Real> Kernel<T> for Sample<T> {
    type Output = T;

    #[inline(always)]
    fn run<L: Lanes<T>>(self) -> T {
        let mut sum = T::of(0.0);
        // SAFETY: rows of matrices are padded to whole registers; those of the noise are not.
        unsafe {
            for c in (0..self.dim).step_by(LANES) {
                let n = (self.dim - c).min(LANES);
                let z = L::load_first(self.noise.add(c), n);
                let log_std = match self.log_std {
                    LogStd::Clamp { min, max } => clamp(L::load(self.raw.add(c)), min, max),
                    LogStd::Tanh { min, max } => {
                        let t = math::tanh(L::load(self.raw.add(c))).0;
                        let half = L::splat(T::of(0.5 * (max - min)));
                        t.add(L::splat(T::of(1.0))).fma(half, L::splat(T::of(min)))
                    }
                };
                let std = math::exp(log_std);
                let u = std.fma(z, L::load(self.mean.add(c)));
                let (draw, e) = math::tanh(u);
                // log N - log |d tanh / du| without constants; u + softplus(-2 u) is |u| + log1p(e^(-2 |u|)).
                let slope = u.abs().add(math::log1p(e));
                let normal = z.mul(z).fma(L::splat(T::of(-0.5)), L::splat(T::of(0.0)).sub(log_std));
                let term = slope.fma(L::splat(T::of(2.0)), normal);
                draw.store_first(self.draw.add(c), n);
                std.store_first(self.std.add(c), n);
                for x in &term.to_array()[..n] {
                    sum = sum + *x;
                }
            }
        }
        sum + T::of(constant(self.dim as f64))
    }
}

/// In this order NaN stays NaN.
#[inline(always)]
unsafe fn clamp<T: Real, L: Lanes<T>>(x: L, min: f64, max: f64) -> L {
    unsafe { L::splat(T::of(max)).min(L::splat(T::of(min)).max(x)) }
}

/// One row.
struct Backward<T> {
    log_std: LogStd,
    raw: *const T,
    noise: *const T,
    draw: *const T,
    std: *const T,
    d_draw: *const T,
    d_log_prob: T,
    d_mean: *mut T,
    d_raw: *mut T,
    dim: usize,
}

impl<T: Real> Kernel<T> for Backward<T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        // SAFETY: as forward; the gradient of draws may begin anywhere in a row.
        unsafe {
            let (zero, one) = (L::splat(T::of(0.0)), L::splat(T::of(1.0)));
            for c in (0..self.dim).step_by(LANES) {
                let n = (self.dim - c).min(LANES);
                let (z, a) = (L::load_first(self.noise.add(c), n), L::load(self.draw.add(c)));
                let of_log_prob = L::splat(self.d_log_prob);
                let through = L::load_first(self.d_draw.add(c), n).mul(one.sub(a.mul(a)));
                // d log_prob / du = 2 tanh(u), d log_prob / d log_std = -1
                let d_mean = a.add(a).fma(of_log_prob, through);
                let d_log_std = d_mean.mul(L::load(self.std.add(c)).mul(z)).sub(of_log_prob);
                let raw = L::load(self.raw.add(c));
                let d_raw = match self.log_std {
                    LogStd::Clamp { min, max } => {
                        let low = L::splat(T::of(min)).if_above(raw, zero, d_log_std);
                        raw.if_above(L::splat(T::of(max)), zero, low)
                    }
                    LogStd::Tanh { min, max } => {
                        let t = math::tanh(raw).0;
                        let half = L::splat(T::of(0.5 * (max - min)));
                        d_log_std.mul(half.mul(one.sub(t.mul(t))))
                    }
                };
                d_mean.store_first(self.d_mean.add(c), n);
                d_raw.store_first(self.d_raw.add(c), n);
            }
        }
    }
}
