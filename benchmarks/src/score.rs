//! How a run of a suite is scored: what is read from its `metrics.jsonl`, and in which pieces.

use serde::{Deserialize, Serialize};

/// `[score]` of a grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// The tag of `metrics.jsonl` that is performance: `train/episode_return`, `eval/return_mean`,
    /// `stream/error`, ...
    pub metric: String,
    /// Whether less of it is better (errors).
    #[serde(default)]
    pub lower_is_better: bool,
    /// Steps of a run that make one point of its curve: the mean of the metric's rows with steps in
    /// `(k * bin, (k + 1) * bin]`. A bin without rows repeats the one before.
    pub bin: u64,
    /// Steps between two changes of the task, a multiple of `bin`; 0 if there is one task only.
    #[serde(default)]
    pub task_steps: u64,
    /// Different tasks, in their order: task `k` is `k % tasks`. 0 if none comes back.
    #[serde(default)]
    pub tasks: usize,
    /// The performance that counts as 0 in normalised scores (IQM, optimality gap).
    pub low: f64,
    /// The performance that counts as 1: the better one, so below `low` where less is better.
    pub high: f64,
    /// The share of a run, at its end, whose mean is its final performance.
    #[serde(default = "tenth")]
    pub final_share: f64,
    /// Tags shown beside the returns: plasticity measures.
    #[serde(default)]
    pub beside: Vec<String>,
}

fn tenth() -> f64 {
    0.1
}

impl Score {
    /// Checks what a file can get wrong.
    ///
    /// # Errors
    /// One sentence about the first value that cannot work.
    pub fn validate(&self) -> Result<(), String> {
        if self.bin == 0 {
            return Err("score.bin is 0; it must be at least 1 step".to_owned());
        }
        if !self.task_steps.is_multiple_of(self.bin) {
            return Err(format!(
                "score.task_steps is {}; it must be a multiple of score.bin, {}",
                self.task_steps, self.bin
            ));
        }
        if !(self.low.is_finite() && self.high.is_finite()) || self.low == self.high {
            return Err("score.low and score.high must be two different numbers".to_owned());
        }
        if self.oriented(self.high) < self.oriented(self.low) {
            let (order, is) =
                if self.lower_is_better { ("below", "is") } else { ("above", "is not") };
            return Err(format!(
                "score.high, {}, must be {order} score.low, {}: less {is} better, and high counts as 1",
                self.high, self.low
            ));
        }
        if !(self.final_share > 0.0 && self.final_share <= 1.0) {
            return Err(format!(
                "score.final_share is {}; it must be above 0 and at most 1",
                self.final_share
            ));
        }
        Ok(())
    }

    /// Points of a curve that belong to one task; `points`, all of them, if there is one task only.
    pub fn bins_per_task(&self, points: usize) -> usize {
        match self.task_steps {
            0 => points,
            steps => (steps / self.bin) as usize,
        }
    }

    /// A value of the metric, or a difference of two, such that more is better: with its sign turned
    /// where less is. Turns back what it turned.
    pub fn oriented(&self, value: f64) -> f64 {
        if self.lower_is_better { -value } else { value }
    }

    /// Performance with `low` at 0 and `high` at 1: more is better, whatever the metric.
    pub fn normalise(&self, performance: f64) -> f64 {
        (performance - self.low) / (self.high - self.low)
    }
}
