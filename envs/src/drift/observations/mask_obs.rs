//! [`MaskObs`]: some observation components are hidden, as by sensors that fail.

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::drift::drifting::{Begin, Change};
use crate::drift::period::index;
use crate::drift::random::{Use, rng};
use crate::{Env, EnvError, EnvSpec};

/// Some observation components are 0, which is added to the bounds of all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskObs {
    /// Part of the components that is hidden, above 0 and below 1, rounded to whole ones. Either
    /// this or `count`.
    #[serde(default)]
    pub fraction: f64,
    /// How many components are hidden. Either this or `fraction`.
    #[serde(default)]
    pub count: usize,
    /// Steps of an environment between two draws; 0 draws once.
    pub period: u64,
    /// Whether nothing is hidden in the first period.
    #[serde(default)]
    pub identity_first: bool,
    /// Whether [`Env::task`] counts the changes.
    #[serde(default = "crate::drift::period::yes")]
    pub signal_task_change: bool,
    /// What is drawn follows from this and the number of the period.
    #[serde(default)]
    pub seed: u64,
}

pub(in crate::drift) struct Mask {
    config: MaskObs,
    count: usize,
    size: usize,
    hidden: Vec<usize>,
    /// The period they were drawn for.
    drawn: Option<u64>,
}

impl MaskObs {
    pub(in crate::drift) fn build(&self, spec: &EnvSpec) -> Result<Mask, EnvError> {
        let size = spec.obs.size();
        let count = match (self.fraction, self.count) {
            (f, 0) if 0.0 < f && f < 1.0 => (f * size as f64).round() as usize,
            (0.0, count) if count > 0 => count,
            (fraction, count) => {
                return Err(format!(
                    "fraction = {fraction} and count = {count} do not say what to hide; give a \
                     fraction above 0 and below 1, or a count of 1 or more"
                )
                .into());
            }
        };
        if count == 0 || count >= size {
            return Err(format!(
                "it hides {count} of {size} observation components; hide at least 1 and leave at \
                 least 1"
            )
            .into());
        }
        Ok(Mask { config: self.clone(), count, size, hidden: Vec::new(), drawn: None })
    }
}

impl Change for Mask {
    fn index(&self, age: u64) -> u64 {
        index(age, self.config.period)
    }

    fn spec(&self, mut inner: EnvSpec) -> EnvSpec {
        inner.obs.low.iter_mut().for_each(|low| *low = low.min(0.0));
        inner.obs.high.iter_mut().for_each(|high| *high = high.max(0.0));
        inner.obs.frames = 1;
        inner
    }

    fn begin(&mut self, begin: Begin, _env: &mut dyn Env) -> Result<(), EnvError> {
        if self.drawn.replace(begin.index) != Some(begin.index) {
            let mut all: Vec<usize> = (0..self.size).collect();
            all.shuffle(&mut rng(Use::MaskObs, self.config.seed, begin.index));
            let plain = begin.index == 0 && self.config.identity_first;
            all.truncate(if plain { 0 } else { self.count });
            self.hidden = all;
        }
        Ok(())
    }

    fn observe(&mut self, obs: &mut [f32]) {
        for &i in &self.hidden {
            obs[i] = 0.0;
        }
    }
}
