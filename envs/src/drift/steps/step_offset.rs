//! [`StepOffset`]: an environment that is some steps ahead of those that use it.

use crate::{Action, Env, EnvError, EnvSpec, Step};

/// Adds `by` steps to the age it is given, so that a run can begin in the middle of a sequence of tasks.
pub struct StepOffset {
    env: Box<dyn Env>,
    by: u64,
}

impl StepOffset {
    /// Around any environment; one that does not drift stays as it is.
    pub fn new(mut env: Box<dyn Env>, by: u64) -> Self {
        env.set_age(by);
        Self { env, by }
    }
}

impl Env for StepOffset {
    fn spec(&self) -> EnvSpec {
        self.env.spec()
    }

    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        self.env.reset(seed, obs)
    }

    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        self.env.step(action, obs)
    }

    fn inner(&self) -> Option<&dyn Env> {
        Some(self.env.as_ref())
    }

    fn inner_mut(&mut self) -> Option<&mut dyn Env> {
        Some(self.env.as_mut())
    }

    fn set_age(&mut self, steps: u64) {
        self.env.set_age(steps.saturating_add(self.by));
    }
}
