//! `y = x W^T + b`, with a ReLU in the same pass if one follows.

use std::ops::Range;

use super::Operation;
use crate::{
    exec::fused_cpu::{
        buffers::Buffers,
        matrix::Rows,
        product::{Finish, Left, Product, Right},
        program::{Flow, Slot},
        simd::{Kernel, LANES, Lanes, Real},
    },
    params::{ParamId, Params},
};

/// Rows of a weight whose gradient is one task: whole panels of its copies.
const TASK: usize = 32;

#[derive(Clone, Debug)]
pub(crate) struct Linear {
    pub(crate) x: Slot,
    pub(crate) y: Slot,
    pub(crate) weight: ParamId,
    pub(crate) bias: Option<ParamId>,
    pub(crate) relu: bool,
    /// Whether the gradient that arrives has passed the ReLU already.
    pub(crate) gradient_is_masked: bool,
}

impl Operation for Linear {
    fn inputs(&self) -> Vec<Slot> {
        vec![self.x]
    }

    fn params(&self) -> Vec<ParamId> {
        std::iter::once(self.weight).chain(self.bias).collect()
    }

    fn forward<T: Real>(&self, b: &Buffers<T>, op: usize, rows: &Rows) {
        let (x, y) = (&b.values[self.x.0], &b.values[self.y.0]);
        let packed = b.packed(op);
        b.isa.run(Product {
            a: Left { from: x.at(0), row: x.stride(), column: 1 },
            b: packed.forward(),
            depth: x.width(),
            rows: rows.range(),
            columns: y.width(),
            to: y.at(0),
            stride: y.stride(),
            finish: Finish { bias: packed.bias(), relu: self.relu, ..Finish::store() },
        });
    }

    fn backward<T: Real>(&self, b: &Buffers<T>, op: usize, rows: &Rows, to: &[Option<Flow>]) {
        let dy = &b.grads[self.y.0];
        if self.relu && !self.gradient_is_masked {
            let y = &b.values[self.y.0];
            for r in rows.range() {
                b.isa.run(Mask { y: y.at(r), dy: dy.at(r), width: y.width() });
            }
        }
        let Some(flow) = to[0] else { return };
        let (x, dx) = (&b.values[self.x.0], &b.grads[self.x.0]);
        let packed = b.packed(op);
        let (right, columns) = packed.backward();
        // SAFETY: columns are inside both.
        let (to, mask) = unsafe { (dx.at(0).add(columns.start), x.at(0).add(columns.start)) };
        let mask = if flow.masked { mask.cast_const() } else { std::ptr::null() };
        b.isa.run(Product {
            a: Left { from: dy.at(0), row: dy.stride(), column: 1 },
            b: right,
            depth: dy.width(),
            rows: rows.range(),
            columns: columns.len(),
            to,
            stride: dx.stride(),
            finish: Finish { accumulate: !flow.first, mask, ..Finish::store() },
        });
    }

    fn tasks(&self, widths: &[usize]) -> usize {
        widths[self.y.0].div_ceil(TASK)
    }

    fn task_params(&self, params: &Params, task: usize) -> Vec<(ParamId, Range<usize>)> {
        let rows = rows_of(task, params.get(self.weight).size()[0] as usize);
        self.params().into_iter().map(|id| (id, rows.clone())).collect()
    }

    fn gradients<T: Real>(&self, b: &Buffers<T>, _op: usize, batch: usize, task: usize) {
        let (x, dy) = (&b.values[self.x.0], &b.grads[self.y.0]);
        let rows = rows_of(task, dy.width());
        b.isa.run(Product {
            a: Left { from: dy.at(0), row: 1, column: dy.stride() },
            b: Right { from: x.at(0), row: x.stride(), panel: LANES },
            depth: batch,
            rows: rows.clone(),
            columns: x.width(),
            to: b.param(self.weight).grad,
            stride: x.width(),
            finish: Finish::store(),
        });
        if let Some(bias) = self.bias {
            // SAFETY: inside the row and the gradient.
            let (from, to) =
                unsafe { (dy.at(0).add(rows.start), b.param(bias).grad.add(rows.start)) };
            b.isa.run(ColumnSums {
                from,
                stride: dy.stride(),
                rows: batch,
                columns: rows.len(),
                to,
            });
        }
    }
}

fn rows_of(task: usize, outputs: usize) -> Range<usize> {
    task * TASK..((task + 1) * TASK).min(outputs)
}

/// Lets through what a ReLU let through, of one row.
struct Mask<T> {
    y: *const T,
    dy: *mut T,
    width: usize,
}

impl<T: Real> Kernel<T> for Mask<T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        // SAFETY: rows are padded to whole registers.
        unsafe {
            let zero = L::splat(T::of(0.0));
            for c in (0..self.width).step_by(LANES) {
                let dy = self.dy.add(c);
                L::load(self.y.add(c)).if_above(zero, L::load(dy), zero).store(dy);
            }
        }
    }
}

/// Sums of columns in order of rows. Rows are readable in whole registers.
pub(super) struct ColumnSums<T> {
    pub(super) from: *const T,
    pub(super) stride: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) to: *mut T,
}

impl<T: Real> Kernel<T> for ColumnSums<T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        // SAFETY: as its fields say.
        unsafe {
            for c in (0..self.columns).step_by(LANES) {
                let mut sum = L::splat(T::of(0.0));
                let mut at = self.from.add(c);
                for _ in 0..self.rows {
                    sum = sum.add(L::load(at));
                    at = at.add(self.stride);
                }
                sum.store_first(self.to.add(c), self.columns - c);
            }
        }
    }
}
