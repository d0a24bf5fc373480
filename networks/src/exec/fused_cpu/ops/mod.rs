//! Operations of a program, one per file: forward, backward, and gradients of parameters, each on rows or tasks that do
//! not depend on one another.

mod activation;
mod add;
mod append;
mod lerp;
mod linear;
mod norm;
mod scale;

pub(crate) use activation::Activation;
pub use activation::Pointwise;
pub(crate) use add::Add;
pub(crate) use append::AppendConstant;
pub(crate) use lerp::Lerp;
pub(crate) use linear::Linear;
pub(crate) use norm::Norm;
pub use norm::NormKind;
pub(crate) use scale::Scale;

use std::ops::Range;

use super::{
    buffers::Buffers,
    matrix::Rows,
    program::{Flow, Slot},
    simd::Real,
};
use crate::params::{ParamId, Params};

/// One operation.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Activation(Activation),
    Add(Add),
    AppendConstant(AppendConstant),
    Lerp(Lerp),
    Linear(Linear),
    Norm(Norm),
    Scale(Scale),
}

/// What every operation can do.
pub(crate) trait Operation {
    /// What it reads.
    fn inputs(&self) -> Vec<Slot>;
    /// Numbers of its own for each row, kept for the way back.
    fn memory(&self) -> usize {
        0
    }
    /// Its parameters.
    fn params(&self) -> Vec<ParamId> {
        Vec::new()
    }
    /// Computes rows of the output.
    fn forward<T: Real>(&self, b: &Buffers<T>, op: usize, rows: &Rows);
    /// Sends the gradient of the output back to input number `i` where `to[i]` says how; nothing for `None`.
    fn backward<T: Real>(&self, b: &Buffers<T>, op: usize, rows: &Rows, to: &[Option<Flow>]);
    /// How many tasks compute the gradients of its parameters.
    fn tasks(&self, _widths: &[usize]) -> usize {
        usize::from(!self.params().is_empty())
    }
    /// The parameters whose gradients one of them computes, and which rows of each.
    fn task_params(&self, params: &Params, _task: usize) -> Vec<(ParamId, Range<usize>)> {
        let whole = |id: ParamId| (id, 0..params.get(id).size().first().map_or(1, |&n| n as usize));
        self.params().into_iter().map(whole).collect()
    }
    /// One of them, over the first `batch` rows.
    fn gradients<T: Real>(&self, _b: &Buffers<T>, _op: usize, _batch: usize, _task: usize) {}
}

/// Calls the same method of whichever operation it is.
macro_rules! each {
    ($op:expr, $x:ident => $call:expr) => {
        match $op {
            Op::Activation($x) => $call,
            Op::Add($x) => $call,
            Op::AppendConstant($x) => $call,
            Op::Lerp($x) => $call,
            Op::Linear($x) => $call,
            Op::Norm($x) => $call,
            Op::Scale($x) => $call,
        }
    };
}

impl Operation for Op {
    fn inputs(&self) -> Vec<Slot> {
        each!(self, op => op.inputs())
    }
    fn memory(&self) -> usize {
        each!(self, op => op.memory())
    }
    fn params(&self) -> Vec<ParamId> {
        each!(self, op => op.params())
    }
    fn forward<T: Real>(&self, b: &Buffers<T>, op: usize, rows: &Rows) {
        each!(self, x => x.forward(b, op, rows));
    }
    fn backward<T: Real>(&self, b: &Buffers<T>, op: usize, rows: &Rows, to: &[Option<Flow>]) {
        each!(self, x => x.backward(b, op, rows, to));
    }
    fn tasks(&self, widths: &[usize]) -> usize {
        each!(self, op => op.tasks(widths))
    }
    fn task_params(&self, params: &Params, task: usize) -> Vec<(ParamId, Range<usize>)> {
        each!(self, op => op.task_params(params, task))
    }
    fn gradients<T: Real>(&self, b: &Buffers<T>, op: usize, batch: usize, task: usize) {
        each!(self, x => x.gradients(b, op, batch, task));
    }
}

impl Op {
    /// [`Operation::inputs`], without the trait in scope.
    pub(crate) fn inputs(&self) -> Vec<Slot> {
        Operation::inputs(self)
    }
}
