//! What an agent shows of itself on a batch: its networks with their losses, and what it makes of
//! the batch as a whole.

use networks::{model::Model, params::Params, random::Rng, trace::Trace};
use tch::{Kind, Tensor, no_grad_guard};

/// A loss on a range `(first, count)` of the batch.
pub type RangeLoss<'a> = Box<dyn Fn(i64, i64) -> Tensor + 'a>;

/// The least that a loss can be on a range `(first, count)` of the batch, whatever the network predicts.
pub type Floor<'a> = Box<dyn Fn(i64, i64) -> f64 + 'a>;

/// A scalar of one sample.
pub type SampleOutput<'a> = Box<dyn Fn(i64) -> Tensor + 'a>;

/// A loss of one sample under a drawn label.
pub type SampleLoss<'a> = Box<dyn Fn(i64, &mut Rng) -> Tensor + 'a>;

/// One network seen from inside.
pub struct NetworkProbe<'a> {
    /// `actor`, `critic`, `q`.
    pub net: &'static str,
    /// The network.
    pub model: &'a Model,
    /// Its target copy, if it has one.
    pub target: Option<&'a Params>,
    /// What it was shown, `[N, D]`.
    pub input: Tensor,
    /// Activations on that.
    pub trace: Trace,
    /// Its loss, everything but its own weights fixed.
    pub loss: RangeLoss<'a>,
    /// What the loss cannot fall below; none where it has no such number (an actor's).
    pub floor: Option<Floor<'a>>,
    /// One number of its outputs on one sample: what the tangent kernel is the kernel of.
    pub output: SampleOutput<'a>,
    /// Its negative log-likelihood of a label for one sample, drawn from what itself predicts; of several critics so
    /// that squared gradient norms are the mean over them.
    pub sampled_label_nll: SampleLoss<'a>,
}

/// What a policy does in the states of a batch.
#[derive(Debug)]
pub enum Choices {
    /// The best of these values `[B, A]`.
    Greedy(Tensor),
    /// Normal before the squashing: means and logarithms of standard deviations, `[B, A]` each.
    Gaussian {
        /// Means.
        mean: Tensor,
        /// Logarithms of standard deviations.
        log_std: Tensor,
    },
}

/// What an agent makes of a batch.
#[derive(Debug)]
pub struct BatchView {
    /// Name of the network that chooses, and its choices.
    pub policy: (&'static str, Choices),
    /// Name of the network that values, and of each critic its values: all `[B]` or all `[B, A]`.
    pub values: (&'static str, Vec<Tensor>),
    /// The same of the target networks.
    pub target_values: Vec<Tensor>,
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

/// Mean of what was predicted minus what came, and the same over the size of the mean of what came
/// (Chen et al. 2021, arXiv 2101.05982, normalised bias).
pub fn overestimation(predicted: &[f64], came: &[f64]) -> (f64, f64) {
    let n = predicted.len() as f64;
    let bias = predicted.iter().zip(came).map(|(p, c)| p - c).sum::<f64>() / n;
    let mean = came.iter().sum::<f64>() / n;
    (bias, bias / mean.abs())
}

impl BatchView {
    /// Mean over critics of a comparison of their values.
    fn over_critics(&self, others: &[Tensor], f: impl Fn(&Tensor, &Tensor) -> f64) -> f64 {
        let pairs = self.values.1.iter().zip(others);
        pairs.map(|(a, b)| f(a, b)).sum::<f64>() / others.len() as f64
    }

    /// What there is to say of it alone: `(net, measure, value)`.
    pub fn measures(&self) -> Vec<(&'static str, &'static str, f64)> {
        let _guard = no_grad_guard();
        let (net, values) = (self.values.0, &self.values.1);
        let mut out = Vec::new();
        if !self.target_values.is_empty() {
            out.push((net, "target_gap", self.over_critics(&self.target_values, value_churn)));
        }
        if values.len() > 1 {
            out.push((net, "disagreement", disagreement(values)));
        }
        out
    }

    /// What changed since `before`, a view of the same batch.
    pub fn churn(&self, before: &BatchView) -> Vec<(&'static str, &'static str, f64)> {
        let _guard = no_grad_guard();
        let policy = self.policy.0;
        let mut out = match (&before.policy.1, &self.policy.1) {
            (Choices::Greedy(old), Choices::Greedy(new)) => {
                vec![(policy, "policy_churn", greedy_churn(old, new))]
            }
            (
                Choices::Gaussian { mean: m0, log_std: s0 },
                Choices::Gaussian { mean: m1, log_std: s1 },
            ) => vec![
                (policy, "policy_churn", action_churn(m0, m1)),
                (policy, "policy_kl", gaussian_kl((m0, s0), (m1, s1))),
            ],
            _ => Vec::new(),
        };
        let net = self.values.0;
        out.push((net, "value_churn", before.over_critics(&self.values.1, value_churn)));
        out.push((net, "value_drift", before.over_critics(&self.values.1, value_drift)));
        out
    }
}
