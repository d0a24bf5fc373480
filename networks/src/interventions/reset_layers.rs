//! Periodic resets (Nikishin et al. 2022, arXiv 2205.07802, section 4): whole layers are drawn again
//! from their laws while the data stay. Their optimiser state starts again with them, and target
//! networks get the same new values.

use serde::{Deserialize, Serialize};

use super::{Intervention, StepCx};
use crate::params::{ParamId, Params, Role};

/// Which layers are drawn again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layers {
    /// The output heads.
    Heads,
    /// Everything.
    All,
}

pub(super) struct ResetLayers {
    pub(super) layers: Layers,
    pub(super) every_updates: u64,
    pub(super) on_task_change: bool,
}

impl Intervention for ResetLayers {
    fn after_step(&mut self, p: &mut Params, cx: &mut StepCx<'_>) {
        if !cx.is_due(self.every_updates, self.on_task_change) {
            return;
        }
        let chosen: Vec<ParamId> = p
            .iter()
            .filter(|(_, q)| q.role != Role::State && (q.head || self.layers == Layers::All))
            .map(|(id, _)| id)
            .collect();
        for id in chosen {
            p.replace(id, cx.step, cx.rng);
        }
        cx.count += 1;
    }
}
