//! L2-init: `strength * ||theta - theta_0||^2` added to the loss
//! (Kumar, Marklund & Van Roy 2023, arXiv 2308.11958, section 4), as its analytic gradient
//! `2 * strength * (theta - theta_0)` added before the optimiser.

use serde::{Deserialize, Serialize};
use tch::{Tensor, no_grad_guard};

use super::{Intervention, InterventionSettings, StepCx, settings::at_least_0};
use crate::{
    params::{ParamId, Params, Role},
    registry::Part,
};

/// `kind = "l2_init"`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L2Init {
    /// Coefficient of the squared distance.
    pub strength: f64,
}

impl Part for L2Init {
    type Family = dyn InterventionSettings;

    const KIND: &'static str = "l2_init";
    const SUMMARY: &'static str = "adds `2 strength (theta - theta_0)` to the gradient";
    const SOURCE: &'static str = "Kumar et al. 2023, arXiv 2308.11958, section 4";
}

impl InterventionSettings for L2Init {
    fn validate(&self) -> Result<(), String> {
        at_least_0("strength", self.strength)
    }

    fn build(&self, p: &mut Params) -> Box<dyn Intervention> {
        let copies: Vec<_> = p
            .trainable()
            .map(|p| (format!("{}@init", p.name), p.init.clone(), p.value.copy()))
            .collect();
        let initial = copies
            .into_iter()
            .map(|(name, init, value)| p.add_value(name, Role::State, init, &value))
            .collect();
        Box::new(Pull { strength: self.strength, initial })
    }
}

struct Pull {
    strength: f64,
    /// Copies of the initial values, in trainable order.
    initial: Vec<ParamId>,
}

impl Intervention for Pull {
    fn gradients(&mut self, p: &Params, grads: &mut [Tensor], cx: &mut StepCx<'_>) {
        let _guard = no_grad_guard();
        cx.count += 1;
        for ((param, grad), &initial) in p.trainable().zip(grads).zip(&self.initial) {
            *grad = &*grad + (&param.value - p.get(initial)) * (2.0 * self.strength);
        }
    }
}
