//! Wrappers that [`Registry::make`](crate::Registry::make) puts around an environment:
//! [`TimeLimit`] and [`ActionRescale`]. Each is an [`Env`] around an [`Env`].

use crate::{
    Action, ActionSpace, Env, EnvError, EnvSpec, Frame, Params, State, Step, bytes, is_type_limit,
};

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

    fn begin(&mut self, action: Action<'_>) -> bool {
        self.env.begin(action)
    }

    fn task(&self) -> usize {
        self.env.task()
    }

    fn interruptions(&self) -> u64 {
        self.env.interruptions()
    }

    fn set_age(&mut self, steps: u64) {
        self.env.set_age(steps);
    }

    fn render(&mut self) -> Result<Option<Frame>, EnvError> {
        self.env.render()
    }

    fn params(&mut self) -> Option<&mut dyn Params> {
        self.env.params()
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

/// Shows a continuous environment with actions in `[-1, 1]`, whatever its own bounds.
/// Actions outside are clipped.
pub struct ActionRescale {
    env: Box<dyn Env>,
    low: Vec<f32>,
    high: Vec<f32>,
    rescaled: Vec<f32>,
}

impl ActionRescale {
    /// Around an environment with finite action bounds.
    ///
    /// # Errors
    /// Discrete actions, or bounds that are infinite, the limits of a type ([`is_type_limit`]) or the
    /// wrong way round.
    pub fn new(env: Box<dyn Env>) -> Result<Self, EnvError> {
        let ActionSpace::Box { low, high } = env.spec().action else {
            return Err("ActionRescale is around an environment with discrete actions; leave it \
                out there"
                .into());
        };
        if low.len() != high.len() {
            return Err(format!(
                "the action space has {} lower bounds and {} upper ones; give one pair each",
                low.len(),
                high.len()
            )
            .into());
        }
        let good = |(l, h): (&f32, &f32)| l.is_finite() && h.is_finite() && l <= h;
        if let Some(i) = low.iter().zip(&high).position(|pair| !good(pair)) {
            return Err(format!(
                "action component {i} is bounded by {} and {}, which cannot be mapped from \
                 [-1, 1]; give finite bounds, low before high",
                low[i], high[i]
            )
            .into());
        }
        let limit = |(l, h): (&f32, &f32)| is_type_limit(*l) || is_type_limit(*h);
        if let Some(i) = low.iter().zip(&high).position(limit) {
            return Err(format!(
                "action component {i} is bounded by {} and {}, the limits of its type, which say \
                 nothing about how large actions are; give the range that actions have",
                low[i], high[i]
            )
            .into());
        }
        Ok(Self { env, rescaled: vec![0.0; low.len()], low, high })
    }

    fn rescale(&mut self, action: Action<'_>) -> Result<(), EnvError> {
        let action = action.components(self.low.len())?;
        for (i, (out, a)) in self.rescaled.iter_mut().zip(action).enumerate() {
            let (low, high) = (self.low[i], self.high[i]);
            // Half the sum plus half the difference: [-1, 1] maps to itself without rounding.
            let (middle, reach) = (0.5 * low + 0.5 * high, 0.5 * high - 0.5 * low);
            *out = (middle + a * reach).clamp(low, high);
        }
        Ok(())
    }
}

impl Env for ActionRescale {
    fn spec(&self) -> EnvSpec {
        EnvSpec { action: ActionSpace::symmetric(self.low.len()), ..self.env.spec() }
    }

    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        self.env.reset(seed, obs)
    }

    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        self.rescale(action)?;
        self.env.step(Action::Continuous(&self.rescaled), obs)
    }

    fn begin(&mut self, action: Action<'_>) -> bool {
        self.rescale(action).is_ok() && self.env.begin(Action::Continuous(&self.rescaled))
    }

    fn task(&self) -> usize {
        self.env.task()
    }

    fn interruptions(&self) -> u64 {
        self.env.interruptions()
    }

    fn set_age(&mut self, steps: u64) {
        self.env.set_age(steps);
    }

    fn render(&mut self) -> Result<Option<Frame>, EnvError> {
        self.env.render()
    }

    fn params(&mut self) -> Option<&mut dyn Params> {
        self.env.params()
    }

    fn state(&mut self) -> Option<&mut dyn State> {
        self.env.state()
    }
}

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
