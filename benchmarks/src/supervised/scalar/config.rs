//! [`ScalarConfig`]: the settings of a [`Scalar`](super::Scalar).

use networks::interventions::{Cbp, InterventionSettings as _};
use serde::{Deserialize, Serialize};

use crate::supervised::activation::Activation;

/// How a learner's weights follow their gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateRule {
    /// `theta <- theta - lr g`
    Sgd,
    /// Kingma & Ba 2015; weight decay is L2 in the gradient.
    Adam,
    /// Loshchilov & Hutter 2019; weight decay is decoupled.
    Adamw,
}

/// `[learner]` of a bit-flipping run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScalarConfig {
    /// Units of the hidden layer; 0 makes the learner linear.
    pub hidden: usize,
    /// Their nonlinearity.
    pub activation: Activation,
    /// Update rule.
    pub kind: UpdateRule,
    /// Step size.
    pub lr: f64,
    /// Decay of the first moment (Adam).
    pub beta1: f64,
    /// Decay of the second moment (Adam).
    pub beta2: f64,
    /// Added to the root of the second moment (Adam).
    pub eps: f64,
    /// L2 in the gradient of all weights and biases; decoupled of `adamw`.
    pub weight_decay: f64,
    /// Standard deviation of the noise added to all weights and biases at every step: with
    /// `weight_decay`, shrink and perturb.
    pub noise_std: f64,
    /// Continual backprop, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cbp: Option<Cbp>,
}

/// The paper's backpropagation with its largest step size, which loses most; Adam's numbers are
/// PyTorch's.
impl Default for ScalarConfig {
    fn default() -> Self {
        ScalarConfig {
            hidden: 5,
            activation: Activation::Relu,
            kind: UpdateRule::Sgd,
            lr: 0.01,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
            noise_std: 0.0,
            cbp: None,
        }
    }
}

impl ScalarConfig {
    /// # Errors
    /// One sentence about the first value that cannot work.
    pub fn validate(&self) -> Result<(), String> {
        let decay = |beta| (0.0..1.0).contains(&beta);
        for (key, value, ok, range) in [
            ("hidden", self.hidden as f64, self.hidden <= 4_096, "at most 4096"),
            ("lr", self.lr, self.lr > 0.0, "greater than 0"),
            ("beta1", self.beta1, decay(self.beta1), "in [0, 1)"),
            ("beta2", self.beta2, decay(self.beta2), "in [0, 1)"),
            ("eps", self.eps, self.eps > 0.0, "greater than 0"),
            ("weight_decay", self.weight_decay, self.weight_decay >= 0.0, "at least 0"),
            ("noise_std", self.noise_std, self.noise_std >= 0.0, "at least 0"),
        ] {
            if !ok || !value.is_finite() {
                return Err(format!("{key} is {value}; it must be {range}"));
            }
        }
        match &self.cbp {
            Some(_) if self.hidden == 0 => {
                Err("cbp cannot work here: a linear learner has no units to replace; give hidden"
                    .into())
            }
            Some(cbp) => cbp.validate().map_err(|e| format!("cbp.{e}")),
            None => Ok(()),
        }
    }

    /// Bounds of the uniform distributions of the first weights, hidden and output: `gain sqrt(3 / fan_in)`,
    /// with PyTorch's gains (and `relu`'s for `silu`).
    pub(super) fn bounds(&self, inputs: usize) -> (f64, f64) {
        let gain2 = match self.activation {
            Activation::Relu | Activation::Silu => 2.0,
            Activation::Tanh => 25.0 / 9.0,
        };
        let features = if self.hidden > 0 { self.hidden } else { inputs };
        ((gain2 * 3.0 / inputs as f64).sqrt(), (3.0 / features as f64).sqrt())
    }
}
