//! Shrink and perturb (Ash & Adams 2020, arXiv 1910.08475, section 4):
//! `theta <- shrink * theta + perturb * theta'` with `theta'` a fresh draw from the initialiser.
//!
//! Differs from the paper, which perturbs with Gaussian noise of one scale: the fresh draw keeps
//! each layer's own scale (as in D'Oro et al. 2023). Gains and offsets of normalisation layers,
//! scalers, and scalars outside layers, are left alone.

use tch::no_grad_guard;

use super::{Intervention, StepCx};
use crate::params::{ParamId, Params, Role};

pub(super) struct ShrinkPerturb {
    pub(super) shrink: f64,
    pub(super) perturb: f64,
    pub(super) every_updates: u64,
    pub(super) on_task_change: bool,
}

impl Intervention for ShrinkPerturb {
    fn after_step(&mut self, p: &mut Params, cx: &mut StepCx<'_>) {
        if !cx.is_due(self.every_updates, self.on_task_change) {
            return;
        }
        cx.count += 1;
        let _guard = no_grad_guard();
        let chosen: Vec<ParamId> = p
            .iter()
            .filter(|(_, q)| q.role.is_weight() || q.role == Role::Bias)
            .map(|(id, _)| id)
            .collect();
        for id in chosen {
            let fresh = p.init(id).sample(&p.get(id).size(), cx.rng);
            let value = p.get_mut(id);
            let fresh = fresh.to_device(value.device());
            let _ = value.g_mul_scalar_(self.shrink).g_add_(&(fresh * self.perturb));
        }
    }
}
