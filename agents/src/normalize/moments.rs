//! Running statistics of what an agent sees, in f64: moments of observations (SimBa's RSNorm,
//! arXiv 2410.09754, section 4.1) and the scale of returns (SimbaV2, arXiv 2502.15280, section 4.4).
//!
//! Replay holds raw numbers; these are applied when a batch is sampled, so old transitions follow
//! the newest statistics. `normalized.rs` puts them around an agent.

use networks::params::{LoadError, StateDict, copy_from};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// Added to a variance before its root is taken (SimbaV2's code).
const EPS: f64 = 1e-8;

/// Mean and variance per dimension, merged batch by batch (Chan et al. 1979).
///
/// The recursion printed in SimbaV2's paper lacks a factor; its authors confirm that their code,
/// and so this, is right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunningMoments {
    /// `[D]`
    pub mean: Vec<f64>,
    /// `[D]`, population variance.
    pub var: Vec<f64>,
    /// Rows seen, and 1e-4 at the start, so that the first batch outweighs the initial moments.
    pub count: f64,
}

impl RunningMoments {
    /// Mean 0, variance 1.
    pub fn new(dim: usize) -> Self {
        RunningMoments { mean: vec![0.0; dim], var: vec![1.0; dim], count: 1e-4 }
    }

    /// Merges `rows`, `[n * D]`; without a row nothing changes.
    pub fn update(&mut self, rows: &[f64]) {
        let dim = self.mean.len();
        let n = rows.len().checked_div(dim).unwrap_or(0) as f64;
        if n == 0.0 {
            return;
        }
        let total = self.count + n;
        for d in 0..dim {
            let column = || rows[d..].iter().step_by(dim);
            let mean = column().sum::<f64>() / n;
            let var = column().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
            let delta = mean - self.mean[d];
            self.mean[d] += delta * n / total;
            let spread = delta * delta * self.count * n / total;
            self.var[d] = (self.var[d] * self.count + var * n + spread) / total;
        }
        self.count = total;
    }

    /// `(x - mean) / sqrt(var + 1e-8)` of rows `[n * D]`, rounded to f32 once, at the end. Not
    /// clipped.
    pub fn apply(&self, rows: &[f32]) -> Vec<f32> {
        let std = self.std();
        rows.chunks_exact(self.mean.len().max(1))
            .flat_map(|row| row.iter().zip(&self.mean).zip(&std))
            .map(|((&x, mean), std)| ((f64::from(x) - mean) / std) as f32)
            .collect()
    }

    /// The same of a tensor `[B, D]`, on its device, left in f64.
    pub fn apply_tensor(&self, x: &Tensor) -> Tensor {
        let row = |v: &[f64]| Tensor::from_slice(v).to_device(x.device());
        (x.to_kind(Kind::Double) - row(&self.mean)) / row(&self.std())
    }

    fn std(&self) -> Vec<f64> {
        self.var.iter().map(|v| (v + EPS).sqrt()).collect()
    }

    /// Whether every moment is finite.
    pub fn is_finite(&self) -> bool {
        self.mean.iter().chain(&self.var).all(|x| x.is_finite())
    }

    /// Adds everything to `out` under `prefix`.
    pub fn save(&self, prefix: &str, out: &mut StateDict) {
        for (name, values) in
            [("mean", &self.mean[..]), ("var", &self.var), ("count", &[self.count])]
        {
            out.insert(format!("{prefix}/{name}"), Tensor::from_slice(values));
        }
    }

    /// Reverse of [`RunningMoments::save`].
    ///
    /// # Errors
    /// When an array is missing or has another length.
    pub fn load(&mut self, prefix: &str, from: &StateDict) -> Result<(), LoadError> {
        read(&mut self.mean, &format!("{prefix}/mean"), from)?;
        read(&mut self.var, &format!("{prefix}/var"), from)?;
        read(std::slice::from_mut(&mut self.count), &format!("{prefix}/count"), from)
    }
}

/// Which discounted return bounds the scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Maximum {
    /// The largest `|G|`: SimbaV2's code.
    Absolute,
    /// The largest `G`: the paper's text.
    Signed,
}

/// Where the discounted return starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// SimbaV2's code: on an episode's last step the past is dropped, so that `G` is that step's
    /// reward, which then leaks, discounted, into the next episode.
    OnLastStep,
    /// The paper's text: `G` is 0 when an episode begins.
    OnFirstStep,
}

/// When a round's rewards enter the scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Before the round's updates, so that no update divides a reward by a scale that has not seen it.
    BeforeUpdate,
    /// After them: SimbaV2's code. The first reward after a long silence, if it is drawn at once, is divided by almost
    /// nothing.
    AfterUpdate,
}

/// `[normalize.reward]` with `kind = "return_scale"`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReturnScaleConfig {
    /// The largest return seen becomes at most this: the upper end of a categorical critic's
    /// support. Infinity leaves the variance alone to decide.
    pub bound: f64,
    /// Which return counts as the largest.
    pub maximum: Maximum,
    /// Where the discounted return starts again.
    pub restart: Restart,
    /// When a round's rewards enter.
    pub order: Order,
}

impl Default for ReturnScaleConfig {
    /// SimbaV2's code and Table 3, but for the order.
    fn default() -> Self {
        ReturnScaleConfig {
            bound: 5.0,
            maximum: Maximum::Absolute,
            restart: Restart::OnLastStep,
            order: Order::BeforeUpdate,
        }
    }
}

/// Scale of the discounted return `G <- gamma G + r` that each environment's rewards add up to.
#[derive(Clone, Debug, PartialEq)]
pub struct ReturnScale {
    config: ReturnScaleConfig,
    gamma: f64,
    /// `G` of each environment.
    pub returns: Vec<f64>,
    /// Of `G`, over environments and time.
    pub moments: RunningMoments,
    /// The largest return so far, as `config.maximum` says; 0 at the start.
    pub largest: f64,
}

impl ReturnScale {
    /// For `envs` environments side by side.
    pub fn new(config: ReturnScaleConfig, gamma: f64, envs: usize) -> Self {
        let moments = RunningMoments::new(1);
        ReturnScale { config, gamma, returns: vec![0.0; envs], moments, largest: 0.0 }
    }

    /// When a round's rewards enter.
    pub fn order(&self) -> Order {
        self.config.order
    }

    /// One step of every environment: its reward, and whether its episode ended.
    pub fn observe(&mut self, rewards: &[f64], ended: &[bool]) {
        for ((g, &reward), &ended) in self.returns.iter_mut().zip(rewards).zip(ended) {
            let keeps = self.config.restart == Restart::OnFirstStep || !ended;
            *g = if keeps { self.gamma * *g + reward } else { reward };
            let size = match self.config.maximum {
                Maximum::Absolute => g.abs(),
                Maximum::Signed => *g,
            };
            self.largest = self.largest.max(size);
        }
        self.moments.update(&self.returns);
        if self.config.restart == Restart::OnFirstStep {
            for (g, _) in self.returns.iter_mut().zip(ended).filter(|(_, ended)| **ended) {
                *g = 0.0;
            }
        }
    }

    /// What rewards are divided by: the standard deviation of `G`, or more, so that the largest
    /// return is within the bound. Rewards are not centred.
    pub fn denominator(&self) -> f64 {
        (self.moments.var[0] + EPS).sqrt().max(self.largest / self.config.bound)
    }

    /// Adds everything to `out` under `prefix`.
    pub fn save(&self, prefix: &str, out: &mut StateDict) {
        self.moments.save(prefix, out);
        out.insert(format!("{prefix}/returns"), Tensor::from_slice(&self.returns));
        out.insert(format!("{prefix}/largest"), Tensor::from_slice(&[self.largest]));
    }

    /// Reverse of [`ReturnScale::save`].
    ///
    /// # Errors
    /// When an array is missing or has another length.
    pub fn load(&mut self, prefix: &str, from: &StateDict) -> Result<(), LoadError> {
        self.moments.load(prefix, from)?;
        read(&mut self.returns, &format!("{prefix}/returns"), from)?;
        read(std::slice::from_mut(&mut self.largest), &format!("{prefix}/largest"), from)
    }
}

fn read(into: &mut [f64], name: &str, from: &StateDict) -> Result<(), LoadError> {
    let mut tensor = Tensor::from_slice(into);
    copy_from(&mut tensor, name, from)?;
    let n = into.len();
    tensor.copy_data(into, n);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two environments, gamma 0.5, by hand; the first one's episode ends on the second step.
    #[test]
    fn returns_start_again_as_configured() {
        for (restart, wanted) in [
            (Restart::OnLastStep, [[1.0, -4.0], [3.0, -2.0], [6.5, -1.0]]),
            (Restart::OnFirstStep, [[1.0, -4.0], [0.0, -2.0], [5.0, -1.0]]),
        ] {
            for (maximum, largest) in [(Maximum::Absolute, 4.0), (Maximum::Signed, 1.0)] {
                let start = ReturnScaleConfig::default();
                let config = ReturnScaleConfig { restart, maximum, bound: 2.0, ..start };
                let mut scale = ReturnScale::new(config, 0.5, 2);
                let steps = [([1.0, -4.0], false), ([3.0, 0.0], true), ([5.0, 0.0], false)];
                for ((rewards, ended), wanted) in steps.into_iter().zip(wanted) {
                    scale.observe(&rewards, &[ended, false]);
                    assert_eq!(scale.returns, wanted, "{restart:?}");
                    if rewards[0] == 1.0 {
                        assert_eq!(scale.largest, largest, "{maximum:?}");
                        // G is 1 and -4: variance 6.25, and 2 * 2 >= 4 bounds the absolute one.
                        let std = (scale.moments.var[0] + 1e-8).sqrt();
                        assert!((std - 2.5).abs() < 1e-3, "{std}");
                        assert_eq!(scale.denominator(), std.max(largest / 2.0));
                    }
                }
            }
        }
        let unbounded = ReturnScaleConfig { bound: f64::INFINITY, ..ReturnScaleConfig::default() };
        let mut scale = ReturnScale::new(unbounded, 0.5, 1);
        scale.observe(&[100.0], &[false]);
        assert_eq!(scale.denominator(), (scale.moments.var[0] + 1e-8).sqrt());
    }

    /// Merging in pieces of any size is the moments of all rows together, up to the 1e-4 phantom
    /// rows of the start; host and device agree to the last bit.
    #[test]
    fn pieces_merge_into_the_whole() {
        let rows: Vec<f64> = (0..60).map(|i| f64::from(i * i % 37) - 9.5).collect();
        let mut moments = RunningMoments::new(2);
        for piece in [0..2, 2..8, 8..40, 40..60] {
            moments.update(&rows[piece]);
        }
        for d in 0..2 {
            let column: Vec<f64> = rows[d..].iter().step_by(2).copied().collect();
            let mean = column.iter().sum::<f64>() / 30.0;
            let var = column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 30.0;
            assert!((moments.mean[d] - mean).abs() < 1e-4, "{}", moments.mean[d]);
            assert!((moments.var[d] / var - 1.0).abs() < 1e-4, "{} {var}", moments.var[d]);
        }
        let x: Vec<f32> = rows.iter().map(|&x| x as f32 * 0.37).collect();
        let device = moments.apply_tensor(&Tensor::from_slice(&x).view([30, 2]));
        let device = device.to_kind(Kind::Float);
        assert_eq!(moments.apply(&x), Vec::<f32>::try_from(&device.flatten(0, -1)).unwrap());
    }
}
