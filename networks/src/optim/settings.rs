//! What an optimiser is to the models that use it.

use std::{fmt::Debug, sync::Arc};

use tch::Tensor;

use super::Adam;
use crate::{
    params::Params,
    registry::{Holds, Part},
};

/// The settings of one optimiser, and its step.
pub trait OptimSettings: Debug + Send + Sync {
    /// # Errors
    /// One sentence about the first value that cannot work, beginning with its key.
    fn validate(&self) -> Result<(), String> {
        Ok(())
    }

    /// Whether it can step these parameters.
    ///
    /// # Errors
    /// One sentence about what is in the way.
    fn check(&self, _params: &Params) -> Result<(), String> {
        Ok(())
    }

    /// What it remembers of a parameter, as at the start: zeros of any shapes. A tensor of the parameter's
    /// own shape forgets rows and columns that are reset; others are the layer's and do not.
    fn moments(&self, value: &Tensor) -> Vec<Tensor>;

    /// The coefficient by which it shrinks weights, 0 if it does not.
    fn weight_decay(&self) -> f64 {
        0.0
    }

    /// The numbers of Adam, if its two moments are Adam's; diagnostics read them.
    fn as_adam(&self) -> Option<Adam> {
        None
    }

    /// Whether its weight decay shrinks weights by itself, instead of being part of the gradient.
    fn decay_is_decoupled(&self) -> bool {
        false
    }

    /// One step in place, under `no_grad`; `grads` in the order of [`Params::trainable`]. A parameter's own `lr_factor`
    /// and `decays` are the rule's to heed, with [`Param::lr`](crate::params::Param::lr) and [`Param::decay`](crate::params::Param::decay).
    fn step(&self, params: &mut Params, grads: &[Tensor], at: &StepAt<'_>);
}

/// Which step it is.
pub struct StepAt<'a> {
    /// The learning rate, schedule included, before a parameter's own [`lr_factor`](crate::params::Param::lr_factor).
    pub lr: f64,
    /// Steps, this one included.
    pub steps: u64,
    /// A scalar f32 on the parameters' device, for kernels that want `steps` there.
    pub step_tensor: &'a Tensor,
}

impl<P: Part + OptimSettings> Holds<P> for dyn OptimSettings {
    fn hold(part: Arc<P>) -> Arc<Self> {
        part
    }
}

/// Refuses the first number of an optimiser with two running averages that is outside its range.
pub(super) fn check_averages(
    beta1: f64,
    beta2: f64,
    eps: f64,
    weight_decay: f64,
) -> Result<(), String> {
    check_ranges(&[
        ("beta1", beta1, (0.0..1.0).contains(&beta1), "in [0, 1)"),
        ("beta2", beta2, (0.0..1.0).contains(&beta2), "in [0, 1)"),
        ("eps", eps, eps > 0.0, "greater than 0"),
        ("weight_decay", weight_decay, weight_decay >= 0.0, "at least 0"),
    ])
}

/// Refuses the first number that is outside its range.
pub(super) fn check_ranges(checks: &[(&str, f64, bool, &str)]) -> Result<(), String> {
    for (key, value, ok, range) in checks {
        if !ok || !value.is_finite() {
            return Err(format!("{key} is {value}; it must be {range}"));
        }
    }
    Ok(())
}
