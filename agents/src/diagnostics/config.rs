//! `[diagnostics]`: which tiers are due after which update.

use serde::{Deserialize, Serialize};

use crate::logging::descriptor::Tier;

/// `[diagnostics]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiagnosticsConfig {
    /// Gradient updates between two looks at units, weights, the step and its churn; 0 never looks.
    pub every_updates: u64,
    /// Gradient updates between two looks at ranks, which take singular values; 0 never does.
    pub rank_every_updates: u64,
    /// Gradient updates between two looks at curvature, which take many backward passes; 0 never does.
    pub curvature_every_updates: u64,
    /// Gradient updates between two plasticity probes, which train copies; 0 never does.
    pub refit_every_updates: u64,
    /// Gradient steps of a plasticity probe.
    pub refit_steps: usize,
    /// Transitions looked at.
    pub probe_size: usize,
}

impl Default for DiagnosticsConfig {
    fn default() -> Self {
        DiagnosticsConfig {
            every_updates: 1_000,
            rank_every_updates: 10_000,
            curvature_every_updates: 100_000,
            refit_every_updates: 0,
            refit_steps: 1_000,
            probe_size: 1_024,
        }
    }
}

/// The tiers that are due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four independent cadences")]
pub struct DueTiers {
    /// Units, weights, the step and its churn.
    pub units: bool,
    /// Singular values of activations and weights.
    pub ranks: bool,
    /// Tangent kernel, Hessian, single gradients.
    pub curvature: bool,
    /// Copies trained on random targets.
    pub refit: bool,
}

impl DueTiers {
    /// Everything.
    pub const ALL: DueTiers = DueTiers { units: true, ranks: true, curvature: true, refit: true };

    /// Whether this tier is.
    pub fn has(self, tier: Tier) -> bool {
        match tier {
            Tier::Units => self.units,
            Tier::Ranks => self.ranks,
            Tier::Curvature => self.curvature,
            Tier::Refit => self.refit,
        }
    }

    /// Whether any is.
    pub fn any(self) -> bool {
        self.units || self.ranks || self.curvature || self.refit
    }
}

impl DiagnosticsConfig {
    /// What is due after this many updates.
    pub fn due(&self, updates: u64) -> DueTiers {
        let due = |every: u64| every > 0 && updates.is_multiple_of(every);
        DueTiers {
            units: due(self.every_updates),
            ranks: due(self.rank_every_updates),
            curvature: due(self.curvature_every_updates),
            refit: due(self.refit_every_updates),
        }
    }
}
