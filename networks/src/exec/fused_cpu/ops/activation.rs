//! A function of every number.

use super::Operation;
use crate::exec::fused_cpu::{
    buffers::Buffers,
    matrix::Rows,
    program::{Flow, Slot},
    simd::{Kernel, LANES, Lanes, Real, math},
};

/// Which function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pointwise {
    /// `max(x, 0)`
    Relu,
    /// The hyperbolic tangent.
    Tanh,
    /// `x * sigmoid(x)`
    Silu,
    /// `[max(x, 0), max(-x, 0)]`
    Crelu,
    /// A constant added.
    Plus(f64),
}

impl Pointwise {
    /// Numbers that it makes of one.
    pub(crate) fn outputs_per_unit(self) -> usize {
        if self == Pointwise::Crelu { 2 } else { 1 }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Activation {
    pub(crate) x: Slot,
    pub(crate) y: Slot,
    pub(crate) function: Pointwise,
}

impl Operation for Activation {
    fn inputs(&self) -> Vec<Slot> {
        vec![self.x]
    }

    fn forward<T: Real>(&self, b: &Buffers<T>, _op: usize, rows: &Rows) {
        let (x, y) = (&b.values[self.x.0], &b.values[self.y.0]);
        for r in rows.range() {
            let function = self.function;
            b.isa.run(Forward { function, x: x.at(r), y: y.at(r), width: x.width() });
        }
    }

    fn backward<T: Real>(&self, b: &Buffers<T>, _op: usize, rows: &Rows, to: &[Option<Flow>]) {
        let Some(flow) = to[0] else { return };
        let (x, y) = (&b.values[self.x.0], &b.values[self.y.0]);
        let (dx, dy) = (&b.grads[self.x.0], &b.grads[self.y.0]);
        for r in rows.range() {
            b.isa.run(Backward {
                function: self.function,
                x: x.at(r),
                y: y.at(r),
                dy: dy.at(r),
                dx: dx.at(r),
                width: x.width(),
                first: flow.first,
            });
        }
    }
}

/// One row.
struct Forward<T> {
    function: Pointwise,
    x: *const T,
    y: *mut T,
    width: usize,
}

impl<T: Real> Kernel<T> for Forward<T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        // SAFETY: rows are padded to whole registers; the second half of a CReLU begins anywhere, and is written
        // behind the first.
        unsafe {
            let zero = L::splat(T::of(0.0));
            for c in (0..self.width).step_by(LANES) {
                let x = L::load(self.x.add(c));
                let n = self.width - c;
                let y = match self.function {
                    Pointwise::Relu | Pointwise::Crelu => zero.max(x),
                    Pointwise::Tanh => math::tanh(x).0,
                    Pointwise::Silu => x.mul(math::sigmoid(x)),
                    Pointwise::Plus(constant) => x.add(L::splat(T::of(constant))),
                };
                y.store_first(self.y.add(c), n);
                if self.function == Pointwise::Crelu {
                    zero.max(zero.sub(x)).store_first(self.y.add(self.width + c), n);
                }
            }
        }
    }
}

/// One row.
struct Backward<T> {
    function: Pointwise,
    x: *const T,
    y: *const T,
    dy: *const T,
    dx: *mut T,
    width: usize,
    first: bool,
}

impl<T: Real> Kernel<T> for Backward<T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        // SAFETY: as forward.
        unsafe {
            let (zero, one) = (L::splat(T::of(0.0)), L::splat(T::of(1.0)));
            for c in (0..self.width).step_by(LANES) {
                let n = self.width - c;
                let (x, dy) = (L::load(self.x.add(c)), L::load(self.dy.add(c)));
                let mut dx = match self.function {
                    Pointwise::Relu => x.if_above(zero, dy, zero),
                    Pointwise::Plus(_) => dy,
                    Pointwise::Tanh => {
                        let y = L::load(self.y.add(c));
                        dy.mul(one.sub(y.mul(y)))
                    }
                    Pointwise::Silu => {
                        let s = math::sigmoid(x);
                        dy.mul(s.mul(x.fma(one.sub(s), one)))
                    }
                    Pointwise::Crelu => {
                        let other = L::load_first(self.dy.add(self.width + c), n);
                        let below = zero.if_above(x, zero.sub(other), zero);
                        x.if_above(zero, dy, below)
                    }
                };
                if !self.first {
                    dx = dx.add(L::load(self.dx.add(c)));
                }
                dx.store_first(self.dx.add(c), n);
            }
        }
    }
}
