//! Diagnostics of a running agent: when, on what, and under which names.
//!
//! A probe batch is drawn from replay by a stream of its own, numbered by the update, so that looking
//! changes nothing and a resumed run looks at the same.

use networks::diagnostics::{Spectrum, unit_measures};
use serde::{Deserialize, Serialize};
use tch::Kind;

use crate::agent::Probe;

/// `[diagnostics]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiagnosticsConfig {
    /// Gradient updates between two looks at units and weights; 0 never looks.
    pub every_updates: u64,
    /// Gradient updates between two looks at ranks, which take singular values; 0 never does.
    pub rank_every_updates: u64,
    /// Transitions looked at.
    pub probe_size: usize,
}

impl Default for DiagnosticsConfig {
    fn default() -> Self {
        DiagnosticsConfig { every_updates: 1_000, rank_every_updates: 10_000, probe_size: 1_024 }
    }
}

impl DiagnosticsConfig {
    /// Whether `(units, ranks)` are due after this many updates.
    pub fn due(&self, updates: u64) -> (bool, bool) {
        let due = |every: u64| every > 0 && updates.is_multiple_of(every);
        (due(self.every_updates), due(self.rank_every_updates))
    }
}

/// One number about one layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measure {
    /// `actor`, `critic`, `q`.
    pub net: String,
    /// `q0/hidden_1`.
    pub layer: String,
    /// `dormant_0.025`.
    pub measure: &'static str,
    /// Its value.
    pub value: f64,
}

impl Measure {
    /// `plasticity/<net>/<layer>/<measure>`
    pub fn tag(&self) -> String {
        format!("plasticity/{}/{}/{}", self.net, self.layer, self.measure)
    }
}

/// What there is to say about the probed networks, layer by layer: `units` and weights, and `ranks` of
/// activations.
pub fn measures(probes: &[Probe<'_>], units: bool, ranks: bool) -> Vec<Measure> {
    let mut out = Vec::new();
    for probe in probes {
        let mut add = |layer: &str, measure, value| {
            let (net, layer) = (probe.net.to_owned(), layer.to_owned());
            out.push(Measure { net, layer, measure, value });
        };
        for entry in probe.trace.entries() {
            if units {
                for (measure, value) in unit_measures(&entry.values, entry.activity) {
                    add(&entry.layer, measure, value);
                }
            }
            if let Some(spectrum) = ranks.then(|| Spectrum::of(&entry.values)).flatten() {
                add(&entry.layer, "effective_rank", spectrum.effective_rank());
                add(&entry.layer, "srank", spectrum.srank(0.01) as f64);
                add(&entry.layer, "stable_rank", spectrum.stable_rank());
            }
        }
        for (_, p) in probe.params.iter().filter(|(_, p)| units && p.role.is_weight()) {
            let norm = p.value.detach().to_kind(Kind::Double).norm().double_value(&[]);
            add(p.name.trim_end_matches("/weight"), "weight_norm", norm);
        }
    }
    out
}
