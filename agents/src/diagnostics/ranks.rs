//! How many directions activations and weights have; from singular values.

use networks::diagnostics::{
    Spectrum, step::layer_of, units::per_unit, weights::orthogonality_gap,
};

use super::{
    diagnostic::{Context, Diagnostic, Measure},
    probe::NetworkProbe,
};
use crate::logging::descriptor::{Descriptor, Line::All, Tier};

const DESCRIPTORS: &[Descriptor] = &[
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/effective_rank",
        Tier::Ranks,
        "rank",
        "exp of the entropy of the activations' singular values over their sum; `_global`: mean over layers.",
    )
    .source("Roy & Vetterli 2007")
    .charts(&[All("Effective rank")]),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/srank",
        Tier::Ranks,
        "rank",
        "How many singular values of the activations make up 99 % of their sum.",
    )
    .source("Kumar et al. 2021, arXiv 2010.14498"),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/stable_rank",
        Tier::Ranks,
        "rank",
        "Squared Frobenius norm of the activations over their squared largest singular value.",
    )
    .source("Rudelson & Vershynin 2007"),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/feature_rank",
        Tier::Ranks,
        "rank",
        "How many singular values of the activations, over the root of the number of inputs, are above 0.01.",
    )
    .source("Lyle et al. 2022, arXiv 2204.09560"),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/participation_ratio",
        Tier::Ranks,
        "rank",
        "Squared sum of the activations' squared singular values over the sum of their fourth powers: how many directions share the variance.",
    )
    .source("Gao et al. 2017, bioRxiv 214262"),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/weight_spectral_norm",
        Tier::Ranks,
        "norm",
        "Largest singular value of a weight.",
    ),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/weight_stable_rank",
        Tier::Ranks,
        "rank",
        "`stable_rank` of a weight.",
    ),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/weight_condition",
        Tier::Ranks,
        "ratio",
        "Largest over smallest singular value of a weight.",
    ),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/weight_orthogonality_gap",
        Tier::Ranks,
        "norm",
        "`||W W^T - I|| / sqrt n` of a weight with `n` rows: 0 for orthonormal rows, which Parseval regularisation pulls at.",
    )
    .source("Chung et al. 2024, arXiv 2412.07224"),
];

/// Of activations by layer, their mean over layers, and of weights; of a convolution, each position is
/// a row, and each channel's weights are.
pub(super) struct Ranks;

impl Diagnostic for Ranks {
    fn descriptors(&self) -> &[Descriptor] {
        DESCRIPTORS
    }

    fn of_network(&self, probe: &NetworkProbe<'_>, _cx: &mut Context<'_>, out: &mut Vec<Measure>) {
        let (mut sum, mut count) = (0.0, 0.0);
        for entry in probe.trace.entries() {
            let Some(spectrum) = Spectrum::of(&per_unit(&entry.values)) else { continue };
            let effective = spectrum.effective_rank();
            (sum, count) = (sum + effective, count + 1.0);
            for (measure, value) in [
                ("effective_rank", effective),
                ("srank", spectrum.srank(0.01) as f64),
                ("stable_rank", spectrum.stable_rank()),
                ("feature_rank", spectrum.feature_rank(0.01) as f64),
                ("participation_ratio", spectrum.participation_ratio()),
            ] {
                out.push(Measure::new(probe.net, &entry.layer, measure, value));
            }
        }
        if count > 0.0 {
            out.push(Measure::whole(probe.net, "effective_rank", sum / count));
        }
        let params = probe.model.params.iter().map(|(_, p)| p);
        for p in params.filter(|p| p.role.is_weight()) {
            let Some(spectrum) = Spectrum::of(&p.value.flatten(1, -1)) else { continue };
            for (measure, value) in [
                ("weight_spectral_norm", spectrum.spectral_norm()),
                ("weight_stable_rank", spectrum.stable_rank()),
                ("weight_condition", spectrum.condition()),
                ("weight_orthogonality_gap", orthogonality_gap(&p.value)),
            ] {
                out.push(Measure::new(probe.net, layer_of(&p.name), measure, value));
            }
        }
    }
}
