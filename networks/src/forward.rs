//! What a forward pass may read, and where it leaves what it made.

use tch::Tensor;

use crate::{
    params::Params,
    trace::{Activity, Trace},
};

/// What a pass is for. Layers that behave differently in training read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A loss comes of it.
    Train,
    /// Acting, targets, diagnostics.
    Eval,
}

/// One forward pass.
pub struct Forward<'a> {
    /// The values; a pass changes none of them.
    pub params: &'a Params,
    /// What it is for.
    pub mode: Mode,
    /// What it leaves behind.
    pub trace: &'a mut Trace,
}

impl<'a> Forward<'a> {
    /// A pass that a loss comes of.
    pub fn train(params: &'a Params, trace: &'a mut Trace) -> Self {
        Forward { params, mode: Mode::Train, trace }
    }

    /// Any other pass.
    pub fn eval(params: &'a Params, trace: &'a mut Trace) -> Self {
        Forward { params, mode: Mode::Eval, trace }
    }

    /// [`Trace::record`]
    pub fn record(&mut self, layer: &str, activity: Activity, values: &Tensor) {
        self.trace.record(layer, activity, values);
    }
}
