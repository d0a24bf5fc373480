//! A program with its buffers: forward, backward and gradients without autograd and without allocation.

use std::ops::Range;

use tch::Tensor;

use super::{
    buffers::Buffers,
    matrix::{Matrix, Rows},
    ops::{Op, Operation},
    plain_step::PlainStep,
    program::{Flow, Program},
    simd::{Isa, Real},
};
use crate::{
    params::{ParamId, Params},
    trace::Trace,
};

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
    tasks: Vec<Task>,
    covers_all: bool,
}

/// A part of the gradients.
#[derive(Debug)]
struct Task {
    op: usize,
    /// Its number among the operation's.
    part: usize,
    /// The parameters that it is about, and which rows of each.
    params: Vec<(ParamId, Range<usize>)>,
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
            let of = |(op, flows): (&Op, &Vec<Flow>)| {
                let inputs = op.inputs().into_iter().zip(flows);
                inputs.map(|(x, flow)| (to_input || x != program.input).then_some(*flow)).collect()
            };
            program.ops.iter().zip(&program.flows).map(of).collect()
        };
        let (inside, through) = (flows(false), flows(to_input));
        let mut tasks = Vec::new();
        for (i, op) in program.ops.iter().enumerate() {
            tasks.extend((0..op.tasks(&program.widths)).map(|part| Task {
                op: i,
                part,
                params: op.task_params(params, part),
            }));
        }
        let covers_all = covers_all(&tasks, params);
        Plan { program, buffers, inside, through, tasks, covers_all }
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
        let Task { op, part, .. } = self.tasks[task];
        self.program.ops[op].gradients(&self.buffers, op, batch, part);
    }

    /// The same, and at once the step with these gradients; this plan's copies of weights follow, and those of `target`,
    /// a plan of the same program.
    pub fn gradients_and_step(
        &self,
        batch: usize,
        task: usize,
        step: &PlainStep<T>,
        target: Option<&Plan<T>>,
    ) {
        self.gradients(batch, task);
        let Task { op, params, .. } = &self.tasks[task];
        let isa = self.buffers.isa;
        for (id, rows) in params {
            step.run(isa, *id, rows.clone());
        }
        let Op::Linear(linear) = &self.program.ops[*op] else { return };
        let rows = || params[0].1.clone();
        let place = |of: fn(&PlainStep<T>, ParamId) -> *const T| {
            (of(step, linear.weight), linear.bias.map_or(std::ptr::null(), |id| of(step, id)))
        };
        let (weight, bias) = place(PlainStep::value);
        self.buffers.packed(*op).pack(isa, weight, bias, rows());
        if let Some(target) = target {
            let (weight, bias) = place(PlainStep::target);
            target.buffers.packed(*op).pack(isa, weight, bias, rows());
        }
    }

    /// Whether tasks step every learned parameter, each once.
    pub fn covers_all(&self) -> bool {
        self.covers_all
    }

    /// That the copies are those of `params` as they are.
    pub fn is_packed(&mut self, params: &Params) {
        self.buffers.is_packed(&self.program, params);
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

/// Whether every learned parameter is in the tasks, each row once.
fn covers_all(tasks: &[Task], params: &Params) -> bool {
    let mut rows = vec![0; params.iter().count()];
    for (id, range) in tasks.iter().flat_map(|task| &task.params) {
        rows[id.0] += range.len();
    }
    params
        .iter()
        .filter(|(_, p)| p.role.is_trainable())
        .all(|(id, p)| rows[id.0] == p.value.size().first().map_or(1, |&n| n as usize))
}
