//! Statistics of a handful of runs, after Agarwal et al. 2021, "Deep reinforcement learning at the edge
//! of the statistical precipice" (arXiv 2108.13264), with the conventions of their library rliable:
//! tested against it (`tests/golden/statistics.py`).
//!
//! Left out: intervals over tasks (theirs for a larger population of tasks), and bias-corrected ones.

use networks::random::Rng;
use rand::RngExt;

use crate::summary::Interval;

/// The mean; NaN of nothing.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Interquartile mean: without the lowest and the highest quarter. Of each, `values.len() / 4` whole
/// values are left out, and none is counted in part, as `scipy.stats.trim_mean(x, 0.25)` does.
pub fn iqm(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let cut = sorted.len() / 4;
    mean(&sorted[cut..sorted.len() - cut])
}

/// How far normalised `values` stay below 1, on the average; above it they count as 1.
pub fn optimality_gap(values: &[f64]) -> f64 {
    1.0 - values.iter().map(|v| v.min(1.0)).sum::<f64>() / values.len() as f64
}

/// The share of `values` above `level`: a point of a performance profile.
pub fn share_above(values: &[f64], level: f64) -> f64 {
    values.iter().filter(|&&v| v > level).count() as f64 / values.len() as f64
}

/// Probability that one of `own` is above one of `other`: over all pairs, ties counting half (the
/// Mann-Whitney statistic).
pub fn probability_of_improvement(own: &[f64], other: &[f64]) -> f64 {
    let wins: f64 = own
        .iter()
        .flat_map(|a| other.iter().map(move |b| f64::from(a > b) + 0.5 * f64::from(a == b)))
        .sum();
    wins / (own.len() * other.len()) as f64
}

/// The value below which `percent` % of `sorted` are, with linear interpolation between neighbours:
/// numpy's default.
pub fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let place = (sorted.len() - 1) as f64 * percent / 100.0;
    let (below, part) = (place.floor() as usize, place.fract());
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + part * (sorted[above] - sorted[below])
}

/// Draws with replacement for bootstrap intervals.
///
/// A draw is a list of indices into all runs; statistics are functions of it. So one set of draws serves
/// any statistic, and paired comparisons need nothing of their own: index pairs. With several strata
/// (tasks of a suite, or the runs of two methods that have nothing to do with each other), the runs of
/// one come after those of the other, and each draw takes as many from a stratum as are in it.
#[derive(Clone, Debug)]
pub struct Resamples {
    runs: usize,
    draws: Vec<Vec<usize>>,
}

impl Resamples {
    /// `count` draws from strata with so many runs each.
    pub fn new(strata: &[usize], count: usize, rng: &mut Rng) -> Resamples {
        let draw = |_| {
            let mut draw = Vec::with_capacity(strata.iter().sum());
            let mut first = 0;
            for &runs in strata {
                draw.extend((0..runs).map(|_| first + rng.random_range(0..runs)));
                first += runs;
            }
            draw
        };
        Resamples { runs: strata.iter().sum(), draws: (0..count).map(draw).collect() }
    }

    /// The statistic of all runs, and the 2.5th and 97.5th percentile of those of the draws. With one
    /// run in each stratum all three are the same.
    pub fn interval(&self, statistic: impl Fn(&[usize]) -> f64) -> Interval {
        let all: Vec<usize> = (0..self.runs).collect();
        percentiles(statistic(&all), self.draws.iter().map(|d| statistic(d)).collect())
    }

    /// The same of a statistic that some sets of runs do not have; draws without it are left out.
    /// `None` if all runs together do not have it.
    pub fn interval_if(&self, statistic: impl Fn(&[usize]) -> Option<f64>) -> Option<Interval> {
        let all: Vec<usize> = (0..self.runs).collect();
        let values = self.draws.iter().filter_map(|d| statistic(d)).collect();
        Some(percentiles(statistic(&all)?, values))
    }

    /// The mean of one value for each run.
    pub fn mean(&self, values: &[f64]) -> Interval {
        self.interval(|draw| draw.iter().map(|&i| values[i]).sum::<f64>() / draw.len() as f64)
    }

    /// Any statistic of one value for each run.
    pub fn of(&self, values: &[f64], statistic: impl Fn(&[f64]) -> f64) -> Interval {
        self.interval(|draw| statistic(&draw.iter().map(|&i| values[i]).collect::<Vec<_>>()))
    }
}

fn percentiles(point: f64, mut values: Vec<f64>) -> Interval {
    if values.is_empty() {
        return Interval { point, low: point, high: point };
    }
    values.sort_unstable_by(f64::total_cmp);
    Interval { point, low: percentile(&values, 2.5), high: percentile(&values, 97.5) }
}
