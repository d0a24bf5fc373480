//! ReDo: recycling dormant units (Sokar et al. 2023, arXiv 2302.12902, Algorithm 1).
//!
//! Every so many updates, all units whose score `mean |h_i| / mean_j mean |h_j|` (equation 1) is at
//! most the threshold are made anew, see [`crate::neurons`]. Scores are of the update's own minibatch.
//!
//! Against the released code: new weights follow the layer's own law, not Xavier's whatever the
//! layer; and a new unit restarts Adam's bias correction along with its moments.

use super::{Intervention, StepCx};
use crate::{diagnostics::unit_scores, params::Params};

pub(super) struct Redo {
    threshold: f64,
    every_updates: u64,
}

impl Redo {
    pub(super) fn new(threshold: f64, every_updates: u64, p: &mut Params) -> Self {
        p.remember_births();
        Redo { threshold, every_updates }
    }
}

impl Intervention for Redo {
    fn after_step(&mut self, p: &mut Params, cx: &mut StepCx<'_>) {
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
