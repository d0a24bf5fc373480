//! A run from its first example to its end.

use std::time::Instant;

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

/// Makes the run of `learner`, which is of `config`, in `folder`. `watch` is called with the examples so far
/// at every row of metrics and says whether to continue.
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
