//! [`Physics`]: one physical constant of the environment changes over time.

use serde::{Deserialize, Serialize};

use super::course::{Course, Curve};
use super::drifting::{Begin, Change};
use crate::{Env, EnvError, Params};

/// A constant of [`Env::params`] follows a [`Course`]. What it is set to by others lasts until the
/// next reset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Physics {
    /// Name of the constant.
    pub constant: String,
    /// Whether the course gives its values, or (false) what its value is multiplied by.
    #[serde(default)]
    pub absolute: bool,
    /// How it changes.
    #[serde(default)]
    pub course: Course,
    /// What is drawn follows from this and the number of the period; of a table in a file, the
    /// number of the line.
    #[serde(default)]
    pub seed: u64,
}

pub(super) struct Constant {
    name: String,
    /// What values are multiplied by.
    unit: f64,
    curve: Curve,
}

impl Physics {
    pub(super) fn signal_task_change(&self) -> bool {
        matches!(&self.course, Course::Table(table) if table.signal_task_change)
    }

    pub(super) fn build(&self, env: &mut dyn Env) -> Result<Constant, EnvError> {
        let name = &self.constant;
        let params = params(env)?;
        let value =
            params.get(name).ok_or_else(|| crate::params::unknown(name, &params.names()))?;
        let (unit, start) = if self.absolute { (1.0, value) } else { (value, 1.0) };
        let curve = self.course.build(start, self.seed)?;
        for extreme in curve.extremes() {
            params.set(name, unit * extreme)?;
        }
        params.set(name, value)?;
        Ok(Constant { name: name.clone(), unit, curve })
    }
}

impl Change for Constant {
    fn index(&self, age: u64) -> u64 {
        self.curve.index(age)
    }

    fn begin(&mut self, begin: Begin, env: &mut dyn Env) -> Result<(), EnvError> {
        params(env)?.set(&self.name, self.unit * self.curve.value(begin.age))
    }
}

fn params(env: &mut dyn Env) -> Result<&mut dyn Params, EnvError> {
    env.params().ok_or_else(|| {
        "the environment has no constants to change; `supple envs` lists them where there are any"
            .into()
    })
}
