//! `Pendulum-v1`: swing a pendulum up by torque on its fixed end, and hold it there.
//!
//! Dynamics of Gymnasium 1.4, `classic_control/pendulum.py`. Angles are measured from upright.

use std::f64::consts::PI;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::canvas::{Canvas, GREY, INK, ORANGE};
use crate::params::params;
use crate::{
    Action, ActionSpace, Env, EnvError, EnvSpec, Frame, Params, Space, State, Step, bytes,
};

const MAX_SPEED: f64 = 8.0;
const MAX_TORQUE: f32 = 2.0;

/// `Pendulum-v1`. Its saved state is the angle and the angular velocity.
#[derive(Debug, Clone, PartialEq)]
pub struct Pendulum {
    gravity: f64,
    mass: f64,
    length: f64,
    /// Seconds per step.
    dt: f64,
    theta: f64,
    theta_dot: f64,
}

impl Default for Pendulum {
    fn default() -> Self {
        Self { gravity: 10.0, mass: 1.0, length: 1.0, dt: 0.05, theta: PI, theta_dot: 0.0 }
    }
}

impl Pendulum {
    fn observe(&self, obs: &mut [f32]) {
        let exact = [self.theta.cos(), self.theta.sin(), self.theta_dot];
        obs.copy_from_slice(&exact.map(|x| x as f32));
    }

    /// The way of the rod's end, and the rod; positive angles lean left, as in Gymnasium.
    fn picture(&self) -> Result<Frame, EnvError> {
        let (sin, cos, length) =
            (self.theta.sin() as f32, self.theta.cos() as f32, self.length as f32);
        let mut canvas = Canvas::new([360, 360], [180.0, 180.0], 140.0)?;
        let circle: Vec<[f32; 2]> = (0..=90_u8)
            .map(|i| f32::from(i) * 4.0_f32.to_radians())
            .map(|angle| [length * angle.sin(), length * angle.cos()])
            .collect();
        canvas.line(&circle, 0.012, GREY);
        canvas.line(&[[0.0, 0.0], [-length * sin, length * cos]], 0.16, ORANGE);
        canvas.disc([0.0, 0.0], 0.05, INK);
        Ok(canvas.frame())
    }
}

params!(Pendulum { gravity: finite, mass: positive, length: positive, dt: positive });

impl Env for Pendulum {
    fn spec(&self) -> EnvSpec {
        let high = vec![1.0, 1.0, MAX_SPEED as f32];
        EnvSpec {
            obs: Space::bounded(high.iter().map(|x| -x).collect(), high),
            action: ActionSpace::Box { low: vec![-MAX_TORQUE], high: vec![MAX_TORQUE] },
            time_limit: Some(200),
        }
    }

    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        self.theta = rng.random_range(-PI..PI);
        self.theta_dot = rng.random_range(-1.0..1.0);
        self.observe(obs);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        let torque = action.components(1)?[0].clamp(-MAX_TORQUE, MAX_TORQUE);
        let (g, m, l) = (self.gravity, self.mass, self.length);
        let angle = (self.theta + PI).rem_euclid(2.0 * PI) - PI;
        // Gymnasium's torque is an f32, and so is a Python number times it under NumPy 2.
        let effort = f64::from(0.001_f32 * (torque * torque));
        let push = f64::from((3.0 / (m * (l * l))) as f32 * torque);

        let cost = angle * angle + 0.1 * (self.theta_dot * self.theta_dot) + effort;
        let faster = self.theta_dot + (3.0 * g / (2.0 * l) * self.theta.sin() + push) * self.dt;
        self.theta_dot = faster.clamp(-MAX_SPEED, MAX_SPEED);
        self.theta += self.theta_dot * self.dt;
        self.observe(obs);
        Ok(Step { reward: -cost as f32, terminated: false, truncated: false })
    }

    fn render(&mut self) -> Result<Option<Frame>, EnvError> {
        Ok(Some(self.picture()?))
    }

    fn params(&mut self) -> Option<&mut dyn Params> {
        Some(self)
    }

    fn state(&mut self) -> Option<&mut dyn State> {
        Some(self)
    }
}

impl State for Pendulum {
    fn save(&self) -> Vec<u8> {
        bytes::from_f64s(&[self.theta, self.theta_dot])
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), EnvError> {
        [self.theta, self.theta_dot] = bytes::to_f64s(bytes, "Pendulum-v1")?;
        Ok(())
    }
}
