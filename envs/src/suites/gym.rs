//! [`Gym`]: an environment of the crate gymnasium-rs as an [`Env`].
//!
//! That crate reports faults by panicking and passes observations as arrays; here its panics
//! become errors. It knows no time limit but a wrapper that borrows: set one with
//! `max_episode_steps`. Its infinite bounds are the largest `f32`, which is kept.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use gymnasium_rs::core::{Env as GymEnv, Space as GymSpace};
use ndarray::Array1;

use crate::check::probe::panic_message;
use crate::{Action, ActionSpace, Env, EnvError, EnvSpec, Space, Step};

/// An environment of gymnasium-rs. `A` is its action: `i32`, `usize`, or `Array1<f32>`.
pub struct Gym<E, A> {
    env: E,
    spec: EnvSpec,
    action: PhantomData<fn(A)>,
}

/// The action types an adapted environment may have.
pub trait GymAction: Sized {
    /// The environment's action from ours.
    ///
    /// # Errors
    /// An action of the other kind.
    fn convert(action: Action<'_>) -> Result<Self, EnvError>;
}

impl GymAction for i32 {
    fn convert(action: Action<'_>) -> Result<Self, EnvError> {
        Ok(Self::try_from(action.discrete()?)?)
    }
}

impl GymAction for usize {
    fn convert(action: Action<'_>) -> Result<Self, EnvError> {
        action.discrete()
    }
}

impl GymAction for Array1<f32> {
    fn convert(action: Action<'_>) -> Result<Self, EnvError> {
        Ok(Self::from_vec(action.continuous()?.to_vec()))
    }
}

impl<E, A> Gym<E, A>
where
    E: GymEnv<Array1<f32>, A> + Send,
    A: GymAction,
{
    /// Adapts `env`.
    ///
    /// # Errors
    /// A discrete observation space, or a space that panics or has no actions.
    pub fn new(env: E) -> Result<Self, EnvError> {
        let spaces = || (env.observation_space(), env.action_space());
        let (obs, action) = unpanicked("its spaces", spaces)?;
        let GymSpace::Box { low, high } = obs else {
            return Err("the gymnasium-rs environment has discrete observations; have it give an \
                array, such as one-hot"
                .into());
        };
        let obs = Space::bounded(low.to_vec(), high.to_vec());
        let action = match action {
            GymSpace::Discrete(n) => ActionSpace::Discrete(
                usize::try_from(n)
                    .map_err(|_| format!("Discrete({n}) has no actions; give at least one"))?,
            ),
            GymSpace::Box { low, high } => {
                ActionSpace::Box { low: low.to_vec(), high: high.to_vec() }
            }
        };
        let spec = EnvSpec { obs, action, time_limit: None };
        Ok(Self { env, spec, action: PhantomData })
    }
}

impl<E, A> Env for Gym<E, A>
where
    E: GymEnv<Array1<f32>, A> + Send,
    A: GymAction,
{
    fn spec(&self) -> EnvSpec {
        self.spec.clone()
    }

    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        // Its seeds are i32; both halves of ours take part.
        let seed = (seed ^ (seed >> 32)) as i32;
        let (first, _) = unpanicked("reset", || self.env.reset(Some(seed), HashMap::new()))?;
        copy(&first, obs)
    }

    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        let action = A::convert(action)?;
        let (next, reward, terminated, truncated, _) =
            unpanicked("step", || self.env.step(action))?;
        copy(&next, obs)?;
        Ok(Step { reward, terminated, truncated })
    }
}

fn copy(from: &Array1<f32>, obs: &mut [f32]) -> Result<(), EnvError> {
    if from.len() != obs.len() {
        return Err(format!(
            "the gymnasium-rs environment gave {} observation components where its space has {}; \
             correct its observation_space()",
            from.len(),
            obs.len()
        )
        .into());
    }
    obs.iter_mut().zip(from).for_each(|(out, x)| *out = *x);
    Ok(())
}

fn unpanicked<T>(what: &str, run: impl FnOnce() -> T) -> Result<T, EnvError> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let message = panic_message(panic.as_ref());
        format!("the gymnasium-rs environment panicked in {what}: {message}").into()
    })
}
