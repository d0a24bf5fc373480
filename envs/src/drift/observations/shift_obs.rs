//! [`ShiftObs`]: a constant vector is added to observations, another one in each period.
//!
//! Continual Gym control of TRAC (Muppidi et al. 2024, arXiv 2405.16642) and C-CHAIN (Tang et al.
//! 2025, arXiv 2506.00592): standard deviation 2, the first task without.

use rand::RngExt;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

use crate::drift::drifting::{Begin, Change};
use crate::drift::period::index;
use crate::drift::random::{Use, rng};
use crate::{Dtype, Env, EnvError, EnvSpec};

/// A vector drawn from a normal distribution is added to every observation of a period. Observations
/// lose their bounds; bytes are rounded and clipped instead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShiftObs {
    /// Standard deviation of each component.
    pub std: f64,
    /// Steps of an environment between two draws; 0 draws once.
    pub period: u64,
    /// Whether nothing is added in the first period.
    #[serde(default)]
    pub identity_first: bool,
    /// Whether [`Env::task`] counts the changes.
    #[serde(default = "crate::drift::period::yes")]
    pub signal_task_change: bool,
    /// What is drawn follows from this and the number of the period.
    #[serde(default)]
    pub seed: u64,
}

pub(in crate::drift) struct Shift {
    config: ShiftObs,
    dtype: Dtype,
    added: Vec<f32>,
    /// The period it was drawn for.
    drawn: Option<u64>,
}

impl ShiftObs {
    pub(in crate::drift) fn build(&self, spec: &EnvSpec) -> Result<Shift, EnvError> {
        spread(self.std)?;
        let (dtype, added) = (spec.obs.dtype, vec![0.0; spec.obs.size()]);
        Ok(Shift { config: self.clone(), dtype, added, drawn: None })
    }
}

impl Change for Shift {
    fn index(&self, age: u64) -> u64 {
        index(age, self.config.period)
    }

    fn spec(&self, inner: EnvSpec) -> EnvSpec {
        without_bounds(inner)
    }

    fn begin(&mut self, begin: Begin, _env: &mut dyn Env) -> Result<(), EnvError> {
        if self.drawn.replace(begin.index) != Some(begin.index) {
            let plain = begin.index == 0 && self.config.identity_first;
            let std = if plain { 0.0 } else { self.config.std };
            let mut rng = rng(Use::ShiftObs, self.config.seed, begin.index);
            for x in &mut self.added {
                *x = (std * rng.sample::<f64, _>(StandardNormal)) as f32;
            }
        }
        Ok(())
    }

    fn observe(&mut self, obs: &mut [f32]) {
        for (x, added) in obs.iter_mut().zip(&self.added) {
            *x = fit(*x + added, self.dtype);
        }
    }
}

/// Refuses standard deviations that are none.
pub(in crate::drift) fn spread(std: f64) -> Result<(), EnvError> {
    if std.is_finite() && std > 0.0 {
        return Ok(());
    }
    Err(format!("std = {std} is no spread; give a number above 0").into())
}

/// The spec of observations with normal numbers added and [`fit`].
pub(in crate::drift) fn without_bounds(mut spec: EnvSpec) -> EnvSpec {
    let (low, high) = match spec.obs.dtype {
        Dtype::F32 => (f32::NEG_INFINITY, f32::INFINITY),
        Dtype::U8 => (0.0, 255.0),
    };
    spec.obs.low.fill(low);
    spec.obs.high.fill(high);
    spec.obs.frames = 1;
    spec
}

/// The nearest number of this type.
pub(in crate::drift) fn fit(x: f32, dtype: Dtype) -> f32 {
    match dtype {
        Dtype::F32 => x,
        Dtype::U8 => x.round().clamp(0.0, 255.0),
    }
}
