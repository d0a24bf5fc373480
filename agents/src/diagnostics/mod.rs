//! Diagnostics of a running agent: when, on what, and under which names.
//!
//! A probe batch is drawn from replay by a stream of its own, numbered by the update, so that looking
//! changes nothing and a resumed run looks at the same. What is measured is in
//! [`networks::diagnostics`] for networks and in [`probe`] for agents.

pub mod deep;
pub mod probe;

use networks::{
    diagnostics::{
        Spectrum,
        step::{Measured, WHOLE, lag, layer_of, weight_measures},
        unit_measures,
        units::per_unit,
    },
    params::StateDict,
    random::Rng,
    trace::Activity,
};
use serde::{Deserialize, Serialize};

use crate::logging::record::{Record, plasticity_tag};
use probe::NetworkProbe;

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

/// What is looked at.
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

    /// Whether at anything.
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

/// One number about one layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measure {
    /// `actor`, `critic`, `q`.
    pub net: String,
    /// `q0/hidden_1`; `_global` for the whole network.
    pub layer: String,
    /// `dormant_0.025`.
    pub measure: &'static str,
    /// Its value.
    pub value: f64,
}

impl Measure {
    /// About one layer of `net`.
    pub fn new(net: &str, layer: &str, measure: &'static str, value: f64) -> Self {
        Measure { net: net.to_owned(), layer: layer.to_owned(), measure, value }
    }

    fn of(net: &str, found: &Measured) -> Self {
        Measure::new(net, &found.layer, found.measure, found.value)
    }

    /// `plasticity/<net>/<layer>/<measure>`
    pub fn tag(&self) -> String {
        plasticity_tag(&self.net, &self.layer, self.measure)
    }
}

/// What there is to say about the probed networks. `initial` holds the weights of the start as
/// `NET/PARAMETER`; without it nothing is compared with them.
pub fn measures(
    probes: &[NetworkProbe<'_>],
    look: DueTiers,
    initial: &StateDict,
    refit_steps: usize,
    rng: &mut Rng,
) -> Vec<Measure> {
    let mut out = Vec::new();
    for probe in probes {
        if look.units {
            units(probe, &mut out);
            weights(probe, initial, &mut out);
        }
        if look.ranks {
            ranks(probe, &mut out);
        }
        if look.curvature {
            deep::curvature(probe, rng, &mut out);
        }
        if look.refit {
            deep::refit(probe, initial, refit_steps, rng, &mut out);
        }
    }
    out
}

/// Of units by layer; dormant and dead ones over all ReLU units of the network, too.
fn units(probe: &NetworkProbe<'_>, out: &mut Vec<Measure>) {
    let (mut dormant, mut dead, mut count) = (0.0, 0.0, 0.0);
    for entry in probe.trace.entries() {
        let n = entry.values.size().get(1).copied().unwrap_or(0) as f64;
        for (measure, value) in unit_measures(&entry.values, entry.activity) {
            match measure {
                "dormant_0.025" => dormant += n * value,
                "dead" => dead += n * value,
                _ => {}
            }
            out.push(Measure::new(probe.net, &entry.layer, measure, value));
        }
        if entry.activity == Activity::Relu {
            count += n;
        }
    }
    if count > 0.0 {
        out.push(Measure::new(probe.net, WHOLE, "dormant", dormant / count));
        out.push(Measure::new(probe.net, WHOLE, "dead", dead / count));
    }
}

fn weights(probe: &NetworkProbe<'_>, initial: &StateDict, out: &mut Vec<Measure>) {
    let params = &probe.model.params;
    let start = |name: &str| {
        initial.get(&format!("{}/{name}", probe.model.name())).map(tch::Tensor::shallow_clone)
    };
    out.extend(weight_measures(params, start).into_iter().map(|m| Measure::of(probe.net, &m)));
    if let Some(target) = probe.target {
        out.push(Measure::new(probe.net, WHOLE, "target_lag", lag(params, target)));
    }
    let replaced: Vec<u64> =
        (0..params.neurons().len()).filter_map(|g| params.replaced(g)).collect();
    for (units, &n) in params.neurons().iter().zip(&replaced) {
        out.push(Measure::new(probe.net, &units.layer, "replaced", n as f64));
    }
    if !replaced.is_empty() {
        let sum = replaced.iter().sum::<u64>() as f64;
        out.push(Measure::new(probe.net, WHOLE, "replaced", sum));
    }
    for stats in probe.model.neuron_stats() {
        if let [value] = stats.values.as_slice() {
            out.push(Measure::new(probe.net, &stats.layer, stats.measure, *value));
        }
    }
}

/// Of activations by layer, their mean over layers, and of weights; of a convolution, each position is
/// a row, and each channel's weights are.
fn ranks(probe: &NetworkProbe<'_>, out: &mut Vec<Measure>) {
    let (mut sum, mut count) = (0.0, 0.0);
    for entry in probe.trace.entries() {
        let Some(spectrum) = Spectrum::of(&per_unit(&entry.values)) else { continue };
        let effective = spectrum.effective_rank();
        (sum, count) = (sum + effective, count + 1.0);
        for (measure, value) in [
            ("effective_rank", effective),
            ("srank", spectrum.srank(0.01) as f64),
            ("stable_rank", spectrum.stable_rank()),
        ] {
            out.push(Measure::new(probe.net, &entry.layer, measure, value));
        }
    }
    if count > 0.0 {
        out.push(Measure::new(probe.net, WHOLE, "effective_rank", sum / count));
    }
    let params = probe.model.params.iter().map(|(_, p)| p);
    for p in params.filter(|p| p.role.is_weight()) {
        let Some(spectrum) = Spectrum::of(&p.value.flatten(1, -1)) else { continue };
        for (measure, value) in [
            ("weight_spectral_norm", spectrum.spectral_norm()),
            ("weight_stable_rank", spectrum.stable_rank()),
            ("weight_condition", spectrum.condition()),
        ] {
            out.push(Measure::new(probe.net, layer_of(&p.name), measure, value));
        }
    }
}

/// Distributions over the units of each layer: utilities, where an intervention keeps them, and ages.
pub fn histograms(probes: &[NetworkProbe<'_>]) -> Vec<Record> {
    let mut out = Vec::new();
    for probe in probes {
        let mut add = |layer: &str, measure: &str, values: &[f64]| {
            let values = values.iter().map(|&v| v as f32).collect();
            out.push(Record::Histogram { tag: plasticity_tag(probe.net, layer, measure), values });
        };
        for stats in probe.model.neuron_stats().iter().filter(|s| s.values.len() > 1) {
            add(&stats.layer, stats.measure, &stats.values);
        }
        let params = &probe.model.params;
        for (group, units) in params.neurons().iter().enumerate() {
            if let Some(ages) = params.ages(group, probe.model.steps()) {
                add(&units.layer, "age", &ages);
            }
        }
    }
    out
}
