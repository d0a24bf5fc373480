//! From derivatives: single gradients, tangent kernel, Hessian.

use networks::diagnostics::{
    curvature::{Hessian, KernelSpectrum, local_redundancy, per_sample_gradients, tangent_kernel},
    gradients::{Readiness, conflict_fraction, mean_cosine, noise_scale},
};
use tch::Tensor;

use super::{
    diagnostic::{Context, Diagnostic, Measure},
    probe::NetworkProbe,
};
use crate::logging::descriptor::{Descriptor, Line::Whole, Tier};

/// Samples of the tangent kernel and of single gradients (arXiv 2402.18762: 64 to 256).
const SAMPLES: i64 = 64;
/// Minibatches of optimisation readiness, at most, and their size. The paper (arXiv 2605.09044) has 128 of 4 and another
/// 10 000 samples for the whole; here they make up the whole, so that reliability is at most 1, and the default probe
/// batch is covered.
const MINIBATCHES: i64 = 256;
const MINIBATCH: i64 = 4;
/// Lanczos steps.
const LANCZOS: i64 = 20;
/// Numbers that one look may hold in f64: 1 GiB.
const MOST: i64 = 1 << 27;

const DESCRIPTORS: &[Descriptor] = &[
    Descriptor::diagnostic(
        "plasticity/NET/_global/ntk_effective_rank",
        Tier::Curvature,
        "rank",
        "Effective rank of the empirical tangent kernel on 64 transitions: of the value of the action taken, summed over critics, or of the summed action means.",
    )
    .source("Lyle et al. 2024, arXiv 2402.18762")
    .charts(&[Whole("Rank of the tangent kernel")]),
    Descriptor::diagnostic(
        "plasticity/NET/_global/ntk_condition",
        Tier::Curvature,
        "ratio",
        "Largest over smallest eigenvalue of it.",
    ),
    Descriptor::diagnostic(
        "plasticity/NET/_global/ntk_top_share",
        Tier::Curvature,
        "fraction",
        "Share of the largest eigenvalue in its trace.",
    ),
    Descriptor::diagnostic(
        "plasticity/NET/_global/local_redundancy",
        Tier::Curvature,
        "squared norm",
        "Mean squared gradient norm of single samples, with labels drawn from what the network itself predicts; the mean over critics. Compare one architecture with itself only.",
    )
    .source("arXiv 2607.13432"),
    Descriptor::diagnostic(
        "plasticity/NET/_global/gradient_cosine",
        Tier::Curvature,
        "cosine",
        "Mean cosine between the loss's gradients of two different samples.",
    )
    .source("Lyle et al. 2023, arXiv 2303.01486"),
    Descriptor::diagnostic(
        "plasticity/NET/_global/gradient_conflict",
        Tier::Curvature,
        "fraction",
        "Fraction of pairs of samples whose gradients point apart.",
    ),
    Descriptor::diagnostic(
        "plasticity/NET/_global/gradient_noise_scale",
        Tier::Curvature,
        "samples",
        "Trace of the gradient's covariance over its squared norm.",
    )
    .source("McCandlish et al. 2018, arXiv 1812.06162"),
    Descriptor::diagnostic(
        "plasticity/NET/_global/gradient_reliability",
        Tier::Curvature,
        "ratio",
        "Squared norm of the probe's gradient over the mean squared norm of those of minibatches of 4.",
    )
    .source("arXiv 2605.09044"),
    Descriptor::diagnostic(
        "plasticity/NET/_global/readiness",
        Tier::Curvature,
        "ratio",
        "Optimisation readiness of critics: what a gradient step can gain, as a part of what the loss can lose. That is all of a squared error, and of a cross-entropy what lies above the entropy of its targets; an actor's loss has no such end.",
    )
    .source("arXiv 2605.09044"),
    Descriptor::diagnostic(
        "plasticity/NET/_global/hessian_top",
        Tier::Curvature,
        "curvature",
        "Largest eigenvalue of the loss's Hessian on 256 transitions, by 20 steps of Lanczos.",
    )
    .charts(&[Whole("Sharpness")]),
    Descriptor::diagnostic(
        "plasticity/NET/_global/hessian_bottom",
        Tier::Curvature,
        "curvature",
        "Smallest eigenvalue of it.",
    ),
];

/// Large networks get fewer samples, so that memory is bounded.
pub(super) struct Curvature;

impl Diagnostic for Curvature {
    fn descriptors(&self) -> &[Descriptor] {
        DESCRIPTORS
    }

    fn of_network(&self, probe: &NetworkProbe<'_>, cx: &mut Context<'_>, out: &mut Vec<Measure>) {
        let params: Vec<&Tensor> = probe.model.params.trainable().map(|p| &p.value).collect();
        let size = probe.model.params.count() as i64;
        let n = probe.input.size()[0];
        let at_most = |wanted: i64| wanted.min(MOST / size.max(1)).max(2);
        let mut add = |measure, value| out.push(Measure::whole(probe.net, measure, value));

        let samples = at_most(SAMPLES).min(n);
        let jacobian = per_sample_gradients(&params, samples, |i| (probe.output)(i));
        if let Some(kernel) = KernelSpectrum::of(&tangent_kernel(&jacobian)) {
            add("ntk_effective_rank", kernel.effective_rank());
            add("ntk_condition", kernel.condition());
            add("ntk_top_share", kernel.top_share());
        }
        drop(jacobian);
        let own = per_sample_gradients(&params, samples, |i| (probe.sampled_label_nll)(i, cx.rng));
        add("local_redundancy", local_redundancy(&own, 1.0));
        drop(own);
        let single = per_sample_gradients(&params, samples, |i| (probe.loss)(i, 1));
        add("gradient_cosine", mean_cosine(&single));
        add("gradient_conflict", conflict_fraction(&single));
        add("gradient_noise_scale", noise_scale(&single));
        drop(single);

        let minibatches = at_most(MINIBATCHES).min(n / MINIBATCH);
        if minibatches > 1 {
            let rows = minibatches * MINIBATCH;
            let loss = (probe.loss)(0, rows);
            let whole = Tensor::run_backward(&[&loss], &params, false, false);
            let parts = per_sample_gradients(&params, minibatches, |i| {
                (probe.loss)(i * MINIBATCH, MINIBATCH)
            });
            // The bound is about what the loss can lose: not all of a cross-entropy, and of an actor's loss nobody knows.
            let floor = probe.floor.as_ref().map_or(f64::INFINITY, |floor| floor(0, rows));
            let excess = loss.double_value(&[]) - floor;
            let readiness = Readiness::of(excess, &whole, &parts);
            if excess > 0.0 {
                add("readiness", readiness.value());
            }
            add("gradient_reliability", readiness.reliability);
        }
        let steps = at_most(LANCZOS) as usize;
        let loss = (probe.loss)(0, n.min(256));
        if let Some(ends) = Hessian::of(&loss, &params).extremes(steps, cx.rng) {
            add("hessian_top", ends.top);
            add("hessian_bottom", ends.bottom);
        }
    }
}
