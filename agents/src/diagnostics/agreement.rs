//! What an agent makes of a batch: critics beside each other and their targets, policies and values before and after
//! one update.

use tch::{Kind, Tensor, no_grad_guard};

use super::{
    diagnostic::{Diagnostic, Measure},
    probe::{BatchView, Choices},
};
use crate::logging::descriptor::{Descriptor, Line::Whole, Tier};

const DESCRIPTORS: &[Descriptor] = &[
    Descriptor::diagnostic(
        "plasticity/NET/_global/policy_churn",
        Tier::Units,
        "fraction or action",
        "DQN: fraction of states in which one update changed the best action. SAC: mean absolute change of the mean action.",
    )
    .source("Schaul et al. 2022, arXiv 2206.00730; Tang & Berseth 2024, arXiv 2409.04792")
    .charts(&[Whole("Churn of policy and values in one update")]),
    Descriptor::diagnostic(
        "plasticity/NET/_global/policy_kl",
        Tier::Units,
        "nats",
        "SAC: KL divergence of the policy before an update from that after it, mean over states.",
    ),
    Descriptor::diagnostic(
        "plasticity/NET/_global/value_churn",
        Tier::Units,
        "return",
        "Mean absolute change of values by one update.",
    )
    .source("Tang & Berseth 2024, arXiv 2409.04792")
    .charts(&[Whole("Churn of policy and values in one update")]),
    Descriptor::diagnostic(
        "plasticity/NET/_global/value_drift",
        Tier::Units,
        "return",
        "Mean change of values by one update.",
    ),
    Descriptor::diagnostic(
        "plasticity/NET/_global/target_gap",
        Tier::Units,
        "return",
        "Mean absolute difference between a critic and its target.",
    ),
    Descriptor::diagnostic(
        "plasticity/NET/_global/disagreement",
        Tier::Units,
        "ratio",
        "SAC: standard deviation between critics over the mean size of their values.",
    )
    .charts(&[Whole("Disagreement of critics")]),
];

pub(super) struct Agreement;

impl Diagnostic for Agreement {
    fn descriptors(&self) -> &[Descriptor] {
        DESCRIPTORS
    }

    fn of_batch(&self, view: &BatchView, out: &mut Vec<Measure>) {
        let _guard = no_grad_guard();
        let (net, values) = (view.values.0, &view.values.1);
        if !view.target_values.is_empty() {
            let gap = over_critics(values, &view.target_values, value_churn);
            out.push(Measure::whole(net, "target_gap", gap));
        }
        if values.len() > 1 {
            out.push(Measure::whole(net, "disagreement", disagreement(values)));
        }
    }

    fn of_update(&self, before: &BatchView, after: &BatchView, out: &mut Vec<Measure>) {
        let _guard = no_grad_guard();
        let mut add = |net, measure, value| out.push(Measure::whole(net, measure, value));
        let policy = after.policy.0;
        match (&before.policy.1, &after.policy.1) {
            (Choices::Greedy(old), Choices::Greedy(new)) => {
                add(policy, "policy_churn", greedy_churn(old, new));
            }
            (
                Choices::Gaussian { mean: m0, log_std: s0 },
                Choices::Gaussian { mean: m1, log_std: s1 },
            ) => {
                add(policy, "policy_churn", action_churn(m0, m1));
                add(policy, "policy_kl", gaussian_kl((m0, s0), (m1, s1)));
            }
            _ => {}
        }
        let (net, old, new) = (after.values.0, &before.values.1, &after.values.1);
        add(net, "value_churn", over_critics(old, new, value_churn));
        add(net, "value_drift", over_critics(old, new, value_drift));
    }
}

/// Mean over critics of a comparison of their values with others.
fn over_critics(critics: &[Tensor], others: &[Tensor], f: fn(&Tensor, &Tensor) -> f64) -> f64 {
    let pairs = critics.iter().zip(others);
    pairs.map(|(a, b)| f(a, b)).sum::<f64>() / others.len() as f64
}

fn mean(t: &Tensor) -> f64 {
    t.mean(Kind::Double).double_value(&[])
}

fn double(t: &Tensor) -> Tensor {
    t.detach().to_kind(Kind::Double)
}

/// Fraction of states whose best action changed (Schaul et al. 2022, arXiv 2206.00730).
pub fn greedy_churn(before: &Tensor, after: &Tensor) -> f64 {
    mean(&before.argmax(-1, false).ne_tensor(&after.argmax(-1, false)).to_kind(Kind::Double))
}

/// Mean absolute difference of squashed action means (Tang & Berseth 2024, arXiv 2409.04792).
pub fn action_churn(before: &Tensor, after: &Tensor) -> f64 {
    mean(&(double(before).tanh() - double(after).tanh()).abs())
}

/// Mean over states of `KL(before || after)` between diagonal Gaussians of these means and
/// logarithms of standard deviations; squashing changes neither.
pub fn gaussian_kl(before: (&Tensor, &Tensor), after: (&Tensor, &Tensor)) -> f64 {
    let [m0, s0, m1, s1] = [before.0, before.1, after.0, after.1].map(double);
    let ratio = ((&s0 - &s1) * 2.0).exp();
    let distance = (m0 - m1).square() / (&s1 * 2.0).exp();
    let kl = (ratio + distance - 1.0) * 0.5 + s1 - s0;
    mean(&kl.sum_dim_intlist(-1, false, Kind::Double))
}

/// Mean absolute difference of values.
pub fn value_churn(before: &Tensor, after: &Tensor) -> f64 {
    mean(&(double(after) - double(before)).abs())
}

/// Mean difference of values: which way they move.
pub fn value_drift(before: &Tensor, after: &Tensor) -> f64 {
    mean(&(double(after) - double(before)))
}

/// Mean standard deviation of several critics' values over their mean size; 0 for one critic.
pub fn disagreement(critics: &[Tensor]) -> f64 {
    let all = Tensor::stack(&critics.iter().map(double).collect::<Vec<_>>(), 0);
    let spread = all.std_dim(Some([0i64].as_slice()), false, false);
    mean(&spread) / mean(&all.abs())
}
