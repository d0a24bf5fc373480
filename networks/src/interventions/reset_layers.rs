//! Periodic resets (Nikishin et al. 2022, arXiv 2205.07802, section 4): whole layers are reset
//! from their distributions while the data stay. Their optimiser state starts again with them, and target
//! networks get the same new values.

use serde::{Deserialize, Serialize};

use super::{Effects, Intervention, InterventionSettings, StepCx, settings::some_time};
use crate::{
    params::{ParamId, Params, Role},
    registry::Part,
};

/// Which layers are reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layers {
    /// The output heads.
    Heads,
    /// Everything.
    All,
}

/// `kind = "reset_layers"`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResetLayers {
    /// Which.
    pub layers: Layers,
    /// Period in updates; 0: not by period.
    #[serde(default)]
    pub every_updates: u64,
    /// Whether when the task changes.
    #[serde(default)]
    pub on_task_change: bool,
}

impl Part for ResetLayers {
    type Family = dyn InterventionSettings;

    const KIND: &'static str = "reset_layers";
    const SUMMARY: &'static str =
        "resets the heads, or everything, to fresh draws from their own distributions";
    const SOURCE: &'static str = "Nikishin et al. 2022, arXiv 2205.07802, section 4";
}

impl InterventionSettings for ResetLayers {
    fn validate(&self) -> Result<(), String> {
        some_time(self.every_updates, self.on_task_change)
    }

    fn effects(&self) -> Effects {
        Effects { disturbs_norms: true, ..Effects::default() }
    }

    fn build(&self, _p: &mut Params) -> Box<dyn Intervention> {
        Box::new(*self)
    }
}

impl Intervention for ResetLayers {
    fn weights(&mut self, p: &mut Params, cx: &mut StepCx<'_>) {
        if !cx.is_due(self.every_updates, self.on_task_change) {
            return;
        }
        // Running statistics are of the old weights. Singular vectors follow the new ones by themselves.
        let starts = |role: Role| role.is_trainable() || role == Role::Buffer { averaged: true };
        let chosen: Vec<ParamId> = p
            .iter()
            .filter(|(_, q)| starts(q.role) && (q.head || self.layers == Layers::All))
            .map(|(id, _)| id)
            .collect();
        for id in chosen {
            p.replace(id, cx.step, cx.rng);
        }
        cx.count += 1;
    }
}
