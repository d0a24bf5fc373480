//! `MountainCar-v0`: rock an underpowered car out of a valley.
//!
//! A. Moore, "Efficient memory-based learning for robot control", 1990. Dynamics of Gymnasium
//! 1.4, `classic_control/mountain_car.py`.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::params::params;
use crate::{Action, ActionSpace, Env, EnvError, EnvSpec, Params, Space, State, Step, bytes};

const MIN_POSITION: f64 = -1.2;
const MAX_POSITION: f64 = 0.6;
const MAX_SPEED: f64 = 0.07;
const GOAL_POSITION: f64 = 0.5;

/// `MountainCar-v0`. Its saved state is position and velocity.
#[derive(Debug, Clone, PartialEq)]
pub struct MountainCar {
    gravity: f64,
    force: f64,
    /// Speed the goal must at least be passed with.
    goal_velocity: f64,
    position: f64,
    velocity: f64,
}

impl Default for MountainCar {
    fn default() -> Self {
        Self { gravity: 0.0025, force: 0.001, goal_velocity: 0.0, position: -0.5, velocity: 0.0 }
    }
}

impl MountainCar {
    fn observe(&self, obs: &mut [f32]) {
        obs.copy_from_slice(&[self.position as f32, self.velocity as f32]);
    }
}

params!(MountainCar { gravity: finite, force: finite, goal_velocity: finite });

impl Env for MountainCar {
    fn spec(&self) -> EnvSpec {
        EnvSpec {
            obs: Space::bounded(
                vec![MIN_POSITION as f32, -MAX_SPEED as f32],
                vec![MAX_POSITION as f32, MAX_SPEED as f32],
            ),
            action: ActionSpace::Discrete(3),
            time_limit: Some(200),
        }
    }

    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        self.position = ChaCha8Rng::seed_from_u64(seed).random_range(-0.6..-0.4);
        self.velocity = 0.0;
        self.observe(obs);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        let push = action.choice(3)? as f64 - 1.0;
        self.velocity += push * self.force + (3.0 * self.position).cos() * -self.gravity;
        self.velocity = self.velocity.clamp(-MAX_SPEED, MAX_SPEED);
        self.position = (self.position + self.velocity).clamp(MIN_POSITION, MAX_POSITION);
        if self.position == MIN_POSITION && self.velocity < 0.0 {
            self.velocity = 0.0;
        }
        self.observe(obs);
        let terminated = self.position >= GOAL_POSITION && self.velocity >= self.goal_velocity;
        Ok(Step { reward: -1.0, terminated, truncated: false })
    }

    fn params(&mut self) -> Option<&mut dyn Params> {
        Some(self)
    }

    fn state(&mut self) -> Option<&mut dyn State> {
        Some(self)
    }
}

impl State for MountainCar {
    fn save(&self) -> Vec<u8> {
        bytes::from_f64s(&[self.position, self.velocity])
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), EnvError> {
        [self.position, self.velocity] = bytes::to_f64s(bytes, "MountainCar-v0")?;
        Ok(())
    }
}
