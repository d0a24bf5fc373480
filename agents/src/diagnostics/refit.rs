//! The trainability probe: how well copies of a network still fit random targets.

use networks::{
    diagnostics::probe::{ProbeConfig, fit_random_targets, random_targets},
    optim::{OptimConfig, Schedule},
    params::copy_from,
};
use tch::no_grad_guard;

use super::{
    diagnostic::{Context, Diagnostic, Measure},
    probe::NetworkProbe,
};
use crate::logging::descriptor::{Descriptor, Line::Whole, Tier};

const DESCRIPTORS: &[Descriptor] = &[
    Descriptor::diagnostic(
        "plasticity/NET/_global/refit_loss",
        Tier::Refit,
        "squared error",
        "Mean squared error of a copy of the network after `refit_steps` steps towards random targets.",
    )
    .source("after Lyle et al. 2022, arXiv 2204.09560"),
    Descriptor::diagnostic(
        "plasticity/NET/_global/refit_loss_fresh",
        Tier::Refit,
        "squared error",
        "The same of the network as it was at the start.",
    ),
    Descriptor::diagnostic(
        "plasticity/NET/_global/refit_loss_ratio",
        Tier::Refit,
        "ratio",
        "The first over the second: above 1, plasticity was lost.",
    )
    .charts(&[Whole("Refitting random targets, loss beside a fresh network's")]),
    Descriptor::diagnostic(
        "plasticity/NET/_global/refit_auc_ratio",
        Tier::Refit,
        "ratio",
        "The area under the loss of these steps over that of the fresh copy: above 1, the network learns later.",
    )
    .source("after Lyle et al. 2023, arXiv 2303.01486"),
];

/// Copies of the network as it is and as it was at the start learn the same random targets for the batch, with fresh
/// optimisers of the network's own settings.
pub(super) struct Refit;

impl Diagnostic for Refit {
    fn descriptors(&self) -> &[Descriptor] {
        DESCRIPTORS
    }

    fn of_network(&self, probe: &NetworkProbe<'_>, cx: &mut Context<'_>, out: &mut Vec<Measure>) {
        let model = probe.model;
        let mut fresh = model.params.detached_copy();
        {
            let _guard = no_grad_guard();
            let ids: Vec<_> = fresh.iter().map(|(id, p)| (id, p.name.clone())).collect();
            for (id, name) in ids {
                let key = format!("{}/{name}", model.name());
                // Method state has no part in it.
                if cx.initial.contains_key(&key)
                    && copy_from(fresh.get_mut(id), &key, cx.initial).is_err()
                {
                    return;
                }
            }
        }
        if cx.initial.is_empty() {
            return;
        }
        let inputs = &probe.input;
        let width: i64 = {
            let _guard = no_grad_guard();
            model.forward(&inputs.narrow(0, 0, 1)).iter().map(|y| y.size()[1]).sum()
        };
        let targets =
            random_targets(inputs.size()[0], width, 1.0, cx.rng).to_device(inputs.device());
        let optim = OptimConfig { schedule: Schedule::Constant {}, ..model.optim().clone() };
        let config = ProbeConfig { steps: cx.refit_steps, batch: 64, optim };
        let fit = |params| {
            // Both see the same minibatches.
            let mut rng = cx.rng.clone();
            fit_random_targets(model.network(), params, inputs, &targets, &config, &mut rng)
        };
        let (now, start) = (fit(model.params.detached_copy()), fit(fresh));
        let mut add = |measure, value| out.push(Measure::whole(probe.net, measure, value));
        add("refit_loss", now.last);
        add("refit_loss_fresh", start.last);
        add("refit_loss_ratio", now.against(&start));
        add("refit_auc_ratio", now.auc / start.auc);
    }
}
