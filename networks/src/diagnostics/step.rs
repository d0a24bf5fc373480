//! What one gradient step did, layer by layer: the gradient, how far the optimiser turned each weight,
//! and how far it stands from there after the interventions and projections.

use serde::Serialize;
use tch::{Kind, Tensor};

use super::{
    gradients::{self, AdamHealth},
    squared, units,
    weights::Step,
};
use crate::{
    optim::Optim,
    params::{Param, Params, Role},
};

/// One number about one layer of a network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// Name of the layer; [`WHOLE`] for the network.
    pub layer: String,
    /// What it is.
    pub measure: &'static str,
    /// Its value.
    pub value: f64,
}

/// The layer name of measures of a whole network.
pub const WHOLE: &str = "_global";

/// Weights before a step and its gradients, until the step is done.
pub(crate) struct StepLook {
    /// Of every weight matrix, in order.
    before: Vec<Tensor>,
    /// After the optimiser and before interventions and projections.
    stepped: Vec<Step>,
    found: Vec<Measured>,
}

fn weights(p: &Params) -> impl Iterator<Item = &Param> {
    p.iter().map(|(_, q)| q).filter(|q| q.role.is_weight())
}

/// The layer of a weight.
pub fn layer_of(weight: &str) -> &str {
    weight.trim_end_matches("/weight")
}

impl StepLook {
    /// Before the step; `grads` in the order of [`Params::trainable`], as the loss gave them.
    pub(crate) fn new(p: &Params, grads: &[Tensor]) -> Self {
        let mut look = StepLook {
            before: weights(p).map(|q| q.value.detach().copy()).collect(),
            stepped: Vec::new(),
            found: Vec::new(),
        };
        let (mut dormant, mut rows) = (0.0, 0);
        for (q, grad) in p.trainable().zip(grads).filter(|(q, _)| q.role.is_weight()) {
            look.add(layer_of(&q.name), "grad_norm", squared(&super::double(grad)).sqrt());
            // Rows of an output layer are no units.
            if q.role != Role::Output && !q.head {
                let fraction = units::gradient_dormant_fraction(grad, 0.01);
                look.add(layer_of(&q.name), "gradient_dormant", fraction);
                dormant += fraction * grad.size()[0] as f64;
                rows += grad.size()[0];
            }
        }
        if rows > 0 {
            look.add(WHOLE, "gradient_dormant", dormant / rows as f64);
        }
        look.add(WHOLE, "grad_norm", gradients::l2(grads));
        look.add(WHOLE, "grad_l1", gradients::l1(grads));
        look.add(WHOLE, "grad_max", gradients::max_abs(grads));
        look.add(WHOLE, "grad_tiny", gradients::tiny_fraction(grads));
        look
    }

    fn add(&mut self, layer: &str, measure: &'static str, value: f64) {
        self.found.push(Measured { layer: layer.to_owned(), measure, value });
    }

    /// After the optimiser.
    pub(crate) fn stepped(&mut self, p: &Params) {
        self.stepped =
            self.before.iter().zip(weights(p)).map(|(w, q)| Step::between(w, &q.value)).collect();
    }

    /// After everything.
    pub(crate) fn finish(mut self, p: &Params, optim: &Optim) -> Vec<Measured> {
        let before = std::mem::take(&mut self.before);
        let stepped = std::mem::take(&mut self.stepped);
        let (mut turned, mut count) = (0.0, 0.0);
        for ((w, q), step) in before.iter().zip(weights(p)).zip(stepped) {
            let layer = layer_of(&q.name);
            let rotation = Step::between(w, &q.value).rotation;
            self.add(layer, "relative_update", step.relative_update);
            self.add(layer, "growth", step.growth);
            self.add(layer, "rotation_unprojected", step.rotation);
            self.add(layer, "rotation", rotation);
            (turned, count) = (turned + rotation, count + 1.0);
        }
        if count > 0.0 {
            self.add(WHOLE, "rotation", turned / count);
        }
        if let Some(health) = AdamHealth::of_params(p, optim.config(), optim.steps()) {
            self.add(WHOLE, "adam_signal", health.signal);
            self.add(WHOLE, "adam_below_eps", health.below_eps);
            self.add(WHOLE, "adam_largest_step", health.largest_step);
        }
        self.found
    }
}

/// Weights as they stand, each also beside its initial value where `initial` has it by name: norm,
/// mean size, distance from the start and cosine with it.
pub fn weight_measures(p: &Params, initial: impl Fn(&str) -> Option<Tensor>) -> Vec<Measured> {
    let mut found = Vec::new();
    let mut add = |layer: &str, measure, value| {
        found.push(Measured { layer: layer.to_owned(), measure, value });
    };
    let (mut square, mut apart, mut start) = (0.0, 0.0, 0.0);
    let mut compared = false;
    for q in weights(p) {
        let layer = layer_of(&q.name);
        let norm = super::weights::norm(&q.value);
        square += norm * norm;
        add(layer, "weight_norm", norm);
        add(layer, "weight_mean_abs", super::weights::mean_abs(&q.value));
        if let Some(w0) = initial(&q.name) {
            let w0 = w0.to_device(q.value.device());
            compared = true;
            apart += squared(&(super::double(&q.value) - super::double(&w0)));
            start += squared(&super::double(&w0));
            add(layer, "distance_from_init", super::weights::distance(&q.value, &w0));
            add(layer, "cosine_with_init", super::weights::cosine(&q.value, &w0));
        }
    }
    add(WHOLE, "weight_norm", square.sqrt());
    if compared {
        add(WHOLE, "distance_from_init", (apart / start).sqrt());
    }
    found
}

/// `||theta - theta'|| / ||theta||` over all learned values: how far a target network is behind.
pub fn lag(p: &Params, behind: &Params) -> f64 {
    let (mut apart, mut size) = (0.0, 0.0);
    for (q, other) in p.trainable().zip(behind.trainable()) {
        let value = q.value.detach().to_kind(Kind::Double);
        apart += squared(&(&value - other.value.detach().to_kind(Kind::Double)));
        size += squared(&value);
    }
    (apart / size).sqrt()
}
