//! The costly looks: single gradients, tangent kernel, Hessian, and copies trained on random targets.

use networks::{
    diagnostics::{
        curvature::{
            Hessian, KernelSpectrum, local_redundancy, per_sample_gradients, tangent_kernel,
        },
        gradients::{Readiness, conflict_fraction, mean_cosine, noise_scale},
        probe::{ProbeConfig, fit_random_targets, random_targets},
        step::WHOLE,
    },
    optim::{OptimConfig, Schedule},
    params::{StateDict, copy_from},
    random::Rng,
};
use tch::{Tensor, no_grad_guard};

use super::{Measure, probe::NetworkProbe};

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

/// From derivatives. Large networks get fewer samples, so that memory is bounded.
pub(super) fn curvature(probe: &NetworkProbe<'_>, rng: &mut Rng, out: &mut Vec<Measure>) {
    let params: Vec<&Tensor> = probe.model.params.trainable().map(|p| &p.value).collect();
    let size = probe.model.params.count() as i64;
    let n = probe.input.size()[0];
    let at_most = |wanted: i64| wanted.min(MOST / size.max(1)).max(2);
    let mut add = |measure, value| out.push(Measure::new(probe.net, WHOLE, measure, value));

    let samples = at_most(SAMPLES).min(n);
    let jacobian = per_sample_gradients(&params, samples, |i| (probe.output)(i));
    if let Some(kernel) = KernelSpectrum::of(&tangent_kernel(&jacobian)) {
        add("ntk_effective_rank", kernel.effective_rank());
        add("ntk_condition", kernel.condition());
        add("ntk_top_share", kernel.top_share());
    }
    drop(jacobian);
    let own = per_sample_gradients(&params, samples, |i| (probe.sampled_label_nll)(i, rng));
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
        let parts =
            per_sample_gradients(&params, minibatches, |i| (probe.loss)(i * MINIBATCH, MINIBATCH));
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
    if let Some(ends) = Hessian::of(&loss, &params).extremes(steps, rng) {
        add("hessian_top", ends.top);
        add("hessian_bottom", ends.bottom);
    }
}

/// The plasticity probe: copies of the network as it is and as it was at the start learn the same
/// random targets for the batch, with fresh optimisers of the network's own settings.
pub(super) fn refit(
    probe: &NetworkProbe<'_>,
    initial: &StateDict,
    steps: usize,
    rng: &mut Rng,
    out: &mut Vec<Measure>,
) {
    let model = probe.model;
    let mut fresh = model.params.detached_copy();
    {
        let _guard = no_grad_guard();
        let ids: Vec<_> = fresh.iter().map(|(id, p)| (id, p.name.clone())).collect();
        for (id, name) in ids {
            let key = format!("{}/{name}", model.name());
            // Method state has no part in it.
            if initial.contains_key(&key) && copy_from(fresh.get_mut(id), &key, initial).is_err() {
                return;
            }
        }
    }
    if initial.is_empty() {
        return;
    }
    let inputs = &probe.input;
    let width: i64 = {
        let _guard = no_grad_guard();
        model.forward(&inputs.narrow(0, 0, 1)).iter().map(|y| y.size()[1]).sum()
    };
    let targets = random_targets(inputs.size()[0], width, 1.0, rng).to_device(inputs.device());
    let optim = OptimConfig { schedule: Schedule::Constant {}, ..model.optim().clone() };
    let config = ProbeConfig { steps, batch: 64, optim };
    let fit = |params| {
        // Both see the same minibatches.
        let mut rng = rng.clone();
        fit_random_targets(model.network(), params, inputs, &targets, &config, &mut rng)
    };
    let (now, start) = (fit(model.params.detached_copy()), fit(fresh));
    let mut add = |measure, value| out.push(Measure::new(probe.net, WHOLE, measure, value));
    add("refit_loss", now.last);
    add("refit_loss_fresh", start.last);
    add("refit_loss_ratio", now.against(&start));
}
