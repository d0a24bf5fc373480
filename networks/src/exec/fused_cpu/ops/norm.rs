//! Normalisation of each row, with a gain and an offset where there are any.

use super::{Operation, linear::ColumnSums};
use crate::{
    exec::fused_cpu::{
        buffers::Buffers,
        matrix::Rows,
        program::{Flow, Slot},
        simd::{Kernel, LANES, Lanes, Real},
    },
    params::ParamId,
};

/// By what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NormKind {
    /// Mean and variance, `eps` added to the latter.
    Layer {
        /// Added to the variance.
        eps: f64,
    },
    /// The root of the mean square of the first `units`, `eps` added to that.
    Rms {
        /// How many columns are averaged.
        units: usize,
        /// Added to the mean square.
        eps: f64,
    },
    /// The 2-norm, or `eps` where that is smaller.
    L2 {
        /// The least that a norm counts.
        eps: f64,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Norm {
    pub(crate) x: Slot,
    pub(crate) y: Slot,
    pub(crate) kind: NormKind,
    pub(crate) gain: Option<ParamId>,
    pub(crate) offset: Option<ParamId>,
}

impl Norm {
    fn vectors<T: Real>(&self, b: &Buffers<T>) -> [*const T; 2] {
        [self.gain, self.offset].map(|id| id.map_or(std::ptr::null(), |id| b.param(id).value))
    }
}

impl Operation for Norm {
    fn inputs(&self) -> Vec<Slot> {
        vec![self.x]
    }

    /// What is subtracted from a row, and what it is multiplied with.
    fn memory(&self) -> usize {
        2
    }

    fn params(&self) -> Vec<ParamId> {
        self.gain.into_iter().chain(self.offset).collect()
    }

    fn forward<T: Real>(&self, b: &Buffers<T>, op: usize, rows: &Rows) {
        let (x, y, memory) = (&b.values[self.x.0], &b.values[self.y.0], &b.memory[op]);
        let [gain, offset] = self.vectors(b);
        for r in rows.range() {
            b.isa.run(Forward {
                kind: self.kind,
                x: x.at(r),
                y: y.at(r),
                memory: memory.at(r),
                gain,
                offset,
                width: x.width(),
            });
        }
    }

    fn backward<T: Real>(&self, b: &Buffers<T>, op: usize, rows: &Rows, to: &[Option<Flow>]) {
        let Some(flow) = to[0] else { return };
        let (x, dx, dy) = (&b.values[self.x.0], &b.grads[self.x.0], &b.grads[self.y.0]);
        let [gain, _] = self.vectors(b);
        for r in rows.range() {
            b.isa.run(Backward {
                kind: self.kind,
                x: x.at(r),
                memory: b.memory[op].at(r),
                dy: dy.at(r),
                dx: dx.at(r),
                gain,
                width: x.width(),
                first: flow.first,
            });
        }
    }

    fn gradients<T: Real>(&self, b: &Buffers<T>, op: usize, batch: usize, _task: usize) {
        let (x, dy, memory) = (&b.values[self.x.0], &b.grads[self.y.0], &b.memory[op]);
        if let Some(gain) = self.gain {
            b.isa.run(GainSums {
                x: x.at(0),
                x_stride: x.stride(),
                memory: memory.at(0),
                memory_stride: memory.stride(),
                dy: dy.at(0),
                dy_stride: dy.stride(),
                rows: batch,
                width: x.width(),
                to: b.param(gain).grad,
            });
        }
        if let Some(offset) = self.offset {
            let to = b.param(offset).grad;
            let (from, stride, columns) = (dy.at(0), dy.stride(), dy.width());
            b.isa.run(ColumnSums { from, stride, rows: batch, columns, to });
        }
    }
}

/// Sum over a row, sixteen columns from `c` on at a time, of which `n` or more are left. Not a function with a closure:
/// the compiler leaves those out of the function that has the instructions.
macro_rules! row_sum {
    ($width:expr, |$c:ident, $n:ident, $sum:ident| $term:expr) => {{
        let mut $sum = L::splat(T::of(0.0));
        for $c in (0..$width).step_by(LANES) {
            let $n = $width - $c;
            $sum = $term;
        }
        $sum.sum()
    }};
}

/// One row.
struct Forward<T> {
    kind: NormKind,
    x: *const T,
    y: *mut T,
    memory: *mut T,
    gain: *const T,
    offset: *const T,
    width: usize,
}

impl<T: Real> Kernel<T> for Forward<T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        // SAFETY: rows are padded to whole registers; parameters are not.
        unsafe {
            let (x, width) = (self.x, self.width);
            let averaged = if let NormKind::Rms { units, .. } = self.kind { units } else { width };
            let squares = if matches!(self.kind, NormKind::Layer { .. }) {
                T::of(0.0)
            } else {
                row_sum!(averaged, |c, n, sum| {
                    let x = L::load_first(x.add(c), n);
                    x.fma(x, sum)
                })
            };
            let one = T::of(1.0);
            let (mean, scale) = match self.kind {
                NormKind::Layer { eps } => {
                    let sum = row_sum!(width, |c, n, sum| sum.add(L::load_first(x.add(c), n)));
                    let mean = sum / T::of(width as f64);
                    let means = [mean; LANES];
                    let variance = row_sum!(width, |c, n, sum| {
                        let inside =
                            L::load_first(x.add(c), n).sub(L::load_first(means.as_ptr(), n));
                        inside.fma(inside, sum)
                    }) / T::of(width as f64);
                    (mean, one / (variance + T::of(eps)).root())
                }
                NormKind::Rms { units, eps } => {
                    let mean = squares / T::of(units as f64);
                    (T::of(0.0), one / (mean + T::of(eps)).root())
                }
                NormKind::L2 { eps } => {
                    let (norm, eps) = (squares.root(), T::of(eps));
                    // In this order NaN stays NaN.
                    (T::of(0.0), one / if norm < eps { eps } else { norm })
                }
            };
            *self.memory = mean;
            *self.memory.add(1) = scale;
            let (mean, scale) = (L::splat(mean), L::splat(scale));
            for c in (0..width).step_by(LANES) {
                let n = width - c;
                let mut y = L::load(x.add(c)).sub(mean).mul(scale);
                if !self.gain.is_null() {
                    y = y.mul(L::load_first(self.gain.add(c), n));
                }
                if !self.offset.is_null() {
                    y = y.add(L::load_first(self.offset.add(c), n));
                }
                y.store_first(self.y.add(c), n);
            }
        }
    }
}

/// One row. With `h = (x - mean) * scale` and `d = dy * gain`:
/// `dx = scale * (d - mean(d) - h * mean(d h))` of a layer norm; without the mean of `d` in the others, where the
/// last term is over the columns that were averaged, and for a 2-norm a sum.
struct Backward<T> {
    kind: NormKind,
    x: *const T,
    memory: *const T,
    dy: *const T,
    dx: *mut T,
    gain: *const T,
    width: usize,
    first: bool,
}

impl<T: Real> Kernel<T> for Backward<T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        // SAFETY: as forward.
        unsafe {
            let (x, dy, gain, width) = (self.x, self.dy, self.gain, self.width);
            let (mean, scale) = (*self.memory, *self.memory.add(1));
            let (mean, scale_lanes) = (L::splat(mean), L::splat(scale));
            let along = row_sum!(width, |c, n, sum| {
                let h = L::load(x.add(c)).sub(mean).mul(scale_lanes);
                scaled::<T, L>(dy, gain, c, n).fma(h, sum)
            });
            // (mean of d, factor of h, columns that have the last term)
            let (level, along, reach) = match self.kind {
                NormKind::Layer { .. } => {
                    let sum = row_sum!(width, |c, n, sum| sum.add(scaled::<T, L>(dy, gain, c, n)));
                    let count = T::of(width as f64);
                    (sum / count, along / count, width)
                }
                NormKind::Rms { units, .. } => (T::of(0.0), along / T::of(units as f64), units),
                NormKind::L2 { eps } => {
                    // A norm below eps is a constant.
                    let constant = scale.wide() >= (T::of(1.0) / T::of(eps)).wide();
                    (T::of(0.0), if constant { T::of(0.0) } else { along }, width)
                }
            };
            let (level, along) = (L::splat(level), L::splat(T::of(-along.wide())));
            for c in (0..width).step_by(LANES) {
                let n = width - c;
                let mut dx = scaled::<T, L>(dy, gain, c, n).sub(level);
                if c < reach {
                    // Zeros behind the columns that were averaged.
                    let mut within = [T::of(0.0); LANES];
                    let inside = (reach - c).min(LANES);
                    let h = L::load(x.add(c)).sub(mean).mul(scale_lanes);
                    h.store_first(within.as_mut_ptr(), inside);
                    dx = L::load(within.as_ptr()).fma(along, dx);
                }
                dx = dx.mul(scale_lanes);
                if !self.first {
                    dx = dx.add(L::load(self.dx.add(c)));
                }
                dx.store_first(self.dx.add(c), n);
            }
        }
    }
}

/// Gradients behind the gain, if there is one.
#[inline(always)]
unsafe fn scaled<T: Real, L: Lanes<T>>(dy: *const T, gain: *const T, c: usize, n: usize) -> L {
    unsafe {
        let dy = L::load_first(dy.add(c), n);
        if gain.is_null() { dy } else { dy.mul(L::load_first(gain.add(c), n)) }
    }
}

/// `sum over rows of h * dy`, column by column, in order of rows.
struct GainSums<T> {
    x: *const T,
    x_stride: usize,
    memory: *const T,
    memory_stride: usize,
    dy: *const T,
    dy_stride: usize,
    rows: usize,
    width: usize,
    to: *mut T,
}

impl<T: Real> Kernel<T> for GainSums<T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        // SAFETY: rows are padded to whole registers.
        unsafe {
            for c in (0..self.width).step_by(LANES) {
                let mut sum = L::splat(T::of(0.0));
                for r in 0..self.rows {
                    let memory = self.memory.add(r * self.memory_stride);
                    let (mean, scale) = (L::splat(*memory), L::splat(*memory.add(1)));
                    let h = L::load(self.x.add(r * self.x_stride + c)).sub(mean).mul(scale);
                    sum = h.fma(L::load(self.dy.add(r * self.dy_stride + c)), sum);
                }
                sum.store_first(self.to.add(c), self.width - c);
            }
        }
    }
}
