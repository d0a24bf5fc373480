//! [`ObsNoise`]: normal noise on observations.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

use super::shift_obs::{fit, spread, without_bounds};
use crate::drift::drifting::{Begin, Change};
use crate::drift::random::{Use, rng};
use crate::{Dtype, Env, EnvError, EnvSpec};

/// Independent normal noise on every component of every observation, resampled in each episode
/// from its seed. Observations lose their bounds; bytes are rounded and clipped instead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObsNoise {
    /// Standard deviation, in units of the observation.
    pub std: f64,
    /// The noise follows from this and the episode's seed.
    #[serde(default)]
    pub seed: u64,
}

pub(in crate::drift) struct Noise {
    config: ObsNoise,
    dtype: Dtype,
    rng: ChaCha8Rng,
}

impl ObsNoise {
    pub(in crate::drift) fn build(&self, spec: &EnvSpec) -> Result<Noise, EnvError> {
        spread(self.std)?;
        let rng = rng(Use::Noise, self.seed, 0);
        Ok(Noise { config: self.clone(), dtype: spec.obs.dtype, rng })
    }
}

impl Change for Noise {
    fn spec(&self, inner: EnvSpec) -> EnvSpec {
        without_bounds(inner)
    }

    fn begin(&mut self, begin: Begin, _env: &mut dyn Env) -> Result<(), EnvError> {
        self.rng = rng(Use::Noise, self.config.seed, begin.seed);
        Ok(())
    }

    fn observe(&mut self, obs: &mut [f32]) {
        for x in obs {
            let noise = self.config.std * self.rng.sample::<f64, _>(StandardNormal);
            *x = fit(*x + noise as f32, self.dtype);
        }
    }

    fn save(&self) -> Vec<u8> {
        self.rng.get_word_pos().to_le_bytes().to_vec()
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), EnvError> {
        self.rng.set_word_pos(u128::from_le_bytes(bytes.try_into()?));
        Ok(())
    }
}
