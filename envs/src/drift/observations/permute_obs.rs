//! [`PermuteObs`]: observation components change places, as the pixels of Online Permuted MNIST
//! (Dohare et al. 2024, Nature 632) do.

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::drift::drifting::{Begin, Change};
use crate::drift::period::index;
use crate::drift::random::{Use, rng};
use crate::{Env, EnvError, EnvSpec};

/// Observation components change places; those of pictures over all axes. Since any may come
/// anywhere, each is bounded as the widest of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermuteObs {
    /// Steps of an environment between two draws; 0 draws once.
    pub period: u64,
    /// Whether all stay in place in the first period.
    #[serde(default)]
    pub identity_first: bool,
    /// Whether [`Env::task`] counts the changes.
    #[serde(default = "crate::drift::period::yes")]
    pub signal_task_change: bool,
    /// What is drawn follows from this and the number of the period.
    #[serde(default)]
    pub seed: u64,
}

pub(in crate::drift) struct Permutation {
    config: PermuteObs,
    /// Where each component comes from.
    from: Vec<usize>,
    /// The period it was drawn for.
    drawn: Option<u64>,
    inner: Vec<f32>,
}

impl PermuteObs {
    pub(in crate::drift) fn build(&self, spec: &EnvSpec) -> Permutation {
        let inner = vec![0.0; spec.obs.size()];
        Permutation { config: self.clone(), from: Vec::new(), drawn: None, inner }
    }
}

impl Change for Permutation {
    fn index(&self, age: u64) -> u64 {
        index(age, self.config.period)
    }

    fn spec(&self, mut inner: EnvSpec) -> EnvSpec {
        let low = inner.obs.low.iter().copied().fold(f32::INFINITY, f32::min);
        let high = inner.obs.high.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        inner.obs.low.fill(low);
        inner.obs.high.fill(high);
        inner.obs.frames = 1;
        inner
    }

    fn begin(&mut self, begin: Begin, _env: &mut dyn Env) -> Result<(), EnvError> {
        if self.drawn.replace(begin.index) != Some(begin.index) {
            self.from = (0..self.inner.len()).collect();
            if begin.index > 0 || !self.config.identity_first {
                self.from.shuffle(&mut rng(Use::PermuteObs, self.config.seed, begin.index));
            }
        }
        Ok(())
    }

    fn observe(&mut self, obs: &mut [f32]) {
        self.inner.copy_from_slice(obs);
        for (out, &from) in obs.iter_mut().zip(&self.from) {
            *out = self.inner[from];
        }
    }
}
