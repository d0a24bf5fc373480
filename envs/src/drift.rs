//! Environments that change while an agent trains in them: wrappers for continual learning, written
//! as `[[env.drift]]` in a run's TOML and put around an environment by
//! [`Registry::make_drifting`](crate::Registry::make_drifting), the first one innermost.
//!
//! Whatever changes is a function of the entry's own `seed` and of the *age* of the environment: the
//! steps taken in it, earlier episodes included, as the agent counts them ([`Env::set_age`]). A
//! change shows from the first reset at or after its step on, never within an episode. Environments
//! of one run that step together therefore change together, an evaluation sees what training sees,
//! and an age may be jumped to. The seed is not the run's, so that all runs of a study live through
//! the same changes unless configured otherwise.
//!
//! [`Env::task`] counts the announced changes: 0 at first, one more for each, over all wrappers and
//! whatever drifts inside. It names a visit and not a task: a task that returns has a new number, so
//! that no change is missed by who compares numbers, and the sum over several wrappers never stays
//! the same where one of them changed. (It counts what is on, so a change that no reset fell on is
//! skipped.) Hidden changes (`signal_task_change = false`) are not counted.
//!
//! | kind | what changes |
//! | --- | --- |
//! | [`TaskSequence`] | the environment itself |
//! | [`PermuteObs`], [`MaskObs`], [`ShiftObs`] | what is seen, resampled each period |
//! | [`RemapActions`] | what actions do, resampled each period |
//! | [`RewardScale`] | scale and sign of rewards |
//! | [`Physics`] | one physical constant: by a table, a schedule or a random walk |
//! | [`ObsNoise`], [`ObsDelay`], [`ActionDelay`] | nothing over time: what makes it harder |

mod actions;
mod course;
mod drifting;
mod observations;
mod period;
mod physics;
mod random;
mod reward;
mod steps;
mod task_sequence;
mod values;

pub use actions::{ActionDelay, RemapActions};
pub use course::{AtEnd, Course, RandomWalk, Schedule, Shape, Table};
pub use observations::{MaskObs, ObsDelay, ObsNoise, PermuteObs, ShiftObs};
pub use physics::Physics;
pub use reward::RewardScale;
pub use steps::{FixedStep, StepOffset};
pub use task_sequence::{Task, TaskSequence};
pub use values::Values;

use serde::{Deserialize, Serialize};

use crate::{Env, EnvError, Kwargs, Registry};
use drifting::Drifting;

/// One wrapper: an entry of `[[env.drift]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Drift {
    /// Several environments, one after the other. Only as the first entry.
    TaskSequence(TaskSequence),
    /// Observation components change places.
    PermuteObs(PermuteObs),
    /// Some observation components are hidden.
    MaskObs(MaskObs),
    /// A constant vector is added to observations.
    ShiftObs(ShiftObs),
    /// Choices change places; action components change places and signs.
    RemapActions(RemapActions),
    /// Rewards are scaled.
    Reward(RewardScale),
    /// A physical constant changes.
    Physics(Physics),
    /// Observations are noisy.
    ObsNoise(ObsNoise),
    /// Observations come late.
    ObsDelay(ObsDelay),
    /// Actions act late.
    ActionDelay(ActionDelay),
}

impl Drift {
    /// As written in `kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::TaskSequence(_) => "task_sequence",
            Self::PermuteObs(_) => "permute_obs",
            Self::MaskObs(_) => "mask_obs",
            Self::ShiftObs(_) => "shift_obs",
            Self::RemapActions(_) => "remap_actions",
            Self::Reward(_) => "reward",
            Self::Physics(_) => "physics",
            Self::ObsNoise(_) => "obs_noise",
            Self::ObsDelay(_) => "obs_delay",
            Self::ActionDelay(_) => "action_delay",
        }
    }

    fn wrap(&self, mut env: Box<dyn Env>) -> Result<Box<dyn Env>, EnvError> {
        let spec = env.spec();
        let drifting = match self {
            Self::TaskSequence(_) => {
                return Err(
                    "it makes the environment, so it can only be the first entry; move it \
                    there, and give all tasks in one"
                        .into(),
                );
            }
            Self::PermuteObs(c) => Drifting::new(env, c.build(&spec), c.signal_task_change),
            Self::MaskObs(c) => Drifting::new(env, c.build(&spec)?, c.signal_task_change),
            Self::ShiftObs(c) => Drifting::new(env, c.build(&spec)?, c.signal_task_change),
            Self::RemapActions(c) => Drifting::new(env, c.build(&spec)?, c.signal_task_change),
            Self::Reward(c) => Drifting::new(env, c.build()?, c.signal_task_change),
            Self::Physics(c) => {
                let change = c.build(env.as_mut())?;
                Drifting::new(env, change, c.signal_task_change())
            }
            Self::ObsNoise(c) => Drifting::new(env, c.build(&spec)?, false),
            Self::ObsDelay(c) => Drifting::new(env, c.build(&spec)?, false),
            Self::ActionDelay(c) => Drifting::new(env, c.build(&spec)?, false),
        };
        Ok(Box::new(drifting))
    }
}

impl Registry {
    /// Constructs an environment that changes over time: that of [`Registry::make`] with the
    /// wrappers around it, the first one innermost.
    ///
    /// # Errors
    /// As [`Registry::make`], or a wrapper that does not fit the environment.
    pub fn make_drifting(
        &self,
        id: &str,
        kwargs: &Kwargs,
        drift: &[Drift],
    ) -> Result<Box<dyn Env>, EnvError> {
        make(self, id, kwargs, drift)
    }
}

/// Makes the environment and puts the wrappers around it.
fn make(
    registry: &Registry,
    id: &str,
    kwargs: &Kwargs,
    list: &[Drift],
) -> Result<Box<dyn Env>, EnvError> {
    let place = |i: usize| {
        let kind = list[i].kind();
        move |error: EnvError| EnvError::from(format!("env.drift, entry {i} ({kind}): {error}"))
    };
    let (mut env, wrapped) = match list.first() {
        Some(Drift::TaskSequence(tasks)) => {
            (tasks.make(registry, id, kwargs).map_err(place(0))?, 1)
        }
        _ => (registry.make(id, kwargs)?, 0),
    };
    let mut constants = Vec::new();
    for (i, drift) in list.iter().enumerate().skip(wrapped) {
        if let Drift::Physics(Physics { constant, .. }) = drift {
            if constants.contains(&constant) {
                let error = format!("{constant} changes by an entry before; leave one out");
                return Err(place(i)(error.into()));
            }
            constants.push(constant);
        }
        env = drift.wrap(env).map_err(place(i))?;
    }
    Ok(env)
}
