//! Which transitions an update learns from: `[replay.sampler]`, one kind per file.
//!
//! | kind | a transition's probability |
//! | --- | --- |
//! | `uniform` | the same for all |
//! | `prioritized` | a power of its last error; importance weights |
//! | `sample_weight_decay` | falls with its age |

mod prioritized;
mod sample_weight_decay;
mod scheme;
mod sum_tree;
mod uniform;

use serde::{Deserialize, Serialize};

pub use prioritized::PrioritizedConfig;
pub use sample_weight_decay::SampleWeightDecayConfig;
pub(super) use {scheme::Scheme, uniform::Uniform};

use prioritized::Prioritized;
use sample_weight_decay::SampleWeightDecay;

/// `[replay.sampler]`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SamplerConfig {
    /// Every transition alike.
    Uniform {},
    /// By the last error (Schaul et al. 2016, arXiv 1511.05952).
    Prioritized(PrioritizedConfig),
    /// By age (arXiv 2604.01913).
    SampleWeightDecay(SampleWeightDecayConfig),
}

impl Default for SamplerConfig {
    fn default() -> Self {
        SamplerConfig::Uniform {}
    }
}

impl SamplerConfig {
    /// Checks every number against what can work; keys begin with `replay.sampler`.
    ///
    /// # Errors
    /// One sentence about the first that cannot.
    pub fn validate(&self) -> Result<(), String> {
        let key = "replay.sampler";
        match self {
            SamplerConfig::Uniform {} => Ok(()),
            SamplerConfig::Prioritized(c) => c.validate(key),
            SamplerConfig::SampleWeightDecay(c) => c.validate(key),
        }
    }

    /// Puts numbers where the configuration leaves them to a run of so many updates.
    pub(crate) fn resolve(&mut self, updates: u64) {
        if let SamplerConfig::Prioritized(c) = self {
            c.resolve(updates);
        }
    }

    /// Bytes for each row of replay.
    pub(super) fn row_bytes(&self) -> usize {
        match self {
            SamplerConfig::Prioritized(_) => 2 * size_of::<f64>(), // a leaf and an inner node
            SamplerConfig::Uniform {} | SamplerConfig::SampleWeightDecay(_) => 0,
        }
    }

    /// For rings of so many rows.
    pub(super) fn build(&self, envs: usize, rows: usize) -> Box<dyn Scheme> {
        match *self {
            SamplerConfig::Uniform {} => Box::new(Uniform),
            SamplerConfig::Prioritized(c) => Box::new(Prioritized::new(c, envs, rows)),
            SamplerConfig::SampleWeightDecay(config) => Box::new(SampleWeightDecay { config }),
        }
    }
}
