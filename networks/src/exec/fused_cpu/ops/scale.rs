//! `y = x * factor * param`, column by column.

use super::Operation;
use crate::{
    exec::fused_cpu::{
        buffers::Buffers,
        matrix::Rows,
        program::{Flow, Slot},
        simd::{Kernel, LANES, Lanes, Real},
    },
    params::ParamId,
};

#[derive(Clone, Debug)]
pub(crate) struct Scale {
    pub(crate) x: Slot,
    pub(crate) y: Slot,
    pub(crate) param: ParamId,
    pub(crate) factor: f64,
}

impl Operation for Scale {
    fn inputs(&self) -> Vec<Slot> {
        vec![self.x]
    }

    fn params(&self) -> Vec<ParamId> {
        vec![self.param]
    }

    fn forward<T: Real>(&self, b: &Buffers<T>, _op: usize, rows: &Rows) {
        let (x, y) = (&b.values[self.x.0], &b.values[self.y.0]);
        for r in rows.range() {
            b.isa.run(Times {
                x: x.at(r),
                scale: b.param(self.param).value,
                factor: self.factor,
                to: y.at(r),
                width: x.width(),
                first: true,
            });
        }
    }

    fn backward<T: Real>(&self, b: &Buffers<T>, _op: usize, rows: &Rows, to: &[Option<Flow>]) {
        let Some(flow) = to[0] else { return };
        let (dx, dy) = (&b.grads[self.x.0], &b.grads[self.y.0]);
        for r in rows.range() {
            b.isa.run(Times {
                x: dy.at(r),
                scale: b.param(self.param).value,
                factor: self.factor,
                to: dx.at(r),
                width: dy.width(),
                first: flow.first,
            });
        }
    }

    fn gradients<T: Real>(&self, b: &Buffers<T>, _op: usize, batch: usize, _task: usize) {
        let (x, dy) = (&b.values[self.x.0], &b.grads[self.y.0]);
        b.isa.run(ProductSums {
            x: x.at(0),
            minus: std::ptr::null(),
            x_stride: x.stride(),
            dy: dy.at(0),
            dy_stride: dy.stride(),
            rows: batch,
            width: x.width(),
            factor: self.factor,
            to: b.param(self.param).grad,
        });
    }
}

/// `to = x * (scale * factor)` of one row, or that added to it.
struct Times<T> {
    x: *const T,
    scale: *const T,
    factor: f64,
    to: *mut T,
    width: usize,
    first: bool,
}

impl<T: Real> Kernel<T> for Times<T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        // SAFETY: rows are padded to whole registers; the parameter is not.
        unsafe {
            let factor = L::splat(T::of(self.factor));
            for c in (0..self.width).step_by(LANES) {
                let n = self.width - c;
                let scale = L::load_first(self.scale.add(c), n).mul(factor);
                let mut y = L::load(self.x.add(c)).mul(scale);
                if !self.first {
                    y = y.add(L::load(self.to.add(c)));
                }
                y.store_first(self.to.add(c), n);
            }
        }
    }
}

/// `factor * sum over rows of (x - minus) * dy`, column by column, in order of rows. `minus`, of the rows of `x`, can be
/// null.
pub(super) struct ProductSums<T> {
    pub(super) x: *const T,
    pub(super) minus: *const T,
    pub(super) x_stride: usize,
    pub(super) dy: *const T,
    pub(super) dy_stride: usize,
    pub(super) rows: usize,
    pub(super) width: usize,
    pub(super) factor: f64,
    pub(super) to: *mut T,
}

impl<T: Real> Kernel<T> for ProductSums<T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        // SAFETY: rows are padded to whole registers.
        unsafe {
            for c in (0..self.width).step_by(LANES) {
                let mut sum = L::splat(T::of(0.0));
                for r in 0..self.rows {
                    let at = r * self.x_stride + c;
                    let mut x = L::load(self.x.add(at));
                    if !self.minus.is_null() {
                        x = x.sub(L::load(self.minus.add(at)));
                    }
                    sum = x.fma(L::load(self.dy.add(r * self.dy_stride + c)), sum);
                }
                sum.mul(L::splat(T::of(self.factor))).store_first(self.to.add(c), self.width - c);
            }
        }
    }
}
