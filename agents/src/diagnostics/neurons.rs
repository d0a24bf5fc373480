//! What interventions know of hidden units: replacements, utilities, ages.

use super::{
    diagnostic::{Context, Diagnostic, Measure},
    probe::NetworkProbe,
};
use crate::logging::{
    descriptor::{Descriptor, Line::Whole, Tier},
    record::{Record, plasticity_tag},
};

const DESCRIPTORS: &[Descriptor] = &[
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/replaced",
        Tier::Units,
        "units",
        "`cbp`, `redo`: units replaced so far; `_global`: in all layers.",
    )
    .charts(&[Whole("Units replaced")]),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/mature",
        Tier::Units,
        "fraction",
        "`cbp`: fraction of units old enough to be replaced.",
    )
    .source("Dohare et al. 2024, Nature 632"),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/utility",
        Tier::Units,
        "utility",
        "`cbp`: the utility of each unit.",
    )
    .source("Dohare et al. 2024, Nature 632")
    .histogram(),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/age",
        Tier::Units,
        "updates",
        "`cbp`, `redo`: updates since each unit was replaced or the run began.",
    )
    .histogram(),
];

pub(super) struct Neurons;

impl Diagnostic for Neurons {
    fn descriptors(&self) -> &[Descriptor] {
        DESCRIPTORS
    }

    fn of_network(&self, probe: &NetworkProbe<'_>, _cx: &mut Context<'_>, out: &mut Vec<Measure>) {
        let params = &probe.model.params;
        let replaced: Vec<u64> =
            (0..params.neurons().len()).filter_map(|g| params.replaced(g)).collect();
        for (units, &n) in params.neurons().iter().zip(&replaced) {
            out.push(Measure::new(probe.net, &units.layer, "replaced", n as f64));
        }
        if !replaced.is_empty() {
            let sum = replaced.iter().sum::<u64>() as f64;
            out.push(Measure::whole(probe.net, "replaced", sum));
        }
        for stats in probe.model.neuron_stats() {
            if let [value] = stats.values.as_slice() {
                out.push(Measure::new(probe.net, &stats.layer, stats.measure, *value));
            }
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
