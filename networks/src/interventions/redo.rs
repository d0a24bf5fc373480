//! ReDo: recycling dormant units (Sokar et al. 2023, arXiv 2302.12902, Algorithm 1).
//!
//! Every so many updates, all units whose score `mean |h_i| / mean_j mean |h_j|` (equation 1) is at
//! most the threshold are replaced, see [`crate::neurons`]. Scores are of the update's own minibatch.
//!
//! Against the released code: new weights follow the layer's own distribution, not Xavier's whatever the
//! layer; and a new unit restarts Adam's bias correction along with its moments.

use serde::{Deserialize, Serialize};

use super::{Effects, Intervention, InterventionSettings, StepCx, settings::at_least_0};
use crate::{diagnostics::unit_scores, params::Params, registry::Part};

/// `kind = "redo"`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Redo {
    /// Neurons whose score is at most this are dormant.
    pub threshold: f64,
    /// Period in updates.
    pub every_updates: u64,
}

impl Default for Redo {
    fn default() -> Self {
        Redo { threshold: 0.025, every_updates: 1_000 }
    }
}

impl Part for Redo {
    type Family = dyn InterventionSettings;

    const KIND: &'static str = "redo";
    const SUMMARY: &'static str =
        "replaces all units with `mean |h_i| / mean_j mean |h_j| <= threshold`";
    const SOURCE: &'static str = "Sokar et al. 2023, arXiv 2302.12902, Algorithm 1";
}

impl InterventionSettings for Redo {
    fn validate(&self) -> Result<(), String> {
        if self.every_updates == 0 {
            return Err("every_updates is 0; it must be at least 1".to_owned());
        }
        at_least_0("threshold", self.threshold)
    }

    fn effects(&self) -> Effects {
        Effects { replaces_neurons: true, disturbs_norms: true }
    }

    fn build(&self, p: &mut Params) -> Box<dyn Intervention> {
        p.remember_births();
        Box::new(*self)
    }
}

impl Intervention for Redo {
    fn weights(&mut self, p: &mut Params, cx: &mut StepCx<'_>) {
        if !cx.is_due(self.every_updates, false) {
            return;
        }
        for group in 0..p.neurons().len() {
            let scores = unit_scores(&cx.activations(&p.neurons()[group].layer));
            let scores = Vec::<f64>::try_from(&scores).expect("one f64 per unit");
            let dormant: Vec<usize> =
                (0..scores.len()).filter(|&i| scores[i] <= self.threshold).collect();
            if !dormant.is_empty() {
                p.replace_units(group, &dormant, cx.step, None, cx.rng);
                cx.count += dormant.len() as u64;
            }
        }
    }
}
