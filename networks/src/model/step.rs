//! A gradient step of a model: loss, gradients, interventions, optimiser.

use tch::Tensor;

use super::{Active, Model, NonFinite, StepStats};
use crate::{
    diagnostics::step::StepLook,
    fused,
    interventions::{Clock, StepCx},
    params::is_finite,
    random::Rng,
    trace::Trace,
};

impl Model {
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

    /// The same with gradients that somebody else computed, in the order of [`Params::trainable`](crate::params::Params::trainable): `loss` is their
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
    pub(super) fn rows_are_unit(&self) -> bool {
        let error = self.params.hypersphere_error();
        error.is_nan() || error <= 1e-6
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
