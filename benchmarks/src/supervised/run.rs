//! A run from its first example to its end.

use std::time::Instant;

use agents::error::Error;
use serde::Serialize;

use super::{
    folder::RunFolder,
    stream_run::{Learner, StreamRun},
};

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

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// What is measured is no longer finite.
    #[error("{metric} is {value} after {examples} examples; lower the step size")]
    Diverged {
        /// Its tag.
        metric: &'static str,
        /// NaN or infinite.
        value: f64,
        /// Examples until then.
        examples: u64,
    },
    /// An update failed: one sentence.
    #[error("{0}")]
    Learner(String),
    /// The record cannot be written.
    #[error(transparent)]
    Storage(#[from] Error),
}

/// Makes the run of `learner`, which is of `config`, in `folder`. `watch` is called with the examples so far
/// at every row of metrics and says whether to continue.
///
/// Tensors are computed on one thread: they are small, and so results do not depend on the machine's
/// number of cores.
///
/// # Errors
/// An error that is no longer finite, an update that fails, a folder that cannot be written.
pub fn run(
    config: &StreamRun,
    mut learner: Learner,
    folder: &mut RunFolder,
    watch: &mut dyn FnMut(u64) -> bool,
) -> Result<Outcome, RunError> {
    tch::set_num_threads(1);
    let started = Instant::now();
    let length = config.length();
    let (mut seen, mut interrupted, mut values) = (0, false, Vec::new());
    while seen < length.examples && !interrupted {
        let n = length.log_every_examples.min(length.examples - seen);
        let scalars = learner.0.follow(n).map_err(RunError::Learner)?;
        seen += n;
        values.push((n, scalars[0].1));
        if !scalars[0].1.is_finite() {
            let (metric, value) = scalars[0];
            return Err(RunError::Diverged { metric, value, examples: seen });
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
