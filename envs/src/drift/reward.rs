//! [`RewardScale`]: rewards times a factor that changes.

use serde::{Deserialize, Serialize};

use super::drifting::{Begin, Change};
use super::period::{index, some_steps};
use crate::{Env, EnvError};

/// Rewards times one factor after the other; `[1.0, -1.0]` turns what is wanted round and back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewardScale {
    /// The factors, over and over again.
    pub scales: Vec<f64>,
    /// Steps of an environment with one factor.
    pub period: u64,
    /// Whether [`Env::task`] counts the changes.
    #[serde(default = "super::period::yes")]
    pub signal_task_change: bool,
}

pub(super) struct Scaled {
    config: RewardScale,
    scale: f64,
}

impl RewardScale {
    pub(super) fn build(&self) -> Result<Scaled, EnvError> {
        some_steps("period", self.period)?;
        if self.scales.is_empty() {
            return Err("scales = [] has no factor for rewards; give at least one".into());
        }
        if let Some(scale) = self.scales.iter().find(|scale| !scale.is_finite()) {
            return Err(format!("a scale of rewards is {scale}; give plain numbers").into());
        }
        Ok(Scaled { config: self.clone(), scale: self.scales[0] })
    }
}

impl Change for Scaled {
    fn index(&self, age: u64) -> u64 {
        index(age, self.config.period)
    }

    fn begin(&mut self, begin: Begin, _env: &mut dyn Env) -> Result<(), EnvError> {
        let scales = &self.config.scales;
        self.scale = scales[(begin.index % scales.len() as u64) as usize];
        Ok(())
    }

    fn reward(&self, reward: f32) -> f32 {
        (f64::from(reward) * self.scale) as f32
    }
}
