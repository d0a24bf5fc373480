//! Which hidden units take part.

use networks::{diagnostics::unit_measures, trace::Activity};

use super::{
    diagnostic::{Context, Diagnostic, Measure},
    probe::NetworkProbe,
};
use crate::logging::descriptor::{
    Descriptor,
    Line::{All, Whole},
    Tier,
};

const NETWORKS: &str = "Dormant and dead units, whole networks";
const LAYERS: &str = "Dormant and dead units by layer";

const DESCRIPTORS: &[Descriptor] = &[
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/feature_norm",
        Tier::Units,
        "2-norm",
        "Mean 2-norm of a layer's activations.",
    ),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/feature_variance",
        Tier::Units,
        "variance",
        "Variance of an activation over the batch, mean over units.",
    ),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/feature_cosine",
        Tier::Units,
        "cosine",
        "Mean cosine between the activations of two different inputs: 1 if all inputs look alike.",
    )
    .source("after Lyle et al. 2023, arXiv 2303.01486"),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/usage",
        Tier::Units,
        "fraction",
        "How evenly units are used: exp of the entropy of their mean absolute activations, over their number.",
    ),
    Descriptor::diagnostic(
        "plasticity/NET/_global/dormant",
        Tier::Units,
        "fraction",
        "`dormant_0.025` over all ReLU units of the network.",
    )
    .source("Sokar et al. 2023, arXiv 2302.12902")
    .charts(&[Whole(NETWORKS)]),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/dead",
        Tier::Units,
        "fraction",
        "ReLU: fraction of units that are 0 on the whole batch; `_global`: over all such layers. Of convolutions a unit is a channel, and every position an input.",
    )
    .source("Lu et al. 2020, arXiv 1903.06733")
    .charts(&[Whole(NETWORKS), All(LAYERS)]),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/dormant_0.025",
        Tier::Units,
        "fraction",
        "ReLU: fraction of units whose mean absolute activation is at most 0.025 of the layer's average.",
    )
    .source("Sokar et al. 2023, arXiv 2302.12902")
    .charts(&[All(LAYERS)]),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/dormant_0.1",
        Tier::Units,
        "fraction",
        "The same at 0.1.",
    )
    .source("Sokar et al. 2023, arXiv 2302.12902"),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/rarely_active",
        Tier::Units,
        "fraction",
        "ReLU: fraction of units above 0 on at most 1 % of the batch.",
    )
    .source("Dohare et al. 2024, Nature 632"),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/linearised",
        Tier::Units,
        "fraction",
        "ReLU: fraction of units above 0 on the whole batch.",
    )
    .source("Lyle et al. 2024, arXiv 2402.18762"),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/zeros",
        Tier::Units,
        "fraction",
        "ReLU: fraction of activations that are 0.",
    ),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/saturated",
        Tier::Units,
        "fraction",
        "Tanh: fraction of activations beyond 0.99 in size.",
    ),
];

/// Of units by layer; dormant and dead ones over all ReLU units of the network, too.
pub(super) struct Units;

impl Diagnostic for Units {
    fn descriptors(&self) -> &[Descriptor] {
        DESCRIPTORS
    }

    fn of_network(&self, probe: &NetworkProbe<'_>, _cx: &mut Context<'_>, out: &mut Vec<Measure>) {
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
            out.push(Measure::whole(probe.net, "dormant", dormant / count));
            out.push(Measure::whole(probe.net, "dead", dead / count));
        }
    }
}
