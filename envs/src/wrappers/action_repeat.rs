//! [`ActionRepeat`]: each action is taken several times and the rewards are summed.

use crate::{Action, Env, EnvError, EnvSpec, Step};

/// Takes each action `repeat` times, or until the episode ends, and sums the rewards, as
/// `dm_control` users and SimbaV2 do. The agent's step is `repeat` steps of the environment.
pub struct ActionRepeat {
    env: Box<dyn Env>,
    repeat: u32,
}

impl ActionRepeat {
    /// # Errors
    /// `repeat` of zero.
    pub fn new(env: Box<dyn Env>, repeat: u32) -> Result<Self, EnvError> {
        if repeat == 0 {
            return Err("action_repeat = 0 takes no step at all; give at least 1".into());
        }
        Ok(Self { env, repeat })
    }
}

impl Env for ActionRepeat {
    fn spec(&self) -> EnvSpec {
        let spec = self.env.spec();
        EnvSpec { time_limit: spec.time_limit.map(|limit| limit.div_ceil(self.repeat)), ..spec }
    }

    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        self.env.reset(seed, obs)
    }

    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        let mut sum = self.env.step(action, obs)?;
        for _ in 1..self.repeat {
            if sum.terminated || sum.truncated {
                break;
            }
            let step = self.env.step(action, obs)?;
            sum = Step { reward: sum.reward + step.reward, ..step };
        }
        Ok(sum)
    }

    fn inner(&self) -> Option<&dyn Env> {
        Some(self.env.as_ref())
    }

    fn inner_mut(&mut self) -> Option<&mut dyn Env> {
        Some(self.env.as_mut())
    }

    fn set_age(&mut self, steps: u64) {
        // A little less where episodes ended before their last action was repeated in full.
        self.env.set_age(steps.saturating_mul(u64::from(self.repeat)));
    }
}
