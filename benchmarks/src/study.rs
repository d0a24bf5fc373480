//! A set of runs that are compared: what reports are made of.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, Serializer};

use crate::score::Score;

mod folder;
mod load;
mod names;
mod plain;

pub use load::{load_fresh, load_method, load_run, unfinished};
pub use plain::plain;

/// Runs of several methods on one problem.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Study {
    /// The name it is asked for by: `plasticity/bit-flipping`.
    pub name: String,
    /// One line for headings.
    pub title: String,
    /// What is done, in a few sentences.
    pub about: String,
    /// Where the protocol comes from.
    pub source: String,
    /// What was found there.
    pub expected: String,
    /// How runs are scored.
    pub score: Score,
    /// In the order of the grid; the first with `baseline` is what others are compared with.
    pub methods: Vec<Method>,
    /// Runs that are not there, and why.
    pub failures: Vec<Failure>,
}

/// All runs of one method.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Method {
    /// Its name in tables.
    pub name: String,
    /// What it is.
    pub about: String,
    /// Whether it is the plain agent with the same budget.
    pub baseline: bool,
    /// Whether each task was learned by an agent of its own: the reference of the plasticity gap.
    pub fresh: bool,
    /// What an independent implementation or a paper found.
    pub anchor: Option<Anchor>,
    /// The resolved configuration of its first run, as TOML.
    pub config: String,
    /// One for each seed, in their order.
    pub runs: Vec<Run>,
}

/// A number to be met: a mean of final performance and its standard error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// The mean over its seeds.
    pub mean: f64,
    /// The standard error of that mean.
    pub se: f64,
    /// Seeds.
    pub seeds: u64,
}

/// One run, reduced to what reports show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its seed.
    pub seed: u64,
    /// Its folder, as it was given. (Of a fresh method: that of the first task.) Bytes that are no text are
    /// replaced where it is written.
    #[serde(serialize_with = "as_text")]
    pub dir: PathBuf,
    /// Performance in each bin of [`Score::bin`] steps.
    pub curve: Vec<f64>,
    /// `eval/task_J/return_mean` at the end of each task: `matrix[i][j]` is the performance on task `j`
    /// after task `i` was learned. Empty where it was not measured.
    pub matrix: Vec<Vec<f64>>,
    /// Of each tag in [`Score::beside`] that was measured: steps and values.
    pub beside: BTreeMap<String, Vec<(u64, f64)>>,
    /// Seconds the run took.
    pub wall_s: f64,
}

fn as_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

/// A run that did not end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// Its method.
    pub method: String,
    /// Its seed.
    pub seed: u64,
    /// Why: its last error message, or that it did not end.
    pub what: String,
}
