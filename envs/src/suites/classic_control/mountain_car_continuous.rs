//! `MountainCarContinuous-v0`: the mountain car with a continuous motor, and effort that costs.
//!
//! Dynamics of Gymnasium 1.4, `classic_control/continuous_mountain_car.py`. It keeps its state
//! in `f32` and `NumPy` 2 computes `f32 * float` in `f32`, so this file does the same.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::mountain_car;
use crate::params::params;
use crate::{
    Action, ActionSpace, Env, EnvError, EnvSpec, Frame, Params, Space, State, Step, bytes,
};

const MIN_POSITION: f32 = -1.2;
const MAX_POSITION: f32 = 0.6;
const MAX_SPEED: f32 = 0.07;
const GOAL_POSITION: f32 = 0.45;

/// `MountainCarContinuous-v0`. Its saved state is position and velocity.
#[derive(Debug, Clone, PartialEq)]
pub struct MountainCarContinuous {
    gravity: f64,
    power: f64,
    /// Speed the goal must at least be passed with.
    goal_velocity: f64,
    position: f32,
    velocity: f32,
}

impl Default for MountainCarContinuous {
    fn default() -> Self {
        Self { gravity: 0.0025, power: 0.0015, goal_velocity: 0.0, position: -0.5, velocity: 0.0 }
    }
}

impl MountainCarContinuous {
    fn observe(&self, obs: &mut [f32]) {
        obs.copy_from_slice(&[self.position, self.velocity]);
    }
}

params!(MountainCarContinuous { gravity: finite, power: finite, goal_velocity: finite });

impl Env for MountainCarContinuous {
    fn spec(&self) -> EnvSpec {
        EnvSpec {
            obs: Space::bounded(vec![MIN_POSITION, -MAX_SPEED], vec![MAX_POSITION, MAX_SPEED]),
            action: ActionSpace::symmetric(1),
            time_limit: Some(999),
        }
    }

    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        // Differs from Gymnasium: the first position is rounded to f32 here, there after one step.
        self.position = ChaCha8Rng::seed_from_u64(seed).random_range(-0.6..-0.4) as f32;
        self.velocity = 0.0;
        self.observe(obs);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        let action = action.components(1)?[0];
        self.velocity += self.acceleration(action);
        self.velocity = self.velocity.clamp(-MAX_SPEED, MAX_SPEED);
        self.position = (self.position + self.velocity).clamp(MIN_POSITION, MAX_POSITION);
        if self.position == MIN_POSITION && self.velocity < 0.0 {
            self.velocity = 0.0;
        }
        self.observe(obs);
        let terminated =
            self.position >= GOAL_POSITION && self.velocity >= self.goal_velocity as f32;
        let effort = f64::from(action) * f64::from(action) * 0.1;
        let reward = (if terminated { 100.0 } else { 0.0 } - effort) as f32;
        Ok(Step { reward, terminated, truncated: false })
    }

    fn render(&mut self) -> Result<Option<Frame>, EnvError> {
        mountain_car::picture(self.position, GOAL_POSITION).map(Some)
    }

    fn params(&mut self) -> Option<&mut dyn Params> {
        Some(self)
    }

    fn state(&mut self) -> Option<&mut dyn State> {
        Some(self)
    }
}

impl MountainCarContinuous {
    fn acceleration(&self, action: f32) -> f32 {
        let slope = self.gravity * f64::from(3.0 * self.position).cos();
        // A clipped action is a Python float there, so the sum is in f64.
        if action > 1.0 {
            (self.power - slope) as f32
        } else if action < -1.0 {
            (-self.power - slope) as f32
        } else {
            action * self.power as f32 - slope as f32
        }
    }
}

impl State for MountainCarContinuous {
    fn save(&self) -> Vec<u8> {
        bytes::from_f64s(&[f64::from(self.position), f64::from(self.velocity)])
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), EnvError> {
        let state = bytes::to_f64s::<2>(bytes, "MountainCarContinuous-v0")?;
        [self.position, self.velocity] = state.map(|x| x as f32);
        Ok(())
    }
}
