//! A network as a list of operations on numbered buffers, which is what its layers tell of themselves.

use crate::{
    params::{ParamId, Params},
    trace::Activity,
};

use super::ops::{
    Activation, Add, AppendConstant, Lerp, Linear, Norm, NormKind, Op, Pointwise, Scale,
};

/// A buffer `[batch, width]` that one operation writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(pub(super) usize);

/// What becomes of a gradient that an operation sends back to one of its inputs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flow {
    /// The first to arrive; others add to it.
    pub(crate) first: bool,
    /// The last, behind a ReLU that is part of the operation before: it keeps only what the ReLU lets through.
    pub(crate) masked: bool,
}

/// From one input to several outputs.
#[derive(Debug)]
pub struct Program {
    pub(super) widths: Vec<usize>,
    pub(super) ops: Vec<Op>,
    /// For each operation, for each of its inputs.
    pub(super) flows: Vec<Vec<Flow>>,
    pub(super) input: Slot,
    pub(super) outputs: Vec<Slot>,
    /// Layers whose values a trace has.
    pub(super) records: Vec<(String, Activity, Slot)>,
}

/// Where layers write themselves down.
#[derive(Debug)]
pub struct ProgramBuilder<'p> {
    params: &'p Params,
    widths: Vec<usize>,
    ops: Vec<Op>,
    records: Vec<(String, Activity, Slot)>,
}

impl<'p> ProgramBuilder<'p> {
    /// With an input of so many columns.
    pub fn new(params: &'p Params, input: usize) -> (Self, Slot) {
        let builder =
            ProgramBuilder { params, widths: vec![input], ops: Vec::new(), records: Vec::new() };
        (builder, Slot(0))
    }

    /// Columns of a buffer.
    pub fn width(&self, x: Slot) -> usize {
        self.widths[x.0]
    }

    fn slot(&mut self, width: usize) -> Slot {
        self.widths.push(width);
        Slot(self.widths.len() - 1)
    }

    /// `x W^T (+ b)`
    pub fn linear(&mut self, x: Slot, weight: ParamId, bias: Option<ParamId>) -> Slot {
        let y = self.slot(self.params.get(weight).size()[0] as usize);
        let op = Linear { x, y, weight, bias, relu: false, gradient_is_masked: false };
        self.ops.push(Op::Linear(op));
        y
    }

    /// A function of every number.
    pub fn pointwise(&mut self, x: Slot, function: Pointwise) -> Slot {
        // A ReLU that directly follows a product is taken in the same pass.
        if function == Pointwise::Relu
            && let Some(Op::Linear(linear)) = self.ops.last_mut()
            && linear.y == x
        {
            linear.relu = true;
            return x;
        }
        let y = self.slot(self.width(x) * function.outputs_per_unit());
        self.ops.push(Op::Activation(Activation { x, y, function }));
        y
    }

    /// Normalisation of each row.
    pub fn norm(
        &mut self,
        x: Slot,
        kind: NormKind,
        gain: Option<ParamId>,
        offset: Option<ParamId>,
    ) -> Slot {
        let y = self.slot(self.width(x));
        self.ops.push(Op::Norm(Norm { x, y, kind, gain, offset }));
        y
    }

    /// `a + b`
    pub fn add(&mut self, a: Slot, b: Slot) -> Slot {
        let y = self.slot(self.width(a));
        self.ops.push(Op::Add(Add { a, b, y }));
        y
    }

    /// Elementwise `x * factor * param`.
    pub fn scale(&mut self, x: Slot, param: ParamId, factor: f64) -> Slot {
        let y = self.slot(self.width(x));
        self.ops.push(Op::Scale(Scale { x, y, param, factor }));
        y
    }

    /// Elementwise `x + factor * param * (to - x)`.
    pub fn lerp(&mut self, x: Slot, to: Slot, param: ParamId, factor: f64) -> Slot {
        let y = self.slot(self.width(x));
        self.ops.push(Op::Lerp(Lerp { x, to, y, param, factor }));
        y
    }

    /// `[x, value]`: one column more.
    pub fn append(&mut self, x: Slot, value: f64) -> Slot {
        let y = self.slot(self.width(x) + 1);
        self.ops.push(Op::AppendConstant(AppendConstant { x, y, value }));
        y
    }

    /// What a trace calls `x`.
    pub fn record(&mut self, layer: &str, activity: Activity, x: Slot) {
        self.records.push((layer.to_owned(), activity, x));
    }

    /// The program that ends in `outputs`.
    pub fn finish(self, outputs: Vec<Slot>) -> Program {
        let ProgramBuilder { params: _, widths, mut ops, records } = self;
        let mut flows: Vec<Vec<Flow>> =
            ops.iter().map(|op| vec![Flow::default(); op.inputs().len()]).collect();
        for slot in 0..widths.len() {
            let relu = ops
                .iter()
                .any(|op| matches!(op, Op::Linear(linear) if linear.relu && linear.y.0 == slot));
            // An output has its gradient from outside.
            let outside = outputs.contains(&Slot(slot));
            let mut readers = Vec::new();
            for (i, op) in ops.iter().enumerate() {
                let inputs = op.inputs().into_iter().enumerate();
                readers.extend(inputs.filter(|(_, x)| x.0 == slot).map(|(j, _)| (i, j)));
            }
            // Gradients arrive from the last reader first.
            if let (Some(&(i, j)), false) = (readers.last(), outside) {
                flows[i][j].first = true;
            }
            if let (Some(&(i, j)), true) = (readers.first(), relu)
                && matches!(ops[i], Op::Linear(_))
            {
                flows[i][j].masked = true;
                for op in &mut ops {
                    if let Op::Linear(linear) = op
                        && linear.y.0 == slot
                    {
                        linear.gradient_is_masked = true;
                    }
                }
            }
        }
        Program { widths, ops, flows, input: Slot(0), outputs, records }
    }
}
