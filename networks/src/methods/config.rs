//! The methods a configuration can name, and which of them fit a network and each other.

use serde::{Deserialize, Serialize};

use super::{
    CbpConfig, Layers, NapGains, WeightMethod, cbp::Cbp, clip_grad_norm::ClipGradNorm,
    l2_init::L2Init, nap::Nap, redo::Redo, reset_layers::ResetLayers,
    shrink_perturb::ShrinkPerturb,
};
use crate::{optim::OptimConfig, params::Params};

/// An entry of the list `methods`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum MethodConfig {
    /// Continual backprop: replace units of little use, a few at a time.
    Cbp(CbpConfig),
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
    /// Replace all dormant units of a layer at once.
    Redo {
        /// Units whose score is at most this are dormant.
        #[serde(default = "redo_threshold")]
        threshold: f64,
        /// Period in updates.
        #[serde(default = "thousand")]
        every_updates: u64,
    },
    /// Draw layers again from their laws.
    ResetLayers {
        /// Which.
        layers: Layers,
        /// Period in updates; 0: not by period.
        #[serde(default)]
        every_updates: u64,
        /// Whether when the task changes.
        #[serde(default)]
        on_task_change: bool,
    },
    /// Shrink every weight and add fresh initial noise.
    ShrinkPerturb {
        /// Factor on the old weights, in \[0, 1\].
        shrink: f64,
        /// Factor on a fresh draw from each parameter's initialiser.
        perturb: f64,
        /// Period in updates; 0: not by period.
        #[serde(default)]
        every_updates: u64,
        /// Whether when the task changes.
        #[serde(default)]
        on_task_change: bool,
    },
}

fn one() -> u64 {
    1
}

fn thousand() -> u64 {
    1_000
}

fn redo_threshold() -> f64 {
    0.025
}

impl MethodConfig {
    /// As a configuration spells it.
    pub fn kind(&self) -> &'static str {
        match self {
            MethodConfig::Cbp(_) => "cbp",
            MethodConfig::ClipGradNorm { .. } => "clip_grad_norm",
            MethodConfig::L2Init { .. } => "l2_init",
            MethodConfig::Nap { .. } => "nap",
            MethodConfig::Redo { .. } => "redo",
            MethodConfig::ResetLayers { .. } => "reset_layers",
            MethodConfig::ShrinkPerturb { .. } => "shrink_perturb",
        }
    }

    fn replaces_units(&self) -> bool {
        matches!(self, MethodConfig::Cbp(_) | MethodConfig::Redo { .. })
    }

    /// Whether it changes weights after the optimiser's step, other than by projection.
    fn disturbs(&self) -> bool {
        matches!(self, MethodConfig::ResetLayers { .. } | MethodConfig::ShrinkPerturb { .. })
            || self.replaces_units()
    }

    /// Whether the methods can work on a model with parameters `p` and this optimiser, and with each
    /// other.
    ///
    /// # Errors
    /// One sentence about the first that cannot, naming it.
    pub fn check(methods: &[Self], p: &Params, optim: &OptimConfig) -> Result<(), String> {
        let nap = methods.iter().position(|m| matches!(m, MethodConfig::Nap { .. }));
        if let Some(nap) = nap {
            Nap::check(p, optim).map_err(|e| format!("nap cannot work here: {e}"))?;
            if methods[nap + 1..].iter().any(|m| matches!(m, MethodConfig::Nap { .. })) {
                return Err("nap is in the list twice; once is enough".to_owned());
            }
            if let Some(late) = methods[nap + 1..].iter().find(|m| m.disturbs()) {
                let kind = late.kind();
                return Err(format!(
                    "{kind} comes after nap and would leave norms that nap must keep; put {kind} \
                     before nap"
                ));
            }
        }
        let mut replacing = methods.iter().filter(|m| m.replaces_units());
        if let Some(first) = replacing.next() {
            if p.units().is_empty() {
                return Err(format!(
                    "{} cannot work here: the network has no units that can be replaced; give an mlp \
                     hidden layers, or a residual network blocks",
                    first.kind()
                ));
            }
            if let Some(second) = replacing.next() {
                return Err(format!(
                    "{} and {} both replace units and would undo each other's choices; keep one",
                    first.kind(),
                    second.kind()
                ));
            }
        }
        Ok(())
    }

    /// Builds the method for the model that owns `p`.
    pub fn build(&self, p: &mut Params) -> Box<dyn WeightMethod> {
        match *self {
            MethodConfig::Cbp(config) => Box::new(Cbp::new(config, p)),
            MethodConfig::ClipGradNorm { max_norm } => Box::new(ClipGradNorm { max_norm }),
            MethodConfig::L2Init { strength } => Box::new(L2Init::new(strength, p)),
            MethodConfig::Nap { every_updates, gains } => {
                Box::new(Nap::new(every_updates, gains, p))
            }
            MethodConfig::Redo { threshold, every_updates } => {
                Box::new(Redo::new(threshold, every_updates, p))
            }
            MethodConfig::ResetLayers { layers, every_updates, on_task_change } => {
                Box::new(ResetLayers { layers, every_updates, on_task_change })
            }
            MethodConfig::ShrinkPerturb { shrink, perturb, every_updates, on_task_change } => {
                Box::new(ShrinkPerturb { shrink, perturb, every_updates, on_task_change })
            }
        }
    }

    /// # Errors
    /// One sentence about the first value that cannot work.
    pub fn validate(&self) -> Result<(), String> {
        let kind = self.kind();
        let at_least_0 = |key: &str, value: f64| {
            let fine = value >= 0.0 && value.is_finite();
            if fine {
                Ok(())
            } else {
                Err(format!("{kind}: {key} is {value}; it must be at least 0"))
            }
        };
        let some_time = |every_updates: u64, on_task_change: bool| {
            if every_updates > 0 || on_task_change {
                return Ok(());
            }
            Err(format!("{kind} never acts; give every_updates or on_task_change = true"))
        };
        match *self {
            MethodConfig::Cbp(config) => config.validate().map_err(|e| format!("{kind}: {e}")),
            MethodConfig::ClipGradNorm { max_norm } if max_norm.is_nan() || max_norm <= 0.0 => {
                Err(format!("{kind}: max_norm is {max_norm}; it must be greater than 0"))
            }
            MethodConfig::L2Init { strength } => at_least_0("strength", strength),
            MethodConfig::Nap { every_updates: 0, .. }
            | MethodConfig::Redo { every_updates: 0, .. } => {
                Err(format!("{kind}: every_updates is 0; it must be at least 1"))
            }
            MethodConfig::Nap { gains: NapGains::Pull { strength }, .. } => {
                at_least_0("gains.strength", strength)
            }
            MethodConfig::ClipGradNorm { .. } | MethodConfig::Nap { .. } => Ok(()),
            MethodConfig::Redo { threshold, .. } => at_least_0("threshold", threshold),
            MethodConfig::ResetLayers { every_updates, on_task_change, .. } => {
                some_time(every_updates, on_task_change)
            }
            MethodConfig::ShrinkPerturb { shrink, perturb, every_updates, on_task_change } => {
                if !(0.0..=1.0).contains(&shrink) {
                    return Err(format!("{kind}: shrink is {shrink}; it must be in [0, 1]"));
                }
                at_least_0("perturb", perturb)?;
                some_time(every_updates, on_task_change)
            }
        }
    }
}
