//! [`FixedStep`]: an environment that stops getting older.

use crate::{Action, Env, EnvError, EnvSpec, Step};

/// Begins every episode as after so many steps, however many were evaluated before.
pub struct FixedStep {
    env: Box<dyn Env>,
    age: u64,
}

impl FixedStep {
    /// Around any environment; one that does not drift stays as it is.
    pub fn new(env: Box<dyn Env>, age: u64) -> Self {
        Self { env, age }
    }
}

impl Env for FixedStep {
    fn spec(&self) -> EnvSpec {
        self.env.spec()
    }

    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        self.env.set_age(self.age);
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
        self.age = steps;
    }
}
