//! Shrink and perturb (Ash & Adams 2020, arXiv 1910.08475, section 4):
//! `theta <- shrink * theta + perturb * theta'` with `theta'` a fresh draw from the initialiser.
//!
//! Differs from the paper, which perturbs with Gaussian noise of one scale: the fresh draw keeps
//! each layer's own scale (as in D'Oro et al. 2023). Gains and offsets of normalisation layers,
//! scalers, and scalars outside layers, are left alone.

use serde::{Deserialize, Serialize};
use tch::no_grad_guard;

use super::{
    Effects, Host, Intervention, InterventionSettings, StepCx,
    settings::{at_least_0, some_time},
};
use crate::{
    params::{ParamId, Params, Role},
    registry::Part,
};

/// `kind = "shrink_perturb"`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShrinkPerturb {
    /// Factor on the old weights, in \[0, 1\].
    pub shrink: f64,
    /// Factor on a fresh draw from each parameter's initialiser.
    pub perturb: f64,
    /// Period in updates; 0: not by period.
    #[serde(default)]
    pub every_updates: u64,
    /// Whether when the task changes.
    #[serde(default)]
    pub on_task_change: bool,
}

impl Part for ShrinkPerturb {
    type Family = dyn InterventionSettings;

    const KIND: &'static str = "shrink_perturb";
    const SUMMARY: &'static str = "`theta <- shrink theta + perturb theta'` with a fresh draw `theta'` of each layer's own distribution";
    const SOURCE: &'static str = "Ash & Adams 2020, arXiv 1910.08475, section 4";
}

impl InterventionSettings for ShrinkPerturb {
    fn validate(&self) -> Result<(), String> {
        if !(0.0..=1.0).contains(&self.shrink) {
            let shrink = self.shrink;
            return Err(format!("shrink is {shrink}; it must be in [0, 1]"));
        }
        at_least_0("perturb", self.perturb)?;
        some_time(self.every_updates, self.on_task_change)
    }

    fn check(&self, host: &Host<'_>) -> Result<(), String> {
        let same = host.params.iter().find(|(_, q)| q.role.is_weight() && !q.init.is_random());
        match same {
            Some((_, weight)) => Err(format!(
                "shrink_perturb cannot work here: `{}` is the same whenever it is drawn, so there is no noise to add; \
                 take an `init` with random weights",
                weight.name
            )),
            None => Ok(()),
        }
    }

    fn effects(&self) -> Effects {
        Effects { disturbs_norms: true, ..Effects::default() }
    }

    fn build(&self, _p: &mut Params) -> Box<dyn Intervention> {
        Box::new(*self)
    }
}

impl Intervention for ShrinkPerturb {
    fn weights(&mut self, p: &mut Params, cx: &mut StepCx<'_>) {
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
