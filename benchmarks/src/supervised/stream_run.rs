//! [`StreamRun`]: the configuration of a run of any kind.

use std::path::Path;

use agents::config::load;
use serde::{Deserialize, Serialize};

use super::{
    bit_flipping::{self, BitFlipping},
    follower::Follower,
    permuted_inputs::{self, PermutedInputs},
    random_labels::{self, RandomLabels},
};

/// The file of a run; `kind` says which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StreamRun {
    /// Regression whose target depends on bits that rarely change.
    BitFlipping(BitFlipping),
    /// Memorising labels that are resampled for every task.
    RandomLabels(RandomLabels),
    /// Classifying images whose pixels change places.
    PermutedInputs(PermutedInputs),
}

/// What all kinds have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length {
    /// Seed of every random number.
    pub seed: u64,
    /// Examples that are learned from.
    pub examples: u64,
    /// Examples of the stream that went by before the first of them.
    pub example_offset: u64,
    /// Examples between two rows of metrics.
    pub log_every_examples: u64,
}

/// A learner on its stream.
pub struct Learner(pub(super) Box<dyn Follower>);

impl StreamRun {
    /// Reads a file and applies overrides (`a.b=value`).
    ///
    /// # Errors
    /// When it cannot be read, is not TOML, or has an unknown key or a value that cannot work.
    pub fn load(path: &Path, overrides: &[String]) -> Result<StreamRun, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| format!("cannot read the configuration {}: {e}", path.display()))?;
        StreamRun::parse(&text, overrides).map_err(|e| format!("{}: {e}", path.display()))
    }

    /// The same from a string; errors do not name a file.
    ///
    /// # Errors
    /// As [`StreamRun::load`].
    pub fn parse(text: &str, overrides: &[String]) -> Result<StreamRun, String> {
        let mut run: StreamRun = load::read(text, overrides)?;
        run.validate()?;
        match &mut run {
            StreamRun::BitFlipping(_) => {}
            StreamRun::RandomLabels(c) => {
                c.network.optim.schedule.resolve((c.examples / c.batch_size).max(1));
            }
            StreamRun::PermutedInputs(c) => {
                c.network.optim.schedule.resolve((c.examples / c.batch_size).max(1));
            }
        }
        Ok(run)
    }

    /// Checks every number against what can work. Files of images are not opened.
    ///
    /// # Errors
    /// One sentence about the first that cannot.
    pub fn validate(&self) -> Result<(), String> {
        let Length { examples, example_offset, log_every_examples, .. } = self.length();
        for (key, value, least, most) in [
            ("examples", examples, 1, 1 << 40),
            ("example_offset", example_offset, 0, 1 << 40),
            ("log_every_examples", log_every_examples, 1, 1 << 40),
        ] {
            if !(least..=most).contains(&value) {
                return Err(format!("{key} is {value}; it must be between {least} and {most}"));
            }
        }
        match self {
            StreamRun::BitFlipping(c) => c.validate(),
            StreamRun::RandomLabels(c) => c.validate(),
            StreamRun::PermutedInputs(c) => c.validate(),
        }
    }

    /// What all kinds have.
    pub fn length(&self) -> Length {
        let (seed, examples, example_offset, log_every_examples) = match self {
            StreamRun::BitFlipping(c) => {
                (c.seed, c.examples, c.example_offset, c.log_every_examples)
            }
            StreamRun::RandomLabels(c) => {
                (c.seed, c.examples, c.example_offset, c.log_every_examples)
            }
            StreamRun::PermutedInputs(c) => {
                (c.seed, c.examples, c.example_offset, c.log_every_examples)
            }
        };
        Length { seed, examples, example_offset, log_every_examples }
    }

    /// The tag of what is measured: an error (less is better) or an accuracy.
    pub fn metric(&self) -> &'static str {
        match self {
            StreamRun::BitFlipping(_) => "stream/error",
            StreamRun::RandomLabels(_) | StreamRun::PermutedInputs(_) => "stream/accuracy",
        }
    }

    /// A remark for readers of the results, if there is one.
    pub fn remark(&self) -> Option<String> {
        match self {
            StreamRun::PermutedInputs(c) => c.images.remark(),
            StreamRun::BitFlipping(_) | StreamRun::RandomLabels(_) => None,
        }
    }

    /// The configuration as the TOML file that a run folder keeps.
    ///
    /// # Errors
    /// When a value has no TOML form (a seed above 2^63).
    pub fn to_toml(&self) -> Result<String, String> {
        toml::to_string(self).map_err(|e| format!("cannot be written as TOML: {e}"))
    }

    /// The learner before its first example; images are read or drawn.
    ///
    /// # Errors
    /// One sentence: a method that cannot work, images that cannot be read.
    pub fn start(&self) -> Result<Learner, String> {
        tch::set_num_threads(1);
        Ok(Learner(match self {
            StreamRun::BitFlipping(c) => Box::new(bit_flipping::Run::new(c)?),
            StreamRun::RandomLabels(c) => Box::new(random_labels::Run::new(c)?),
            StreamRun::PermutedInputs(c) => Box::new(permuted_inputs::Run::new(c)?),
        }))
    }
}
