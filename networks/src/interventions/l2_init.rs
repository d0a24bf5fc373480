//! L2-init: `strength * ||theta - theta_0||^2` added to the loss
//! (Kumar, Marklund & Van Roy 2023, arXiv 2308.11958, section 4), as its analytic gradient
//! `2 * strength * (theta - theta_0)` added before the optimiser.

use tch::{Tensor, no_grad_guard};

use super::{Intervention, StepCx};
use crate::params::{ParamId, Params, Role};

pub(super) struct L2Init {
    strength: f64,
    /// Copies of the initial values, in trainable order.
    initial: Vec<ParamId>,
}

impl L2Init {
    pub(super) fn new(strength: f64, p: &mut Params) -> Self {
        let copies: Vec<_> =
            p.trainable().map(|p| (format!("{}@init", p.name), p.init, p.value.copy())).collect();
        let initial = copies
            .into_iter()
            .map(|(name, init, value)| p.add_value(name, Role::State, init, &value))
            .collect();
        L2Init { strength, initial }
    }
}

impl Intervention for L2Init {
    fn before_step(&mut self, p: &Params, grads: &mut [Tensor], cx: &mut StepCx<'_>) {
        let _guard = no_grad_guard();
        cx.count += 1;
        for ((param, grad), &initial) in p.trainable().zip(grads).zip(&self.initial) {
            *grad = &*grad + (&param.value - p.get(initial)) * (2.0 * self.strength);
        }
    }
}
