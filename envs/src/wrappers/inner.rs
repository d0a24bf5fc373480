//! What wrappers share: an environment in a box is one, and the state of the one inside.

use crate::{Action, Env, EnvError, EnvSpec, Frame, Params, State, Step};

impl<E: Env + ?Sized> Env for Box<E> {
    fn spec(&self) -> EnvSpec {
        (**self).spec()
    }
    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        (**self).reset(seed, obs)
    }
    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        (**self).step(action, obs)
    }
    fn begin(&mut self, action: Action<'_>) -> bool {
        (**self).begin(action)
    }
    fn task(&self) -> usize {
        (**self).task()
    }
    fn interruptions(&self) -> u64 {
        (**self).interruptions()
    }
    fn set_age(&mut self, steps: u64) {
        (**self).set_age(steps);
    }
    fn render(&mut self) -> Result<Option<Frame>, EnvError> {
        (**self).render()
    }
    fn params(&mut self) -> Option<&mut dyn Params> {
        (**self).params()
    }
    fn state(&mut self) -> Option<&mut dyn State> {
        (**self).state()
    }
}

/// Loads the state of a wrapped environment that is known to have one.
pub(crate) fn load_inner(env: &mut dyn Env, bytes: &[u8]) -> Result<(), EnvError> {
    let state = env.state().ok_or(
        "the environment could save its state but not load it; have Env::state always return the \
         same",
    )?;
    state.load(bytes)
}
