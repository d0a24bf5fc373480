//! Where weights are: their size, how far they came, how far the target network is behind.

use networks::diagnostics::step::{lag, weight_measures};
use tch::Tensor;

use super::{
    diagnostic::{Context, Diagnostic, Measure},
    probe::NetworkProbe,
};
use crate::logging::descriptor::{
    Descriptor,
    Line::{All, Whole},
    Tier,
};

const DESCRIPTORS: &[Descriptor] = &[
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/weight_norm",
        Tier::Units,
        "2-norm",
        "Frobenius norm of a layer's weight; `_global`: of all of them together.",
    )
    .charts(&[All("Weight norm")]),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/weight_mean_abs",
        Tier::Units,
        "weight",
        "Mean absolute weight.",
    )
    .source("Dohare et al. 2024, Nature 632"),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/distance_from_init",
        Tier::Units,
        "ratio",
        "`||W - W_0|| / ||W_0||`; `_global`: of all weights together.",
    )
    .charts(&[Whole("Distance from the first weights")]),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/cosine_with_init",
        Tier::Units,
        "cosine",
        "Cosine between a weight and its initial value.",
    ),
    Descriptor::diagnostic(
        "plasticity/NET/_global/target_lag",
        Tier::Units,
        "ratio",
        "`||theta - theta'|| / ||theta||` between a network and its target.",
    ),
];

pub(super) struct Weights;

impl Diagnostic for Weights {
    fn descriptors(&self) -> &[Descriptor] {
        DESCRIPTORS
    }

    fn of_network(&self, probe: &NetworkProbe<'_>, cx: &mut Context<'_>, out: &mut Vec<Measure>) {
        let params = &probe.model.params;
        let start = |name: &str| {
            cx.initial.get(&format!("{}/{name}", probe.model.name())).map(Tensor::shallow_clone)
        };
        out.extend(weight_measures(params, start).into_iter().map(|m| Measure::of(probe.net, &m)));
        if let Some(target) = probe.target {
            out.push(Measure::whole(probe.net, "target_lag", lag(params, target)));
        }
    }
}
