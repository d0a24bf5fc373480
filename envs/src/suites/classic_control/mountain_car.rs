//! `MountainCar-v0`: rock an underpowered car out of a valley.
//!
//! A. Moore, "Efficient memory-based learning for robot control", 1990. Dynamics of Gymnasium
//! 1.4, `classic_control/mountain_car.py`.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::canvas::{BLUE, Canvas, GREEN, GREY, INK, ORANGE};
use crate::params::params;
use crate::{
    Action, ActionSpace, Env, EnvError, EnvSpec, Frame, Params, Space, State, Step, bytes,
};

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

    fn render(&mut self) -> Result<Option<Frame>, EnvError> {
        picture(self.position as f32, GOAL_POSITION as f32).map(Some)
    }

    fn params(&mut self) -> Option<&mut dyn Params> {
        Some(self)
    }

    fn state(&mut self) -> Option<&mut dyn State> {
        Some(self)
    }
}

/// Car, valley and goal: of both mountain cars.
pub(crate) fn picture(position: f32, goal: f32) -> Result<Frame, EnvError> {
    let height = |x: f32| 0.45 * (3.0 * x).sin();
    let mut canvas = Canvas::new([480, 320], [324.0, 170.0], 255.0)?;
    let (first, last) = (-1.28, 0.62);
    let hill = (0..=95_u8).map(|i| first + f32::from(i) * 0.02).map(|x| [x, height(x)]);
    let ground: Vec<[f32; 2]> = hill.chain([[last, -0.7], [first, -0.7]]).collect();
    canvas.polygon(&ground, GREY);

    let foot = height(goal);
    canvas.line(&[[goal, foot], [goal, foot + 0.19]], 0.012, INK);
    canvas.polygon(&[[goal, foot + 0.19], [goal + 0.1, foot + 0.15], [goal, foot + 0.11]], GREEN);

    // The car stands on the slope.
    let slope = (0.45 * 3.0 * (3.0 * position).cos()).atan();
    let (sin, cos) = slope.sin_cos();
    let at = |along: f32, above: f32| {
        [position + along * cos - above * sin, height(position) + along * sin + above * cos]
    };
    canvas.polygon(&[at(-0.08, 0.03), at(0.08, 0.03), at(0.08, 0.075), at(-0.08, 0.075)], BLUE);
    canvas.polygon(&[at(-0.05, 0.07), at(0.045, 0.07), at(0.025, 0.115), at(-0.03, 0.115)], BLUE);
    for along in [-0.048, 0.048] {
        canvas.disc(at(along, 0.028), 0.028, INK);
        canvas.disc(at(along, 0.028), 0.011, ORANGE);
    }
    Ok(canvas.frame())
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
