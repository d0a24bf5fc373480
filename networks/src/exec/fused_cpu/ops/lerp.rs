//! `y = x + factor * param * (to - x)`, column by column.

use super::{Operation, scale::ProductSums};
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
pub(crate) struct Lerp {
    pub(crate) x: Slot,
    pub(crate) to: Slot,
    pub(crate) y: Slot,
    pub(crate) param: ParamId,
    pub(crate) factor: f64,
}

impl Operation for Lerp {
    fn inputs(&self) -> Vec<Slot> {
        vec![self.x, self.to]
    }

    fn params(&self) -> Vec<ParamId> {
        vec![self.param]
    }

    fn forward<T: Real>(&self, b: &Buffers<T>, _op: usize, rows: &Rows) {
        let (x, to, y) = (&b.values[self.x.0], &b.values[self.to.0], &b.values[self.y.0]);
        for r in rows.range() {
            b.isa.run(Between {
                x: x.at(r),
                to: to.at(r),
                y: y.at(r),
                alpha: b.param(self.param).value,
                factor: self.factor,
                width: y.width(),
            });
        }
    }

    fn backward<T: Real>(&self, b: &Buffers<T>, _op: usize, rows: &Rows, to: &[Option<Flow>]) {
        let dy = &b.grads[self.y.0];
        for (i, (input, flow)) in self.inputs().into_iter().zip(to).enumerate() {
            let Some(flow) = flow else { continue };
            let dx = &b.grads[input.0];
            for r in rows.range() {
                b.isa.run(Share {
                    dy: dy.at(r),
                    dx: dx.at(r),
                    alpha: b.param(self.param).value,
                    factor: self.factor,
                    rest: i == 0,
                    width: dy.width(),
                    first: flow.first,
                });
            }
        }
    }

    fn gradients<T: Real>(&self, b: &Buffers<T>, _op: usize, batch: usize, _task: usize) {
        let (x, to, dy) = (&b.values[self.x.0], &b.values[self.to.0], &b.grads[self.y.0]);
        b.isa.run(ProductSums {
            x: to.at(0),
            minus: x.at(0),
            x_stride: to.stride(),
            dy: dy.at(0),
            dy_stride: dy.stride(),
            rows: batch,
            width: to.width(),
            factor: self.factor,
            to: b.param(self.param).grad,
        });
    }
}

/// One row.
struct Between<T> {
    x: *const T,
    to: *const T,
    y: *mut T,
    alpha: *const T,
    factor: f64,
    width: usize,
}

impl<T: Real> Kernel<T> for Between<T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        // SAFETY: rows are padded to whole registers; the parameter is not.
        unsafe {
            let factor = L::splat(T::of(self.factor));
            for c in (0..self.width).step_by(LANES) {
                let n = self.width - c;
                let alpha = L::load_first(self.alpha.add(c), n).mul(factor);
                let x = L::load(self.x.add(c));
                let gap = L::load(self.to.add(c)).sub(x);
                alpha.fma(gap, x).store_first(self.y.add(c), n);
            }
        }
    }
}

/// The gradient's part for one end, of one row: `alpha`, or the rest of 1.
struct Share<T> {
    dy: *const T,
    dx: *mut T,
    alpha: *const T,
    factor: f64,
    rest: bool,
    width: usize,
    first: bool,
}

impl<T: Real> Kernel<T> for Share<T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        // SAFETY: as above.
        unsafe {
            let factor = L::splat(T::of(self.factor));
            for c in (0..self.width).step_by(LANES) {
                let n = self.width - c;
                let mut share = L::load_first(self.alpha.add(c), n).mul(factor);
                if self.rest {
                    share = L::splat(T::of(1.0)).sub(share);
                }
                let mut dx = L::load(self.dy.add(c)).mul(share);
                if !self.first {
                    dx = dx.add(L::load(self.dx.add(c)));
                }
                dx.store_first(self.dx.add(c), n);
            }
        }
    }
}
