//! [`Course`]: how a number changes over time. [`Curve`] is the same ready for use: a pure function of the
//! age.

use std::f64::consts::PI;

use rand::RngExt;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

use super::period::{index, some_steps};
use super::random::{Use, rng};
use super::values::Values;
use crate::EnvError;

/// How a number changes over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Course {
    /// One value after the other.
    Table(Table),
    /// A curve.
    Schedule(Schedule),
    /// Random steps.
    RandomWalk(RandomWalk),
}

impl Default for Course {
    fn default() -> Self {
        Self::Schedule(Schedule::default())
    }
}

/// One value after the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The values.
    pub values: Values,
    /// Steps of an environment with one value.
    pub period: u64,
    /// What follows the last value.
    #[serde(default)]
    pub at_end: AtEnd,
    /// Whether [`Env::task`](crate::Env::task) counts the changes.
    #[serde(default = "super::period::yes")]
    pub signal_task_change: bool,
}

/// What follows the last value of a [`Table`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AtEnd {
    /// The first one.
    #[default]
    Cycle,
    /// The last one, until the run ends.
    Hold,
}

/// A curve, in steps of episodes: an episode keeps the value of its first step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// Its form.
    pub shape: Shape,
    /// One end of the values.
    pub from: f64,
    /// The other one.
    pub to: f64,
    /// Steps of an environment from `from` to `to`, or of a whole oscillation.
    pub period: u64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { shape: Shape::Sine, from: 0.5, to: 2.0, period: 100_000 }
    }
}

/// The form of a [`Schedule`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Along a line from `from` to `to`, then `to` from there on.
    Linear,
    /// Along half a cosine from `from` to `to`, slow at both ends, then `to` from there on.
    Cosine,
    /// Between `from` and `to` for ever, from the middle towards `to` at first.
    #[default]
    Sine,
}

/// Random steps of the logarithm, reflected at the bounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomWalk {
    /// Standard deviation of one step of the natural logarithm.
    pub step: f64,
    /// Lowest value; above 0.
    pub low: f64,
    /// Highest value.
    pub high: f64,
    /// Steps of an environment between two steps of the walk.
    pub period: u64,
}

/// A [`Course`] ready for use.
pub(super) enum Curve {
    Table { values: Vec<f64>, table: Table },
    Schedule(Schedule),
    Walk(Walk),
}

impl Course {
    /// `start` is where a random walk begins.
    pub(super) fn build(&self, start: f64, seed: u64) -> Result<Curve, EnvError> {
        match self {
            Self::Table(table) => {
                some_steps("course.period", table.period)?;
                let values = table.values.read(seed)?;
                Ok(Curve::Table { values, table: table.clone() })
            }
            Self::Schedule(schedule) => {
                some_steps("course.period", schedule.period)?;
                Ok(Curve::Schedule(schedule.clone()))
            }
            Self::RandomWalk(config) => Walk::new(config, start, seed).map(Curve::Walk),
        }
    }
}

impl Curve {
    /// Which value is on after so many steps, as far as there is a number of the values.
    pub(super) fn index(&self, age: u64) -> u64 {
        match self {
            Self::Table { values, table } => {
                let index = index(age, table.period);
                match table.at_end {
                    AtEnd::Cycle => index,
                    AtEnd::Hold => index.min(values.len() as u64 - 1),
                }
            }
            Self::Schedule(_) => 0,
            Self::Walk(walk) => index(age, walk.config.period),
        }
    }

    /// The value after so many steps.
    pub(super) fn value(&mut self, age: u64) -> f64 {
        let index = self.index(age);
        match self {
            Self::Table { values, .. } => values[(index % values.len() as u64) as usize],
            Self::Schedule(schedule) => schedule.value(age),
            Self::Walk(walk) => walk.value(index),
        }
    }

    /// Values to try before a run: all of a table, the ends of the others.
    pub(super) fn extremes(&self) -> Vec<f64> {
        match self {
            Self::Table { values, .. } => values.clone(),
            Self::Schedule(schedule) => vec![schedule.from, schedule.to],
            Self::Walk(walk) => vec![walk.config.low, walk.config.high],
        }
    }
}

impl Schedule {
    fn value(&self, age: u64) -> f64 {
        let Self { from, to, period, .. } = *self;
        let part = age.min(period) as f64 / period as f64;
        let way = match self.shape {
            Shape::Linear => part,
            Shape::Cosine => 0.5 - 0.5 * (PI * part).cos(),
            Shape::Sine => {
                let part = (age % period) as f64 / period as f64;
                0.5 + 0.5 * (2.0 * PI * part).sin()
            }
        };
        // Both ends exactly.
        from * (1.0 - way) + to * way
    }
}

/// A random walk with its last value, from which the next one continues.
pub(super) struct Walk {
    config: RandomWalk,
    seed: u64,
    start: f64,
    /// Steps taken, and the logarithm after them.
    at: (u64, f64),
}

impl Walk {
    fn new(config: &RandomWalk, start: f64, seed: u64) -> Result<Self, EnvError> {
        some_steps("course.period", config.period)?;
        let RandomWalk { step, low, high, .. } = *config;
        if !(step.is_finite() && step > 0.0) {
            return Err(format!("course.step = {step} is no step; give a number above 0").into());
        }
        if !(low > 0.0 && high.is_finite() && low < high) {
            return Err(format!(
                "course.low = {low} and course.high = {high} leave a walk in logarithms no room; \
                 give 0 < low < high"
            )
            .into());
        }
        if !(low..=high).contains(&start) {
            return Err(format!(
                "the walk begins at {start}, outside its bounds {low} to {high}; widen them"
            )
            .into());
        }
        Ok(Self { config: config.clone(), seed, start, at: (0, start.ln()) })
    }

    /// The value after `index` steps. Each step has a generator of its own, so that the walk is the
    /// same whatever value was computed before; an earlier index restarts it.
    fn value(&mut self, index: u64) -> f64 {
        if index == 0 {
            return self.start;
        }
        if index < self.at.0 {
            self.at = (0, self.start.ln());
        }
        let RandomWalk { step, low, high, .. } = self.config;
        for i in self.at.0..index {
            let normal: f64 = rng(Use::Walk, self.seed, i).sample(StandardNormal);
            self.at = (i + 1, reflect(self.at.1 + step * normal, low.ln(), high.ln()));
        }
        self.at.1.exp().clamp(low, high)
    }
}

/// `x` between mirrors at `low` and `high`.
fn reflect(x: f64, low: f64, high: f64) -> f64 {
    let width = high - low;
    let unfolded = (x - low).rem_euclid(2.0 * width);
    low + if unfolded > width { 2.0 * width - unfolded } else { unfolded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_reflect_as_often_as_needed() {
        let cases =
            [(0.5, 0.5), (1.0, 1.0), (1.25, 0.75), (-0.25, 0.25), (2.25, 0.25), (-3.0, 1.0)];
        for (x, seen) in cases {
            assert_eq!(reflect(x, 0.0, 1.0), seen, "{x}");
        }
        assert_eq!(reflect(6.0, 2.0, 5.0), 4.0);
    }
}
