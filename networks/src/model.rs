//! A network with its parameters, optimiser and weight interventions.

use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use crate::{
    diagnostics::step::{Measured, StepLook},
    exec::fused_cpu::{Program, ProgramBuilder},
    forward::Forward,
    fused,
    interventions::{self, Clock, Intervention, InterventionConfig, NeuronStats, StepCx},
    network::Network,
    optim::{Optim, OptimConfig},
    params::{LoadError, Params, StateDict, copy_from, is_finite},
    random::Rng,
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
        program(self.net.as_ref(), &self.params, input)
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

    /// One gradient step on `loss` and every intervention's `loss_term`: gradients of this model's own
    /// parameters only, every intervention's `gradients`, the optimiser, every intervention's `weights`, and the rows of
    /// [`Role::Hyperspherical`](crate::params::Role::Hyperspherical) weights back to unit norm.
    ///
    /// `trace` is the forward pass that led to the loss; one of several passes, if only one of them is to count for
    /// running statistics.
    ///
    /// # Errors
    /// When the loss is not finite; nothing has changed then. `watched` are further tensors, by
    /// name, that the search for the culprit looks at first (the batch).
    pub fn minimize(
        &mut self,
        loss: &Tensor,
        trace: &Trace,
        watched: &[(&str, &Tensor)],
        clock: Clock,
        rng: &mut Rng,
    ) -> Result<StepStats, NonFinite> {
        let mut cx = self.step_cx(trace, clock, rng);
        let mut loss = loss.shallow_clone();
        let mut terms = Vec::new();
        for (kind, term) in self.loss_terms(&mut cx) {
            if clock.log {
                terms.push((kind, term.double_value(&[])));
            }
            loss += term;
        }
        let value = loss.double_value(&[]);
        if !value.is_finite() {
            return Err(self.blame(value, watched, trace));
        }
        let inputs: Vec<&Tensor> = self.params.trainable().map(|p| &p.value).collect();
        let mut grads = Tensor::run_backward(&[&loss], &inputs, false, false);
        drop(inputs);
        Ok(self.step(value, terms, &mut grads, &mut cx))
    }

    /// The same with gradients that somebody else computed, in the order of [`Params::trainable`]: `loss` is their
    /// loss, `trace` the forward pass behind it.
    ///
    /// # Errors
    /// As [`Model::minimize`].
    pub fn apply(
        &mut self,
        loss: f64,
        grads: &mut [Tensor],
        trace: &Trace,
        watched: &[(&str, &Tensor)],
        clock: Clock,
        rng: &mut Rng,
    ) -> Result<StepStats, NonFinite> {
        let mut cx = self.step_cx(trace, clock, rng);
        let all = self.loss_terms(&mut cx);
        let terms: Vec<_> = all.iter().map(|(kind, t)| (*kind, t.double_value(&[]))).collect();
        let loss = loss + terms.iter().map(|(_, value)| value).sum::<f64>();
        if !loss.is_finite() {
            return Err(self.blame(loss, watched, trace));
        }
        if !all.is_empty() {
            self.add_gradients_of(all, grads);
        }
        Ok(self.step(loss, terms, grads, &mut cx))
    }

    /// Whether anything reads the trace that [`Model::apply`] gets.
    pub fn reads_activations(&self) -> bool {
        !self.interventions.is_empty()
    }

    fn step_cx<'a>(&self, trace: &'a Trace, clock: Clock, rng: &'a mut Rng) -> StepCx<'a> {
        let mut cx = StepCx::new(trace, clock, self.optim.steps() + 1, rng);
        cx.new_task = self.optim.is_new_task(clock.task);
        cx
    }

    /// What every intervention adds to the loss.
    fn loss_terms(&mut self, cx: &mut StepCx<'_>) -> Vec<(&'static str, Tensor)> {
        let mut terms = Vec::new();
        for Active { kind, hooks, count } in &mut self.interventions {
            terms.extend(hooks.loss_term(&self.params, cx).map(|term| (*kind, term)));
            *count += std::mem::take(&mut cx.count);
        }
        terms
    }

    /// Adds the gradients of `terms`, which need not depend on every parameter.
    fn add_gradients_of(&self, terms: Vec<(&'static str, Tensor)>, grads: &mut [Tensor]) {
        let inputs: Vec<&Tensor> = self.params.trainable().map(|p| &p.value).collect();
        let mut sum: Tensor = terms.into_iter().map(|(_, term)| term).sum();
        for input in &inputs {
            sum += (*input * 0.0).sum(input.kind());
        }
        let more = Tensor::run_backward(&[&sum], &inputs, false, false);
        let _guard = tch::no_grad_guard();
        for (grad, more) in grads.iter_mut().zip(more) {
            let _ = grad.g_add_(&more);
        }
    }

    /// From gradients to new weights.
    fn step(
        &mut self,
        loss: f64,
        terms: Vec<(&'static str, f64)>,
        grads: &mut [Tensor],
        cx: &mut StepCx<'_>,
    ) -> StepStats {
        let (clock, trace) = (cx.clock, cx.trace);
        let grad_norm = clock.log.then(|| {
            let _guard = tch::no_grad_guard();
            fused::global_norm(&grads.iter().collect::<Vec<_>>()).double_value(&[])
        });

        let mut look = clock.look.then(|| StepLook::new(&self.params, grads));
        self.params.fresh.clear();
        for Active { hooks, count, .. } in &mut self.interventions {
            hooks.gradients(&self.params, grads, cx);
            *count += std::mem::take(&mut cx.count);
        }
        self.optim.clip(grads);
        self.optim.step(&mut self.params, grads, clock.task);
        // Before interventions, which may reset units with their statistics.
        self.params.take_proposals(trace.proposals());
        if let Some(look) = &mut look {
            look.stepped(&self.params);
        }
        for Active { hooks, count, .. } in &mut self.interventions {
            hooks.weights(&mut self.params, cx);
            *count += std::mem::take(&mut cx.count);
        }
        // Last, so that no intervention can leave a row off the sphere.
        self.params.project_to_hypersphere();
        debug_assert!(self.rows_are_unit(), "rows of {} left the sphere", self.name);
        let jumped = !self.params.fresh.is_empty();
        self.params.advance_reparams(jumped);
        let layers = look.map_or(Vec::new(), |look| look.finish(&self.params, &self.optim));
        StepStats { loss, terms, grad_norm, layers }
    }

    /// NaN is not judged here: the next loss is, with its cause.
    fn rows_are_unit(&self) -> bool {
        let error = self.params.hypersphere_error();
        error.is_nan() || error <= 1e-6
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

    /// The first tensor that is not finite, in the order data flows: inputs, parameters,
    /// activations.
    fn blame(&self, loss: f64, watched: &[(&str, &Tensor)], trace: &Trace) -> NonFinite {
        let input =
            watched.iter().find(|(_, t)| !is_finite(t)).map(|(n, _)| format!("batch `{n}`"));
        let culprit = input
            .or_else(|| self.params.first_non_finite().map(|n| format!("parameter `{n}`")))
            .or_else(|| {
                let bad = trace.entries().iter().find(|e| !is_finite(&e.values));
                bad.map(|e| format!("the activation of layer `{}`", e.layer))
            })
            .unwrap_or_else(|| "the loss itself".to_owned());
        NonFinite { model: self.name.clone(), loss, culprit }
    }
}

fn program(net: &dyn Network, params: &Params, input: usize) -> Result<Program, String> {
    if params.iter().any(|(_, p)| p.value.device() != Device::Cpu) {
        return Err("it runs on the CPU only".to_owned());
    }
    let (mut builder, x) = ProgramBuilder::new(params, input);
    let outputs = net.program(&mut builder, x)?;
    Ok(builder.finish(outputs))
}

/// A network with values of its own that nothing learns: a target, or an actor's copy.
pub struct FrozenNetwork {
    net: Arc<dyn Network>,
    /// The values.
    pub params: Params,
}

impl FrozenNetwork {
    /// The same with reparametrised weights as plain ones, for a copy that only [`Params::load_flat`] changes.
    #[must_use]
    pub fn folded(mut self) -> FrozenNetwork {
        self.params.fold();
        self
    }

    /// `[B, input]` to raw outputs.
    pub fn forward(&self, x: &Tensor) -> Vec<Tensor> {
        self.net.forward(&mut Forward::eval(&self.params, &mut Trace::off()), x)
    }

    /// As [`Model::program`].
    ///
    /// # Errors
    /// As [`Model::program`].
    pub fn program(&self, input: usize) -> Result<Program, String> {
        program(self.net.as_ref(), &self.params, input)
    }

    /// The same on `device`.
    #[must_use]
    pub fn to_device(self, device: Device) -> FrozenNetwork {
        FrozenNetwork { net: self.net, params: self.params.to_device(device) }
    }

    /// The same in `kind`.
    #[must_use]
    pub fn to_kind(self, kind: Kind) -> FrozenNetwork {
        FrozenNetwork { net: self.net, params: self.params.to_kind(kind) }
    }
}
