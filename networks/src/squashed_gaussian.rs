//! Gaussian squashed by tanh, for bounded continuous outputs
//! (Haarnoja et al. 2018, arXiv 1812.05905, appendix C).

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::random::{self, Rng};

/// How a network's raw output becomes the logarithm of a standard deviation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum LogStd {
    /// Clamped to `[min, max]`: the original code and Stable-Baselines3.
    Clamp {
        /// Lower bound.
        min: f64,
        /// Upper bound.
        max: f64,
    },
    /// `min + (max - min) / 2 * (1 + tanh(raw))`: SimBa and SimbaV2 in [-10, 2], CleanRL in [-5, 2].
    Tanh {
        /// Lower bound.
        min: f64,
        /// Upper bound.
        max: f64,
    },
}

impl Default for LogStd {
    fn default() -> Self {
        LogStd::Clamp { min: -20.0, max: 2.0 }
    }
}

impl LogStd {
    /// Elementwise.
    pub fn apply(self, raw: &Tensor) -> Tensor {
        match self {
            LogStd::Clamp { min, max } => raw.clamp(min, max),
            LogStd::Tanh { min, max } => (raw.tanh() + 1.0) * (0.5 * (max - min)) + min,
        }
    }

    /// # Errors
    /// One sentence when the bounds are not bounds.
    pub fn validate(self) -> Result<(), String> {
        let (LogStd::Clamp { min, max } | LogStd::Tanh { min, max }) = self;
        if min < max && min.is_finite() && max.is_finite() {
            return Ok(());
        }
        Err(format!("min is {min} and max {max}; min must be below max"))
    }
}

/// `tanh(u)` with `u ~ Normal(mean, exp(log_std))`, independent per component.
#[derive(Debug)]
pub struct SquashedGaussian {
    mean: Tensor,
    log_std: Tensor,
}

/// A reparameterised draw.
#[derive(Debug)]
pub struct Sample {
    /// In (-1, 1), `[B, A]`.
    pub action: Tensor,
    /// Log density of `action`, `[B]`.
    pub log_prob: Tensor,
}

impl SquashedGaussian {
    /// `mean` and `log_std` of the Gaussian, both `[B, A]`.
    pub fn new(mean: Tensor, log_std: Tensor) -> Self {
        debug_assert_eq!(mean.size(), log_std.size(), "mean and log_std differ in shape");
        SquashedGaussian { mean, log_std }
    }

    /// A draw with its log density; gradients flow into mean and `log_std`.
    pub fn sample(&self, rng: &mut Rng) -> Sample {
        self.sample_with(&self.noise(rng))
    }

    /// A draw without its density: what acting needs. `[B, A]` in (-1, 1).
    pub fn draw(&self, rng: &mut Rng) -> Tensor {
        (&self.mean + self.log_std.exp() * self.noise(rng)).tanh()
    }

    /// The draw that standard normal `noise` `[B, A]` leads to.
    pub fn sample_with(&self, noise: &Tensor) -> Sample {
        let u = &self.mean + self.log_std.exp() * noise; // [B, A]
        let action = u.tanh();
        // log N(u) with (u - mean) / std = noise. `noise` carries no gradient, which is the
        // reparameterised density's own gradient.
        let normal = noise.square() * -0.5 - &self.log_std;
        // log |d tanh(u) / du| = 2 (ln 2 - u - softplus(-2u)), stable for large |u|; its ln 2 and
        // the density's ln sqrt(2 pi) are the constant.
        let log_slope = (&u + (&u * -2.0).softplus()) * -2.0;
        let constant = constant(self.mean.size()[1] as f64);
        let log_prob = (normal - log_slope).sum_dim_intlist(-1, false, None::<Kind>) + constant; // [B]
        Sample { action, log_prob }
    }

    /// The action at the Gaussian's mean, `[B, A]`.
    pub fn mode(&self) -> Tensor {
        self.mean.tanh()
    }

    /// Standard deviation of the Gaussian, `[B, A]`.
    pub fn std(&self) -> Tensor {
        self.log_std.exp()
    }

    /// What [`SquashedGaussian::sample`] draws: standard normal, `[B, A]`.
    pub fn noise(&self, rng: &mut Rng) -> Tensor {
        random::normal(&self.mean.size(), rng).to_device(self.mean.device())
    }
}

/// What every log-probability in so many dimensions contains, whatever the draw.
pub(crate) fn constant(dims: f64) -> f64 {
    -dims * (0.5 * (2.0 * std::f64::consts::PI).ln() + 2.0 * 2f64.ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The density integrates to one: midpoint rule over u, mapped through a = tanh(u).
    #[test]
    fn density_integrates_to_one() {
        for (mean, log_std) in [(0.0f64, 0.0f64), (0.7, -1.0), (-1.5, 0.5), (0.0, 2.0), (0.3, -9.0)]
        {
            let std = log_std.exp();
            let n = 20_000;
            let (low, high) = (mean - 8.0 * std, mean + 8.0 * std);
            let h = (high - low) / f64::from(n);
            let u: Vec<f64> = (0..n).map(|i| low + (f64::from(i) + 0.5) * h).collect();
            let u = Tensor::from_slice(&u).view([-1, 1]);
            let dist =
                SquashedGaussian::new(Tensor::full_like(&u, mean), Tensor::full_like(&u, log_std));
            let sample = dist.sample_with(&((&u - mean) / std));
            // da = (1 - tanh^2 u) du in f64, by sech^2 so that it does not cancel.
            let slope = u.cosh().square().reciprocal().view([-1]);
            let mass = (sample.log_prob.exp() * slope).sum(Kind::Double).double_value(&[]) * h;
            assert!((mass - 1.0).abs() < 1e-6, "mean {mean} log_std {log_std}: {mass}");
        }
    }

    /// Two components: the log density is the sum of the two.
    #[test]
    fn components_are_independent() {
        let mut rng = random::stream(3, 0);
        let (mean, log_std) =
            (random::normal(&[5, 2], &mut rng), random::normal(&[5, 2], &mut rng));
        let noise = random::normal(&[5, 2], &mut rng);
        let joint = SquashedGaussian::new(mean.shallow_clone(), log_std.shallow_clone())
            .sample_with(&noise);
        let part = |i| {
            let dist = SquashedGaussian::new(mean.narrow(1, i, 1), log_std.narrow(1, i, 1));
            dist.sample_with(&noise.narrow(1, i, 1)).log_prob
        };
        let gap = (joint.log_prob - part(0) - part(1)).abs().max().double_value(&[]);
        assert!(gap < 1e-5, "{gap}");
    }

    /// Bounds are reached, zero maps to the middle (tanh) or to itself (clamp), and order is kept.
    #[test]
    fn raw_outputs_become_log_stds() {
        let raw = Tensor::from_slice(&[-1e9, -1.0, 0.0, 1.0, 1e9]);
        let host = |kind: LogStd| Vec::<f64>::try_from(&kind.apply(&raw)).unwrap();
        assert_eq!(host(LogStd::default()), [-20.0, -1.0, 0.0, 1.0, 2.0]);
        let got = host(LogStd::Tanh { min: -10.0, max: 2.0 });
        let t = 6.0 * 1f64.tanh();
        for (got, want) in got.iter().zip([-10.0, -4.0 - t, -4.0, -4.0 + t, 2.0]) {
            assert!((got - want).abs() < 1e-12, "{got} instead of {want}");
        }
    }
}
