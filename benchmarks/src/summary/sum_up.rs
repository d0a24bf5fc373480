//! From a study to its numbers.

use networks::random;

use super::{Interval, Measure, MethodSummary, Summary};
use crate::{
    measures,
    score::Score,
    stats::{self, Resamples, mean},
    study::{Anchor, Method, Run, Study},
};

/// Bootstrap draws for each interval.
const DRAWS: usize = 2000;

/// Of the generator of draws. Its streams are numbered by how many runs are drawn from.
const SEED: u64 = 2021;

/// Profiles are given at 0, 1 / `LEVELS`, ..., 1.
const LEVELS: usize = 40;

impl Summary {
    /// Names of what [`Summary::of_run`] gives.
    pub const OF_RUN: [&str; 7] = [
        "average",
        "final",
        "final_normalised",
        "recovery_steps",
        "slope",
        "forgetting",
        "backward_transfer",
    ];

    /// The numbers that a run has by itself, in the order of [`Summary::OF_RUN`].
    pub fn of_run(run: &Run, score: &Score) -> [Option<f64>; 7] {
        if run.curve.is_empty() {
            return [None; 7];
        }
        let run = MeasuredRun::of(run, score);
        let MeasuredRun {
            average, end, score, recovery, slope, forgetting, backward_transfer, ..
        } = run;
        [Some(average), Some(end), Some(score), recovery, slope, forgetting, backward_transfer]
    }

    /// The numbers of `study`. The same study has the same numbers.
    pub fn of(study: &Study) -> Summary {
        let score = &study.score;
        let levels: Vec<f64> = (0..=LEVELS).map(|i| i as f64 / LEVELS as f64).collect();
        let methods: Vec<Measured> = study.methods.iter().map(|m| Measured::of(m, score)).collect();
        let first = |wanted: fn(&Method) -> bool| {
            methods.iter().position(|m| wanted(m.method) && !m.runs.is_empty())
        };
        let (baseline, fresh) = (first(|m| m.baseline), first(|m| m.fresh));
        let row = |(i, method): (usize, &Measured)| {
            let other = |index: Option<usize>| index.filter(|j| *j != i).map(|j| &methods[j]);
            method.row(score, &levels, other(baseline), other(fresh))
        };
        Summary {
            methods: methods.iter().enumerate().map(row).collect(),
            levels,
            curves: methods.iter().map(|m| m.means(|run| run.curve)).collect(),
            tasks: methods.iter().map(|m| m.means(|run| &run.task_means)).collect(),
        }
    }
}

/// A method with what is needed of each run more than once.
struct Measured<'a> {
    method: &'a Method,
    runs: Vec<MeasuredRun<'a>>,
}

struct MeasuredRun<'a> {
    seed: u64,
    curve: &'a [f64],
    average: f64,
    end: f64,
    /// The end, normalised.
    score: f64,
    task_means: Vec<f64>,
    /// Of [`Measure`]s that a run has by itself.
    task_ends: Option<f64>,
    all_tasks: Option<f64>,
    recovery: Option<f64>,
    slope: Option<f64>,
    forgetting: Option<f64>,
    backward_transfer: Option<f64>,
}

impl<'a> MeasuredRun<'a> {
    fn of(run: &'a Run, score: &Score) -> MeasuredRun<'a> {
        let (curve, share) = (run.curve.as_slice(), score.final_share);
        let per_task = score.bins_per_task(curve.len());
        let turned: Vec<f64> = curve.iter().map(|&p| score.oriented(p)).collect();
        let normalised: Vec<f64> = curve.iter().map(|&p| score.normalise(p)).collect();
        let matrix: Vec<Vec<f64>> =
            run.matrix.iter().map(|row| row.iter().map(|&p| score.oriented(p)).collect()).collect();
        let end = measures::final_performance(curve, share);
        let recovery = measures::recovery(&normalised, per_task, share);
        MeasuredRun {
            seed: run.seed,
            curve,
            average: mean(curve),
            end,
            score: score.normalise(end),
            task_means: measures::task_means(curve, per_task),
            task_ends: measures::mean_after_first(&measures::task_ends(curve, per_task, share)),
            all_tasks: measures::average_final(&run.matrix),
            recovery: recovery.map(|points| points * score.bin as f64),
            slope: measures::slope(&measures::task_ends(&turned, per_task, share), score.tasks),
            forgetting: measures::forgetting(&matrix, score.tasks)
                .filter(|_| matrix.len() > 1)
                .or_else(|| measures::forgetting_on_return(&turned, per_task, share, score.tasks)),
            backward_transfer: measures::backward_transfer(&matrix, score.tasks),
        }
    }

    fn oriented_task_means(&self, score: &Score) -> Vec<f64> {
        self.task_means.iter().map(|&p| score.oriented(p)).collect()
    }
}

/// A run of one method and the run of another on the same seed.
type Pair<'a> = (&'a MeasuredRun<'a>, &'a MeasuredRun<'a>);

impl<'a> Measured<'a> {
    fn of(method: &'a Method, score: &Score) -> Measured<'a> {
        let runs = method.runs.iter().filter(|run| !run.curve.is_empty());
        Measured { method, runs: runs.map(|run| MeasuredRun::of(run, score)).collect() }
    }

    fn row(
        &self,
        score: &Score,
        levels: &[f64],
        baseline: Option<&Measured>,
        fresh: Option<&Measured>,
    ) -> MethodSummary {
        let scores = self.values(|run| run.score);
        let measure = |m: Measure| (m, self.measure(m, score, fresh));
        let gain = |value: fn(&MeasuredRun) -> f64| {
            let pairs = self.pairs(baseline?);
            mean_of(pairs.iter().map(|(own, other)| score.oriented(value(own) - value(other))))
        };
        MethodSummary {
            name: self.method.name.clone(),
            runs: self.runs.len(),
            measures: Measure::ALL.into_iter().map(measure).collect(),
            final_gain: gain(|run| run.end),
            average_gain: gain(|run| run.average),
            improvement: baseline.and_then(|other| self.improvement(other)),
            profile: match draws(&[self.runs.len()]) {
                Some(draws) => levels
                    .iter()
                    .map(|level| {
                        draws.mean(&scores.iter().map(|s| above(*s, *level)).collect::<Vec<_>>())
                    })
                    .collect(),
                None => Vec::new(),
            },
            anchor: self.method.anchor.and_then(|anchor| self.distance(anchor, score)),
        }
    }

    /// A measure over all runs; `None` where it has no meaning.
    fn measure(
        &self,
        measure: Measure,
        score: &Score,
        fresh: Option<&Measured>,
    ) -> Option<Interval> {
        let of_runs =
            |value: fn(&MeasuredRun) -> Option<f64>| mean_of(self.runs.iter().filter_map(value));
        match measure {
            Measure::Average => of_runs(|run| Some(run.average)),
            Measure::Final => of_runs(|run| Some(run.end)),
            Measure::Iqm => {
                Some(draws(&[self.runs.len()])?.of(&self.values(|r| r.score), stats::iqm))
            }
            Measure::OptimalityGap => {
                mean_of(self.runs.iter().map(|r| stats::optimality_gap(&[r.score])))
            }
            Measure::TaskEnds => of_runs(|run| run.task_ends),
            Measure::AllTasks => of_runs(|run| run.all_tasks),
            Measure::Recovery => of_runs(|run| run.recovery),
            Measure::Slope => of_runs(|run| run.slope),
            Measure::Forgetting => of_runs(|run| run.forgetting),
            Measure::BackwardTransfer => of_runs(|run| run.backward_transfer),
            Measure::PlasticityGap => {
                let pairs = self.pairs(fresh?);
                mean_of(pairs.iter().filter_map(|(own, new)| {
                    let [own, new] = [own, new].map(|run| run.oriented_task_means(score));
                    measures::plasticity_gap(&own, &new)
                }))
            }
            Measure::ForwardTransfer if score.task_steps == 0 => None,
            // A ratio, so that of means over runs, as published, not the mean of ratios.
            Measure::ForwardTransfer => {
                let pairs = self.pairs(fresh?);
                draws(&[pairs.len()])?.interval_if(|draw| {
                    let own = draw.iter().map(|&i| pairs[i].0.task_means.as_slice());
                    let new = draw.iter().map(|&i| pairs[i].1.task_means.as_slice());
                    let [own, new] = [columns(own), columns(new)].map(|columns| {
                        columns.iter().map(|c| score.normalise(mean(c))).collect::<Vec<_>>()
                    });
                    measures::forward_transfer(&own, &new)
                })
            }
        }
    }

    /// Whether runs end better than those of `other`, paired or not.
    fn improvement(&self, other: &Measured) -> Option<Interval> {
        let (own, others) = (self.values(|run| run.score), other.values(|run| run.score));
        let draws = draws(&[own.len(), others.len()])?;
        Some(draws.of(&[own.as_slice(), &others].concat(), |draw| {
            let (own, others) = draw.split_at(own.len());
            stats::probability_of_improvement(own, others)
        }))
    }

    /// `None` if neither side has a spread, since there is no unit then.
    fn distance(&self, anchor: Anchor, score: &Score) -> Option<(f64, f64)> {
        let ends = self.values(|run| run.end);
        let (n, mean) = (ends.len() as f64, mean(&ends));
        let variance = match ends.len() {
            0 => return None,
            1 => anchor.se.powi(2) * anchor.seeds as f64,
            _ => ends.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / (n - 1.0),
        };
        let se = (variance / n + anchor.se.powi(2)).sqrt();
        (se > 0.0).then(|| (mean, score.oriented(mean - anchor.mean) / se))
    }

    fn values(&self, value: impl Fn(&MeasuredRun) -> f64) -> Vec<f64> {
        self.runs.iter().map(value).collect()
    }

    /// Runs on the same seeds.
    fn pairs<'b>(&'b self, other: &'b Measured) -> Vec<Pair<'b>> {
        let partner = |run: &MeasuredRun| other.runs.iter().find(|o| o.seed == run.seed);
        self.runs.iter().filter_map(|run| Some((run, partner(run)?))).collect()
    }

    /// The mean over runs of each place in a list of numbers that a run has.
    fn means(&self, list: impl for<'r> Fn(&'r MeasuredRun<'a>) -> &'r [f64]) -> Vec<Interval> {
        let Some(draws) = draws(&[self.runs.len()]) else { return Vec::new() };
        columns(self.runs.iter().map(list)).iter().map(|values| draws.mean(values)).collect()
    }
}

/// `lists`, place by place, up to the end of the shortest.
fn columns<'a>(lists: impl Iterator<Item = &'a [f64]>) -> Vec<Vec<f64>> {
    let lists: Vec<&[f64]> = lists.collect();
    let length = lists.iter().map(|list| list.len()).min().unwrap_or(0);
    (0..length).map(|place| lists.iter().map(|list| list[place]).collect()).collect()
}

fn above(score: f64, level: f64) -> f64 {
    stats::share_above(&[score], level)
}

fn mean_of(values: impl Iterator<Item = f64>) -> Option<Interval> {
    let values: Vec<f64> = values.collect();
    Some(draws(&[values.len()])?.mean(&values))
}

/// Draws from strata of so many runs; `None` if there is nothing to draw from. They depend on nothing else,
/// so methods with as many runs are compared on the same draws.
fn draws(strata: &[usize]) -> Option<Resamples> {
    let stream = strata.iter().fold(0, |stream, runs| stream * 1_000_003 + *runs as u64);
    strata
        .iter()
        .all(|runs| *runs > 0)
        .then(|| Resamples::new(strata, DRAWS, &mut random::stream(SEED, stream)))
}
