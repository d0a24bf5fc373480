//! The interventions a configuration can name, and which of them fit a network and each other.

use serde::{Deserialize, Serialize};

use super::{
    CbpConfig, Intervention, Layers, NapGains, cbp::Cbp, clip_grad_norm::ClipGradNorm,
    l2_init::L2Init, nap::Nap, redo::Redo, reset_layers::ResetLayers,
    shrink_perturb::ShrinkPerturb,
};
use crate::{optim::OptimConfig, params::Params};

/// An entry of the list `interventions`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum InterventionConfig {
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
        /// NeuronGroup whose score is at most this are dormant.
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

impl InterventionConfig {
    /// As a configuration spells it.
    pub fn kind(&self) -> &'static str {
        match self {
            InterventionConfig::Cbp(_) => "cbp",
            InterventionConfig::ClipGradNorm { .. } => "clip_grad_norm",
            InterventionConfig::L2Init { .. } => "l2_init",
            InterventionConfig::Nap { .. } => "nap",
            InterventionConfig::Redo { .. } => "redo",
            InterventionConfig::ResetLayers { .. } => "reset_layers",
            InterventionConfig::ShrinkPerturb { .. } => "shrink_perturb",
        }
    }

    fn replaces_units(&self) -> bool {
        matches!(self, InterventionConfig::Cbp(_) | InterventionConfig::Redo { .. })
    }

    /// Whether it changes weights after the optimiser's step, other than by projection.
    fn disturbs(&self) -> bool {
        matches!(
            self,
            InterventionConfig::ResetLayers { .. } | InterventionConfig::ShrinkPerturb { .. }
        ) || self.replaces_units()
    }

    /// Whether the interventions can work on a model with parameters `p` and this optimiser, and with each
    /// other.
    ///
    /// # Errors
    /// One sentence about the first that cannot, naming it.
    pub fn check(interventions: &[Self], p: &Params, optim: &OptimConfig) -> Result<(), String> {
        let nap = interventions.iter().position(|m| matches!(m, InterventionConfig::Nap { .. }));
        if let Some(nap) = nap {
            Nap::check(p, optim).map_err(|e| format!("nap cannot work here: {e}"))?;
            if interventions[nap + 1..].iter().any(|m| matches!(m, InterventionConfig::Nap { .. }))
            {
                return Err("nap is in the list twice; once is enough".to_owned());
            }
            if let Some(late) = interventions[nap + 1..].iter().find(|m| m.disturbs()) {
                let kind = late.kind();
                return Err(format!(
                    "{kind} comes after nap and would leave norms that nap must keep; put {kind} \
                     before nap"
                ));
            }
        }
        let mut replacing = interventions.iter().filter(|m| m.replaces_units());
        if let Some(first) = replacing.next() {
            if p.neurons().is_empty() {
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
    pub fn build(&self, p: &mut Params) -> Box<dyn Intervention> {
        match *self {
            InterventionConfig::Cbp(config) => Box::new(Cbp::new(config, p)),
            InterventionConfig::ClipGradNorm { max_norm } => Box::new(ClipGradNorm { max_norm }),
            InterventionConfig::L2Init { strength } => Box::new(L2Init::new(strength, p)),
            InterventionConfig::Nap { every_updates, gains } => {
                Box::new(Nap::new(every_updates, gains, p))
            }
            InterventionConfig::Redo { threshold, every_updates } => {
                Box::new(Redo::new(threshold, every_updates, p))
            }
            InterventionConfig::ResetLayers { layers, every_updates, on_task_change } => {
                Box::new(ResetLayers { layers, every_updates, on_task_change })
            }
            InterventionConfig::ShrinkPerturb {
                shrink,
                perturb,
                every_updates,
                on_task_change,
            } => Box::new(ShrinkPerturb { shrink, perturb, every_updates, on_task_change }),
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
            InterventionConfig::Cbp(config) => {
                config.validate().map_err(|e| format!("{kind}: {e}"))
            }
            InterventionConfig::ClipGradNorm { max_norm }
                if max_norm.is_nan() || max_norm <= 0.0 =>
            {
                Err(format!("{kind}: max_norm is {max_norm}; it must be greater than 0"))
            }
            InterventionConfig::L2Init { strength } => at_least_0("strength", strength),
            InterventionConfig::Nap { every_updates: 0, .. }
            | InterventionConfig::Redo { every_updates: 0, .. } => {
                Err(format!("{kind}: every_updates is 0; it must be at least 1"))
            }
            InterventionConfig::Nap { gains: NapGains::Pull { strength }, .. } => {
                at_least_0("gains.strength", strength)
            }
            InterventionConfig::ClipGradNorm { .. } | InterventionConfig::Nap { .. } => Ok(()),
            InterventionConfig::Redo { threshold, .. } => at_least_0("threshold", threshold),
            InterventionConfig::ResetLayers { every_updates, on_task_change, .. } => {
                some_time(every_updates, on_task_change)
            }
            InterventionConfig::ShrinkPerturb {
                shrink,
                perturb,
                every_updates,
                on_task_change,
            } => {
                if !(0.0..=1.0).contains(&shrink) {
                    return Err(format!("{kind}: shrink is {shrink}; it must be in [0, 1]"));
                }
                at_least_0("perturb", perturb)?;
                some_time(every_updates, on_task_change)
            }
        }
    }
}
