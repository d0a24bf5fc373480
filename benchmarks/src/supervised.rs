//! Supervised streams on which learners lose their plasticity, as runs: a TOML file in, a folder with
//! `config.toml` and `metrics.jsonl` out.
//!
//! | `kind` | file | what changes |
//! | --- | --- | --- |
//! | `bit_flipping` | [`bit_flipping`] with [`scalar`] | slow input bits (Dohare et al. 2024) |
//! | `random_labels` | [`random_labels`] | all labels, which say nothing (Lyle et al. 2023, 2024) |
//! | `permuted_inputs` | [`permuted_inputs`] | the places of pixels (Dohare et al. 2024) |
//!
//! A run is a function of its configuration: all but `wall_s` is the same the next time. Its generators
//! are the streams of its seed that `Draws` names.

mod activation;
pub mod bit_flipping;
mod classifier;
mod folder;
pub mod idx;
pub mod images;
pub mod permuted_inputs;
pub mod random_labels;
pub mod scalar;

use std::{path::Path, time::Instant};

use agents::config::load;
use networks::random::{self, Rng};
use serde::{Deserialize, Serialize};

pub use activation::Activation;
pub use bit_flipping::BitFlipping;
pub use folder::RunFolder;
pub use permuted_inputs::PermutedInputs;
pub use random_labels::RandomLabels;

/// The file of a run; `kind` says which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StreamRun {
    /// Regression whose target depends on bits that rarely change.
    BitFlipping(BitFlipping),
    /// Memorising labels that are drawn again and again.
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

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The tag of what is measured.
    pub metric: &'static str,
    /// Its mean over the run.
    pub average: f64,
    /// Its mean over the last tenth of the rows.
    pub last_tenth: f64,
    /// Examples that were learned from.
    pub examples: u64,
    /// Seconds.
    pub wall_s: f64,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
}

/// Which numbered stream of the seed draws what.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Draws {
    /// The examples, or the images.
    Data,
    /// First weights, and all that methods draw.
    Learner,
    /// Labels or permutation of a task.
    Task(u64),
    /// The order of the examples of a task.
    Order(u64),
}

impl Draws {
    pub(crate) fn of(self, seed: u64) -> Rng {
        random::stream(
            seed,
            match self {
                Draws::Data => 0,
                Draws::Learner => 1,
                Draws::Task(k) => 2 + 2 * k,
                Draws::Order(k) => 3 + 2 * k,
            },
        )
    }
}

/// A learner on its stream.
pub struct Learner(Box<dyn Follower>);

trait Follower {
    /// Learns from the next `examples`; performance first, then plasticity measures.
    fn follow(&mut self, examples: u64) -> Result<Vec<(&'static str, f64)>, String>;
}

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

/// Makes the run of `learner`, which is of `config`, in `folder`. `watch` is called with the examples so far at every row of metrics and
/// says whether to go on.
///
/// Tensors are computed on one thread: they are small, and so results do not depend on the machine's
/// number of cores.
///
/// # Errors
/// One sentence: an error that is no longer finite, a folder that cannot be written.
pub fn run(
    config: &StreamRun,
    mut learner: Learner,
    folder: &mut RunFolder,
    watch: &mut dyn FnMut(u64) -> bool,
) -> Result<Outcome, String> {
    tch::set_num_threads(1);
    let started = Instant::now();
    let length = config.length();
    let (mut seen, mut interrupted, mut values) = (0, false, Vec::new());
    while seen < length.examples && !interrupted {
        let n = length.log_every_examples.min(length.examples - seen);
        let scalars = learner.0.follow(n)?;
        seen += n;
        values.push((n, scalars[0].1));
        if !scalars[0].1.is_finite() {
            return Err(format!(
                "{} is {} after {seen} examples; lower the step size",
                scalars[0].0, scalars[0].1
            ));
        }
        folder.write(seen, started.elapsed().as_secs_f64(), &scalars)?;
        interrupted = !watch(seen) && seen < length.examples;
    }
    let mean = |rows: &[(u64, f64)]| {
        let n: u64 = rows.iter().map(|(n, _)| n).sum();
        rows.iter().map(|(n, x)| *n as f64 * x).sum::<f64>() / n as f64
    };
    Ok(Outcome {
        metric: config.metric(),
        average: mean(&values),
        last_tenth: mean(&values[values.len() - values.len().div_ceil(10)..]),
        examples: seen,
        wall_s: started.elapsed().as_secs_f64(),
        interrupted,
    })
}
