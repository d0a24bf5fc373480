//! Weight methods: what happens to gradients before, and to weights after, an optimiser step.
//!
//! One paper per file. The order in the configuration is the order of application.

mod clip_grad_norm;
mod l2_init;
mod nap;
mod shrink_perturb;

pub use nap::NapGains;

use serde::{Deserialize, Serialize};
use tch::Tensor;

use nap::Nap;

use crate::{optim::OptimConfig, params::Params, random::Rng, trace::Trace};

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
}

/// What a hook may look at besides the weights.
pub struct StepCx<'a> {
    /// Activations of the forward pass behind this step.
    pub trace: &'a Trace,
    /// Where the run is.
    pub clock: Clock,
    /// The learner's generator.
    pub rng: &'a mut Rng,
}

/// One method on one model. Construction records or changes the initial weights; what must survive
/// a checkpoint lives in the model's `Params` under `Role::State`.
pub trait WeightMethod: Send {
    /// May edit `grads` (order of [`Params::trainable`]) before the optimiser sees them.
    fn before_step(&mut self, _p: &Params, _grads: &mut [Tensor], _cx: &mut StepCx<'_>) {}
    /// May edit the weights after the optimiser changed them.
    fn after_step(&mut self, _p: &mut Params, _cx: &mut StepCx<'_>) {}
}

/// The methods a configuration can name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum MethodConfig {
    /// Scale all gradients so that their joint 2-norm is at most `max_norm`.
    ClipGradNorm {
        /// The bound.
        max_norm: f64,
    },
    /// Regularise towards the initial weights instead of zero.
    L2Init {
        /// Coefficient of the squared distance.
        strength: f64,
    },
    /// Put every hidden matrix back to its initial norm.
    Nap {
        /// Period in updates.
        #[serde(default = "one")]
        every_updates: u64,
        /// What happens to learned gains and offsets of the norms.
        #[serde(default)]
        gains: NapGains,
    },
    /// Shrink every weight and add fresh initial noise, every `every_updates` updates.
    ShrinkPerturb {
        /// Factor on the old weights, in (0, 1].
        shrink: f64,
        /// Factor on a fresh draw from each parameter's initialiser.
        perturb: f64,
        /// Period in updates.
        every_updates: u64,
    },
}

fn one() -> u64 {
    1
}

impl MethodConfig {
    /// Whether the methods can work on a model with parameters `p` and this optimiser.
    ///
    /// # Errors
    /// One sentence about the first that cannot, naming it.
    pub fn check(methods: &[Self], p: &Params, optim: &OptimConfig) -> Result<(), String> {
        let naps = methods.iter().filter(|m| matches!(m, MethodConfig::Nap { .. })).count();
        if naps > 0 {
            Nap::check(p, optim).map_err(|e| format!("nap cannot work here: {e}"))?;
        }
        if naps > 1 {
            return Err("nap is in the list twice; once is enough".to_owned());
        }
        Ok(())
    }

    /// Builds the method for the model that owns `p`.
    pub fn build(&self, p: &mut Params) -> Box<dyn WeightMethod> {
        match *self {
            MethodConfig::ClipGradNorm { max_norm } => {
                Box::new(clip_grad_norm::ClipGradNorm { max_norm })
            }
            MethodConfig::L2Init { strength } => Box::new(l2_init::L2Init::new(strength, p)),
            MethodConfig::Nap { every_updates, gains } => {
                Box::new(Nap::new(every_updates, gains, p))
            }
            MethodConfig::ShrinkPerturb { shrink, perturb, every_updates } => {
                Box::new(shrink_perturb::ShrinkPerturb { shrink, perturb, every_updates })
            }
        }
    }

    /// # Errors
    /// One sentence about the first value that cannot work.
    pub fn validate(&self) -> Result<(), String> {
        match *self {
            MethodConfig::ClipGradNorm { max_norm } if max_norm.is_nan() || max_norm <= 0.0 => {
                Err(format!("clip_grad_norm: max_norm is {max_norm}; it must be greater than 0"))
            }
            MethodConfig::L2Init { strength } if strength.is_nan() || strength < 0.0 => {
                Err(format!("l2_init: strength is {strength}; it must be at least 0"))
            }
            MethodConfig::Nap { every_updates: 0, .. } => {
                Err("nap: every_updates is 0; it must be at least 1".to_owned())
            }
            MethodConfig::Nap { gains: NapGains::Pull { strength }, .. }
                if strength.is_nan() || strength < 0.0 =>
            {
                Err(format!("nap: gains.strength is {strength}; it must be at least 0"))
            }
            MethodConfig::ShrinkPerturb { shrink, .. } if !(shrink > 0.0 && shrink <= 1.0) => {
                Err(format!("shrink_perturb: shrink is {shrink}; it must be in (0, 1]"))
            }
            MethodConfig::ShrinkPerturb { perturb, .. } if perturb.is_nan() || perturb < 0.0 => {
                Err(format!("shrink_perturb: perturb is {perturb}; it must be at least 0"))
            }
            MethodConfig::ShrinkPerturb { every_updates: 0, .. } => {
                Err("shrink_perturb: every_updates is 0; it must be at least 1".to_owned())
            }
            _ => Ok(()),
        }
    }
}
