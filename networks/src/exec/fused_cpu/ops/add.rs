//! `y = a + b`

use super::Operation;
use crate::exec::fused_cpu::{
    buffers::Buffers,
    matrix::Rows,
    program::{Flow, Slot},
    simd::{Kernel, LANES, Lanes, Real},
};

#[derive(Clone, Debug)]
pub(crate) struct Add {
    pub(crate) a: Slot,
    pub(crate) b: Slot,
    pub(crate) y: Slot,
}

impl Operation for Add {
    fn inputs(&self) -> Vec<Slot> {
        vec![self.a, self.b]
    }

    fn forward<T: Real>(&self, b: &Buffers<T>, _op: usize, rows: &Rows) {
        let (x, z, y) = (&b.values[self.a.0], &b.values[self.b.0], &b.values[self.y.0]);
        for r in rows.range() {
            b.isa.run(Sum { a: x.at(r), b: z.at(r), to: y.at(r), width: y.width() });
        }
    }

    fn backward<T: Real>(&self, b: &Buffers<T>, _op: usize, rows: &Rows, to: &[Option<Flow>]) {
        let dy = &b.grads[self.y.0];
        for (x, flow) in self.inputs().into_iter().zip(to) {
            let Some(flow) = flow else { continue };
            let dx = &b.grads[x.0];
            for r in rows.range() {
                b.isa.run(Send {
                    dy: dy.at(r),
                    dx: dx.at(r),
                    width: dy.width(),
                    first: flow.first,
                });
            }
        }
    }
}

/// Of one row.
struct Sum<T> {
    a: *const T,
    b: *const T,
    to: *mut T,
    width: usize,
}

impl<T: Real> Kernel<T> for Sum<T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        // SAFETY: rows are padded to whole registers with zeros, which stay zeros.
        unsafe {
            for c in (0..self.width).step_by(LANES) {
                L::load(self.a.add(c)).add(L::load(self.b.add(c))).store(self.to.add(c));
            }
        }
    }
}

/// A gradient as it is, of one row.
pub(super) struct Send<T> {
    pub(super) dy: *const T,
    pub(super) dx: *mut T,
    pub(super) width: usize,
    pub(super) first: bool,
}

impl<T: Real> Kernel<T> for Send<T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        // SAFETY: rows are readable in whole registers.
        unsafe {
            for c in (0..self.width).step_by(LANES) {
                let mut dx = L::load(self.dy.add(c));
                if !self.first {
                    dx = dx.add(L::load(self.dx.add(c)));
                }
                dx.store_first(self.dx.add(c), self.width - c);
            }
        }
    }
}
