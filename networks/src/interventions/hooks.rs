//! The hooks of an intervention around one optimiser step, and what they may look at.

use serde::Serialize;
use tch::Tensor;

use crate::{params::Params, random::Rng, trace::Trace};

/// Where a run is, as far as an intervention may care.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Environment steps taken so far, over all actors.
    pub env_step: u64,
    /// Gradient updates of the agent so far.
    pub update: u64,
    /// Task of the newest data.
    pub task: usize,
    /// Whether this update's numbers are logged, so that costly ones are worth computing.
    pub log: bool,
    /// Whether this step is to be looked at layer by layer.
    pub look: bool,
}

/// What a hook may look at besides the weights.
pub struct StepCx<'a> {
    /// Activations of the forward pass behind this step.
    pub trace: &'a Trace,
    /// Where the run is.
    pub clock: Clock,
    /// Optimiser steps of this model, the current one included.
    pub step: u64,
    /// Whether this is the first step on another task than the one before.
    pub new_task: bool,
    /// Interventions add here how often they acted: neurons replaced, layers reset, ...
    pub count: u64,
    /// The learner's generator.
    pub rng: &'a mut Rng,
}

impl<'a> StepCx<'a> {
    /// Of one step within a task.
    pub fn new(trace: &'a Trace, clock: Clock, step: u64, rng: &'a mut Rng) -> Self {
        StepCx { trace, clock, step, new_task: false, count: 0, rng }
    }

    /// What the forward pass behind this step made of a layer, `[B, units]`.
    ///
    /// # Panics
    /// If it was not recorded: a bug in whoever called [`crate::model::Model::minimize`].
    pub fn activations(&self, layer: &str) -> Tensor {
        self.trace.get(layer).expect("interventions need a recorded forward pass").values.detach()
    }

    /// Whether something is due that happens every `every_updates` updates of this model (0: never), which an agent may
    /// step less often than others, and, if so asked, when the task changes.
    pub fn is_due(&self, every_updates: u64, on_task_change: bool) -> bool {
        self.step.is_multiple_of(every_updates) || (on_task_change && self.new_task)
    }
}

/// One thing that an intervention knows about the neurons of one layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NeuronStats {
    /// Name of the layer.
    pub layer: String,
    /// What it is.
    pub measure: &'static str,
    /// One number per neuron, or one for the layer.
    pub values: Vec<f64>,
}

/// One intervention on one model. Construction records or changes the initial weights; what must survive
/// a checkpoint lives in the model's `Params` under [`Role::State`](crate::params::Role::State).
pub trait Intervention: Send {
    /// A scalar that is added to the loss, differentiable in the parameters.
    fn loss_term(&mut self, _p: &Params, _cx: &mut StepCx<'_>) -> Option<Tensor> {
        None
    }
    /// May edit `grads` (order of [`Params::trainable`]) before the optimiser sees them.
    fn gradients(&mut self, _p: &Params, _grads: &mut [Tensor], _cx: &mut StepCx<'_>) {}
    /// May edit the weights after the optimiser changed them.
    fn weights(&mut self, _p: &mut Params, _cx: &mut StepCx<'_>) {}
    /// What it knows about neurons after optimiser step `_step`, for diagnostics.
    fn neuron_stats(&self, _p: &Params, _step: u64) -> Vec<NeuronStats> {
        Vec::new()
    }
}
