//! Weight interventions: what happens to gradients before, and to weights after, an optimiser step.
//!
//! One paper per file. The order in the configuration is the order of application.

mod cbp;
mod clip_grad_norm;
mod config;
mod l2_init;
mod nap;
mod redo;
mod reset_layers;
mod shrink_perturb;

pub use cbp::{CbpConfig, Utility};
pub use config::InterventionConfig;
pub use nap::NapGains;
pub use reset_layers::Layers;

use serde::Serialize;
use tch::Tensor;

use crate::{params::Params, random::Rng, trace::Trace};

/// Where a run is, as far as a method may care.
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
    /// Methods add here how often they acted: units replaced, layers drawn again, ...
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
    pub(crate) fn activations(&self, layer: &str) -> Tensor {
        self.trace.get(layer).expect("interventions need a recorded forward pass").values.detach()
    }

    /// Whether something is due that happens every `every_updates` updates (0: never) and, if so
    /// asked, when the task changes.
    pub(crate) fn is_due(&self, every_updates: u64, on_task_change: bool) -> bool {
        (self.clock.update + 1).is_multiple_of(every_updates) || (on_task_change && self.new_task)
    }
}

/// One thing a method has to show about one layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    /// Name of the layer.
    pub layer: String,
    /// What it is.
    pub measure: &'static str,
    /// One number per unit, or one for the layer.
    pub values: Vec<f64>,
}

/// One method on one model. Construction records or changes the initial weights; what must survive
/// a checkpoint lives in the model's `Params` under `Role::State`.
pub trait Intervention: Send {
    /// May edit `grads` (order of [`Params::trainable`]) before the optimiser sees them.
    fn before_step(&mut self, _p: &Params, _grads: &mut [Tensor], _cx: &mut StepCx<'_>) {}
    /// May edit the weights after the optimiser changed them.
    fn after_step(&mut self, _p: &mut Params, _cx: &mut StepCx<'_>) {}
    /// What it knows about units after optimiser step `_step`, for diagnostics.
    fn show(&self, _p: &Params, _step: u64) -> Vec<Shown> {
        Vec::new()
    }
}
