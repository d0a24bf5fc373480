//! `y = [x, value]`

use super::{Operation, add::Send};
use crate::exec::fused_cpu::{
    buffers::Buffers,
    matrix::Rows,
    program::{Flow, Slot},
    simd::Real,
};

#[derive(Clone, Debug)]
pub(crate) struct AppendConstant {
    pub(crate) x: Slot,
    pub(crate) y: Slot,
    pub(crate) value: f64,
}

impl Operation for AppendConstant {
    fn inputs(&self) -> Vec<Slot> {
        vec![self.x]
    }

    fn forward<T: Real>(&self, b: &Buffers<T>, _op: usize, rows: &Rows) {
        let (x, y) = (&b.values[self.x.0], &b.values[self.y.0]);
        for r in rows.range() {
            // SAFETY: `y` has one column more than `x`.
            unsafe {
                std::ptr::copy_nonoverlapping(x.at(r), y.at(r), x.width());
                *y.at(r).add(x.width()) = T::of(self.value);
            }
        }
    }

    fn backward<T: Real>(&self, b: &Buffers<T>, _op: usize, rows: &Rows, to: &[Option<Flow>]) {
        let Some(flow) = to[0] else { return };
        let (dx, dy) = (&b.grads[self.x.0], &b.grads[self.y.0]);
        for r in rows.range() {
            b.isa.run(Send { dy: dy.at(r), dx: dx.at(r), width: dx.width(), first: flow.first });
        }
    }
}
