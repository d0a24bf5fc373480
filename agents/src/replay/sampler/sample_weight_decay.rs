//! Sample weight decay (arXiv 2604.01913): new transitions are drawn more often than old ones.
//!
//! The probability of a transition is proportional to `max(min_weight, 1 - age / horizon)`, where its
//! age is the number of environment steps since it was stored. Under uniform replay the share of a new
//! transition falls with the amount of data, and so does its part of the gradient. The loss stays as it
//! is: the bias towards new data is the point, so there are no importance weights.
//!
//! Rows are drawn uniformly and kept with that probability, which needs no pass over the data: at most
//! `1 / min_weight` tries on average.
//!
//! Our reading: with several environments age counts the steps of all of them, and a negative horizon is
//! the paper's reversed weighting, `1 + age / |horizon|`.

use networks::{random::Rng, unread::unread};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::{scheme::Scheme, uniform};
use crate::{
    algorithms::range::between,
    replay::ring::{ACTED, Ring},
};

/// `[replay.sampler]` with `kind = "sample_weight_decay"`. Defaults: the code of arXiv 2604.01913, for
/// SAC with SimBa.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SampleWeightDecayConfig {
    /// Environment steps after which a weight would reach 0; below 0, old transitions are preferred.
    pub horizon: i64,
    /// The least weight, where the newest transition has 1.
    pub min_weight: f64,
}

impl Default for SampleWeightDecayConfig {
    fn default() -> Self {
        SampleWeightDecayConfig { horizon: 80_000, min_weight: 0.1 }
    }
}

impl SampleWeightDecayConfig {
    pub(super) fn validate(&self, key: &str) -> Result<(), String> {
        if self.horizon == 0 {
            return Err(format!(
                "{key}.horizon is 0; give the age in environment steps at which a weight would reach 0"
            ));
        }
        between(&format!("{key}.min_weight"), self.min_weight, 1e-3, 1.0)?;
        if self.horizon < 0 {
            let default = SampleWeightDecayConfig::default().min_weight;
            let beside = "a negative horizon";
            unread(&format!("{key}.min_weight"), &self.min_weight, &default, beside)?;
        }
        Ok(())
    }

    /// Of a transition of this age in environment steps.
    fn weight(&self, age: u64) -> f64 {
        (1.0 - age as f64 / self.horizon as f64).max(self.min_weight)
    }
}

/// The scheme.
pub(super) struct SampleWeightDecay {
    pub(super) config: SampleWeightDecayConfig,
}

impl Scheme for SampleWeightDecay {
    fn propose(&mut self, rings: &[Ring], _k: usize, _batch: usize, rng: &mut Rng) -> (usize, u64) {
        let envs = rings.len() as u64;
        let oldest = rings.iter().map(|r| r.held() as u64).max().unwrap_or(0) * envs;
        let most = self.config.weight(0).max(self.config.weight(oldest));
        loop {
            let (env, row) = uniform::row(rings, rng);
            let ring = &rings[env];
            if ring.flags(row) & ACTED == 0 {
                continue; // an episode's last observation has no age
            }
            let age = ring.steps_since(row) * envs;
            if rng.random::<f64>() * most < self.config.weight(age) {
                return (env, row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_by_hand() {
        let weight =
            |horizon, min_weight, age| SampleWeightDecayConfig { horizon, min_weight }.weight(age);
        assert_eq!(weight(100, 0.1, 0), 1.0);
        assert_eq!(weight(100, 0.1, 25), 0.75);
        for age in [90, 91, 1_000_000] {
            assert!((weight(100, 0.1, age) - 0.1).abs() < 1e-15, "{age}");
        }
        assert_eq!(weight(-100, 0.1, 0), 1.0);
        assert_eq!(weight(-100, 0.1, 150), 2.5);
        let default = SampleWeightDecayConfig::default();
        assert_eq!((default.weight(40_000), default.weight(80_000)), (0.5, 0.1));
    }
}
