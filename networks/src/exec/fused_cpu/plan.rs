//! A program with its buffers: forward, backward and gradients without autograd and without allocation.

use std::ops::Range;

use tch::Tensor;

use super::{
    buffers::Buffers,
    matrix::{Matrix, Rows},
    ops::Operation,
    program::{Flow, Program},
    simd::{Isa, Real},
};
use crate::{params::Params, trace::Trace};

/// What a plan is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Outputs only.
    Evaluate,
    /// Gradients of parameters, and of these columns of the input.
    Learn {
        /// Columns whose gradient [`Plan::input_grad`] holds after [`Plan::backward_to_input`].
        input_columns: Range<usize>,
    },
}

/// A network on buffers of its own, for batches up to a size.
///
/// It holds no values of parameters that matter: [`Plan::bind`] copies weights that have changed.
#[derive(Debug)]
pub struct Plan<T> {
    program: Program,
    buffers: Buffers<T>,
    /// Backward flows that stop before the input.
    inside: Vec<Vec<Option<Flow>>>,
    /// Backward flows that reach it.
    through: Vec<Vec<Option<Flow>>>,
    /// Operation and number of each task.
    tasks: Vec<(usize, usize)>,
}

impl<T: Real> Plan<T> {
    /// Of a network with these parameters.
    pub fn new(
        program: Program,
        isa: Isa,
        batch: usize,
        purpose: Purpose,
        params: &Params,
    ) -> Self {
        let (learns, columns) = match purpose {
            Purpose::Evaluate => (false, 0..0),
            Purpose::Learn { input_columns } => (true, input_columns),
        };
        let to_input = !columns.is_empty();
        let buffers = Buffers::new(&program, isa, batch, learns, columns, params);
        let flows = |to_input: bool| -> Vec<Vec<Option<Flow>>> {
            let of = |(op, flows): (&super::ops::Op, &Vec<Flow>)| {
                let inputs = op.inputs().into_iter().zip(flows);
                inputs.map(|(x, flow)| (to_input || x != program.input).then_some(*flow)).collect()
            };
            program.ops.iter().zip(&program.flows).map(of).collect()
        };
        let (inside, through) = (flows(false), flows(to_input));
        let count = |(i, op): (usize, &super::ops::Op)| {
            (0..op.tasks(&program.widths)).map(move |task| (i, task))
        };
        let tasks = program.ops.iter().enumerate().flat_map(count).collect();
        Plan { program, buffers, inside, through, tasks }
    }

    /// Reads `params` from now on, and writes the gradient of each into `grads`, in the order of
    /// [`Params::trainable`]; without any, gradients of parameters cannot be asked for.
    pub fn bind(&mut self, params: &Params, grads: &[Tensor]) {
        self.buffers.bind(&self.program, params, grads);
    }

    /// What the network is applied to.
    pub fn input(&self) -> &Matrix<T> {
        &self.buffers.values[self.program.input.0]
    }

    /// Output number `i`.
    pub fn output(&self, i: usize) -> &Matrix<T> {
        &self.buffers.values[self.program.outputs[i].0]
    }

    /// How many outputs there are.
    pub fn outputs(&self) -> usize {
        self.program.outputs.len()
    }

    /// Where the gradient of output number `i` must be before the way back.
    pub fn output_grad(&self, i: usize) -> &Matrix<T> {
        &self.buffers.grads[self.program.outputs[i].0]
    }

    /// The input's gradient; only the columns that the plan was made for.
    pub fn input_grad(&self) -> &Matrix<T> {
        &self.buffers.grads[self.program.input.0]
    }

    /// Outputs of rows of the input.
    pub fn forward(&self, rows: &Rows) {
        for (i, op) in self.program.ops.iter().enumerate() {
            op.forward(&self.buffers, i, rows);
        }
    }

    /// From gradients of outputs to those of everything that parameters produce.
    pub fn backward(&self, rows: &Rows) {
        self.back(rows, &self.inside);
    }

    /// From gradients of outputs to that of the input.
    pub fn backward_to_input(&self, rows: &Rows) {
        self.back(rows, &self.through);
    }

    fn back(&self, rows: &Rows, flows: &[Vec<Option<Flow>>]) {
        for (i, op) in self.program.ops.iter().enumerate().rev() {
            op.backward(&self.buffers, i, rows, &flows[i]);
        }
    }

    /// Into how many independent tasks the gradients of parameters are divided.
    pub fn tasks(&self) -> usize {
        self.tasks.len()
    }

    /// One of them, after [`Plan::backward`] of all of the first `batch` rows.
    pub fn gradients(&self, batch: usize, task: usize) {
        let (op, part) = self.tasks[task];
        self.program.ops[op].gradients(&self.buffers, op, batch, part);
    }

    /// Hidden activations of the last forward pass. Tensors share the plan's memory: the next pass changes them.
    pub fn trace(&self, batch: usize) -> Trace {
        let mut trace = Trace::on();
        for (layer, activity, slot) in &self.program.records {
            trace.record(layer, *activity, &self.buffers.values[slot.0].view(batch));
        }
        trace
    }

    /// The instructions it uses.
    pub fn isa(&self) -> Isa {
        self.buffers.isa
    }
}
