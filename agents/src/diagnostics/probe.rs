//! What an agent shows of itself on a batch: its networks with their losses, and what it makes of
//! the batch as a whole.

use networks::{model::Model, params::Params, random::Rng, trace::Trace};
use tch::Tensor;

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

/// Mean of what was predicted minus what came, and the same over the size of the mean of what came
/// (Chen et al. 2021, arXiv 2101.05982, normalised bias).
pub fn overestimation(predicted: &[f64], came: &[f64]) -> (f64, f64) {
    let n = predicted.len() as f64;
    let bias = predicted.iter().zip(came).map(|(p, c)| p - c).sum::<f64>() / n;
    let mean = came.iter().sum::<f64>() / n;
    (bias, bias / mean.abs())
}
