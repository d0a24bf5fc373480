//! The numbers of a report: measures of each run, and intervals over runs.

use serde::{Deserialize, Serialize};

use crate::score::Score;

mod sum_up;

/// A number with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// From all runs.
    pub point: f64,
    /// 2.5 % of resampled numbers are below.
    pub low: f64,
    /// 2.5 % are above.
    pub high: f64,
}

/// One row of a table of methods. Performance in its own units unless it says normalised. *Differences* of
/// performance (slope, gap, forgetting, transfer, gains) are positive where the metric grew better, also
/// where less of it is better: of errors, a gain of 0.1 is an error that is 0.1 lower.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MethodSummary {
    /// The method.
    pub name: String,
    /// Runs that are in it.
    pub runs: usize,
    /// Named measures in the order of columns; `None` where a measure has no meaning here.
    pub measures: Vec<(Measure, Option<Interval>)>,
    /// Final performance less the baseline's, on the same seeds; `None` for the baseline itself, and
    /// without a seed that both have.
    pub final_gain: Option<Interval>,
    /// Average performance less the baseline's, on the same seeds.
    pub average_gain: Option<Interval>,
    /// Probability that a run of this method is better at the end than one of the baseline.
    pub improvement: Option<Interval>,
    /// Share of runs whose normalised final performance is above each of [`Summary::levels`].
    pub profile: Vec<Interval>,
    /// Final performance and its distance from the anchor in standard errors of the difference, positive
    /// where it is better. The spread of a single run is taken to be that of the anchor's.
    pub anchor: Option<(f64, f64)>,
}

/// Everything that tables and bars show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// In the order of the study.
    pub methods: Vec<MethodSummary>,
    /// Normalised scores at which profiles are given: 0 to 1.
    pub levels: Vec<f64>,
    /// Mean performance of each method in each bin, with its interval over runs; as long as its
    /// shortest run.
    pub curves: Vec<Vec<Interval>>,
    /// Mean over each task of each method.
    pub tasks: Vec<Vec<Interval>>,
}

/// What is measured of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Mean of the whole curve.
    Average,
    /// Mean of its last share ([`Score::final_share`](crate::score::Score::final_share)).
    Final,
    /// Interquartile mean of normalised final performance.
    Iqm,
    /// How far normalised final performance stays below 1, on the average.
    OptimalityGap,
    /// Mean performance at the ends of tasks after the first.
    TaskEnds,
    /// Mean performance on all tasks at the end of everything.
    AllTasks,
    /// Steps until, after a change, 90 % of the normalised end of the task before is reached again; all
    /// steps of a task if it never is. Averaged over changes.
    Recovery,
    /// Change per task of the performance at the ends of tasks; of each task's own visits, where tasks
    /// come back.
    Slope,
    /// A fresh agent's mean over a task less the continual one's, averaged over tasks after the first.
    PlasticityGap,
    /// Performance on a task when it was just learned less that at the end of everything. Without
    /// evaluations on other tasks: less that at the start of its next visit.
    Forgetting,
    /// Performance on a task at the end of everything less that when it was just learned.
    BackwardTransfer,
    /// `(AUC - AUC_fresh) / (1 - AUC_fresh)` of normalised curves averaged over runs, averaged over tasks.
    ForwardTransfer,
}

impl Measure {
    /// In the order of columns.
    pub const ALL: [Measure; 12] = [
        Measure::Average,
        Measure::Final,
        Measure::Iqm,
        Measure::OptimalityGap,
        Measure::TaskEnds,
        Measure::AllTasks,
        Measure::Recovery,
        Measure::Slope,
        Measure::PlasticityGap,
        Measure::Forgetting,
        Measure::BackwardTransfer,
        Measure::ForwardTransfer,
    ];

    /// Whether a method with more of it is better.
    pub fn more_is_better(self, score: &Score) -> bool {
        match self {
            Measure::Average | Measure::Final | Measure::TaskEnds | Measure::AllTasks => {
                !score.lower_is_better
            }
            Measure::Iqm
            | Measure::Slope
            | Measure::BackwardTransfer
            | Measure::ForwardTransfer => true,
            Measure::OptimalityGap
            | Measure::Recovery
            | Measure::PlasticityGap
            | Measure::Forgetting => false,
        }
    }
}
