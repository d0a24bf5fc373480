//! [`ActionRescale`]: actions in `[-1, 1]`, whatever the bounds of the environment.

use crate::{Action, ActionSpace, Env, EnvError, EnvSpec, Step, is_type_limit};

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

    fn inner(&self) -> Option<&dyn Env> {
        Some(self.env.as_ref())
    }

    fn inner_mut(&mut self) -> Option<&mut dyn Env> {
        Some(self.env.as_mut())
    }

    fn begin(&mut self, action: Action<'_>) -> bool {
        self.rescale(action).is_ok() && self.env.begin(Action::Continuous(&self.rescaled))
    }
}
