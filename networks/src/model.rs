//! A network with its parameters, optimiser and weight interventions.

mod frozen;
mod plain;
mod step;

pub use frozen::FrozenNetwork;

use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use crate::{
    diagnostics::step::Measured,
    exec::fused_cpu::Program,
    forward::Forward,
    interventions::{self, Intervention, InterventionConfig, NeuronStats},
    network::Network,
    optim::{Optim, OptimConfig},
    params::{LoadError, Params, StateDict, copy_from},
    trace::Trace,
};

/// What one gradient step was like.
#[derive(Debug)]
pub struct StepStats {
    /// The loss before the step, the terms of interventions included.
    pub loss: f64,
    /// The term that each intervention added to it, by kind; only on updates that log.
    pub terms: Vec<(&'static str, f64)>,
    /// 2-norm of all gradients before any intervention changed them; only on updates that log.
    pub grad_norm: Option<f64>,
    /// What it did to every layer; only on updates that are looked at.
    pub layers: Vec<Measured>,
}

/// A loss was NaN or infinite. The parameters were left as they were.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the {model} loss is {loss}: {culprit} is the first tensor that is not finite")]
pub struct NonFinite {
    /// Name given to the model.
    pub model: String,
    /// The value of the loss.
    pub loss: f64,
    /// Parameter or activation, by name, or "the loss itself".
    pub culprit: String,
}

/// Network, parameters, optimiser, interventions.
pub struct Model {
    name: String,
    net: Arc<dyn Network>,
    /// The learned parameters.
    pub params: Params,
    optim: Optim,
    interventions: Vec<Active>,
}

/// An intervention, what a configuration calls it, and how often it acted.
struct Active {
    kind: &'static str,
    hooks: Box<dyn Intervention>,
    count: u64,
}

impl Model {
    /// Moves `params` to `device` and builds the interventions, in the order of application.
    ///
    /// # Errors
    /// One sentence when optimiser or interventions cannot work on these parameters; it begins with `optim` or
    /// `interventions`.
    pub fn new(
        name: &str,
        net: Arc<dyn Network>,
        params: Params,
        optim: &OptimConfig,
        interventions: &[InterventionConfig],
        device: Device,
    ) -> Result<Self, String> {
        optim.validate()?;
        optim.rule.check(&params).map_err(|e| format!("optim.{e}"))?;
        interventions::validate(interventions)
            .and_then(|()| interventions::check(interventions, &params, optim))
            .map_err(|e| format!("interventions: {e}"))?;
        let mut params = params.to_device(device);
        let optim = Optim::new(optim.clone(), &mut params, device);
        let interventions = interventions
            .iter()
            .map(|m| Active { kind: m.kind(), hooks: m.build(&mut params), count: 0 })
            .collect();
        Ok(Model { name: name.to_owned(), net, params, optim, interventions })
    }

    /// Its name in saved state: `NAME/PARAMETER`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The network as operations on buffers, from inputs of so many columns.
    ///
    /// # Errors
    /// What has no such form, in words that end a sentence.
    pub fn program(&self, input: usize) -> Result<Program, String> {
        frozen::program(self.net.as_ref(), &self.params, input)
    }

    /// The function behind it.
    pub fn network(&self) -> &dyn Network {
        self.net.as_ref()
    }

    /// Its optimiser's settings.
    pub fn optim(&self) -> &OptimConfig {
        self.optim.config()
    }

    /// `[B, input]` to raw outputs, for anything but its own loss.
    pub fn forward(&self, x: &Tensor) -> Vec<Tensor> {
        self.net.forward(&mut Forward::eval(&self.params, &mut Trace::off()), x)
    }

    /// The pass that leads to a loss; give `trace` to [`Model::minimize`].
    pub fn forward_train(&self, x: &Tensor, trace: &mut Trace) -> Vec<Tensor> {
        self.net.forward(&mut Forward::train(&self.params, trace), x)
    }

    /// What `x` makes of the layers.
    pub fn trace(&self, x: &Tensor) -> Trace {
        let mut trace = Trace::on();
        let _ = self.net.forward(&mut Forward::eval(&self.params, &mut trace), x);
        trace
    }

    /// Each intervention by its name in a configuration, and how often it acted in this run: units
    /// replaced, matrices projected, gradients changed.
    pub fn intervention_counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.interventions.iter().map(|m| (m.kind, m.count))
    }

    /// What the interventions know about neurons.
    pub fn neuron_stats(&self) -> Vec<NeuronStats> {
        self.interventions
            .iter()
            .flat_map(|m| m.hooks.neuron_stats(&self.params, self.steps()))
            .collect()
    }

    /// The optimiser's steps so far.
    pub fn steps(&self) -> u64 {
        self.optim.steps()
    }

    /// The target follows by a Polyak average, `target <- (1 - tau) target + tau self`; units and
    /// layers that the last step reset become the same in both at once.
    pub fn polyak_update(&self, target: &mut FrozenNetwork, tau: f64) {
        target.params.polyak_update(&self.params, tau);
        target.params.copy_reset_params(&self.params, true);
        if tau < 1.0 {
            self.follow_resets(target);
        }
    }

    /// Between two hard copies a target keeps its old units, but follows layers that were reset.
    pub fn sync_resets(&self, target: &mut FrozenNetwork) {
        target.params.copy_reset_params(&self.params, false);
        self.follow_resets(target);
    }

    /// The singular vectors of weights that were replaced say nothing of the new ones.
    fn follow_resets(&self, target: &mut FrozenNetwork) {
        if !self.params.fresh.is_empty() {
            target.params.advance_reparams(true);
        }
    }

    /// The same network with a copy of the values, without optimiser or interventions.
    pub fn target(&self) -> FrozenNetwork {
        FrozenNetwork { net: Arc::clone(&self.net), params: self.params.detached_copy() }
    }

    /// The same model computing in `kind`: f64 compares whole updates with references.
    #[must_use]
    pub fn to_kind(self, kind: Kind) -> Model {
        Model { params: self.params.to_kind(kind), ..self }
    }

    /// The learning rate of the next step.
    pub fn lr(&self) -> f64 {
        self.optim.lr()
    }

    /// Adds everything to `out`, under the model's name.
    pub fn save(&self, out: &mut StateDict) {
        self.params.save(&self.name, out);
        self.optim.save(&self.name, out);
        let counts: Vec<i64> = self.interventions.iter().map(|m| m.count as i64).collect();
        out.insert(format!("{}/interventions#counts", self.name), Tensor::from_slice(&counts));
    }

    /// Reverse of [`Model::save`].
    ///
    /// # Errors
    /// When `from` was made by another configuration.
    pub fn load(&mut self, from: &StateDict) -> Result<(), LoadError> {
        self.params.load(&self.name, from)?;
        self.optim.load(&self.name, from)?;
        let mut counts = Tensor::from_slice(&vec![0i64; self.interventions.len()]);
        copy_from(&mut counts, &format!("{}/interventions#counts", self.name), from)?;
        for (m, i) in self.interventions.iter_mut().zip(0..) {
            m.count = counts.int64_value(&[i]) as u64;
        }
        Ok(())
    }
}
