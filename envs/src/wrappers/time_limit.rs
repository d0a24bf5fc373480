//! [`TimeLimit`]: episodes of at most so many steps.

use super::inner::load_inner;
use crate::{Action, Env, EnvError, EnvSpec, State, Step, bytes};

/// Truncates an episode after a number of steps.
pub struct TimeLimit {
    env: Box<dyn Env>,
    limit: Option<u32>,
    elapsed: u32,
    saved: Vec<u8>,
}

impl TimeLimit {
    /// `None` takes a limit out of the environment's spec.
    ///
    /// # Errors
    /// A limit of zero steps.
    pub fn new(env: Box<dyn Env>, limit: Option<u32>) -> Result<Self, EnvError> {
        if limit == Some(0) {
            return Err("a time limit of 0 steps leaves no step to take; give at least 1".into());
        }
        Ok(Self { env, limit, elapsed: 0, saved: Vec::new() })
    }
}

impl Env for TimeLimit {
    fn spec(&self) -> EnvSpec {
        EnvSpec { time_limit: self.limit, ..self.env.spec() }
    }

    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        self.elapsed = 0;
        self.env.reset(seed, obs)
    }

    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        let mut step = self.env.step(action, obs)?;
        self.elapsed = self.elapsed.saturating_add(1);
        step.truncated |= self.limit.is_some_and(|limit| self.elapsed >= limit);
        Ok(step)
    }

    fn inner(&self) -> Option<&dyn Env> {
        Some(self.env.as_ref())
    }

    fn inner_mut(&mut self) -> Option<&mut dyn Env> {
        Some(self.env.as_mut())
    }

    fn state(&mut self) -> Option<&mut dyn State> {
        // The inner state is out of reach of `save(&self)`, so it is taken here.
        self.saved = self.env.state()?.save();
        Some(self)
    }
}

impl State for TimeLimit {
    fn save(&self) -> Vec<u8> {
        [&self.elapsed.to_le_bytes(), self.saved.as_slice()].concat()
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), EnvError> {
        let (own, inner) = bytes::split(bytes, size_of::<u32>(), "TimeLimit")?;
        load_inner(self.env.as_mut(), inner)?;
        self.elapsed = u32::from_le_bytes(own.try_into()?);
        Ok(())
    }
}
