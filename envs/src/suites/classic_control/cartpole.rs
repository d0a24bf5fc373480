//! `CartPole-v1`: balance a pole on a cart by pushing left or right.
//!
//! A. Barto, R. Sutton, C. Anderson, "Neuronlike adaptive elements that can solve difficult
//! learning control problems", 1983. Dynamics of Gymnasium 1.4, `classic_control/cartpole.py`,
//! with its Euler integrator; the semi-implicit one is absent.

use std::f64::consts::PI;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::canvas::{BLUE, Canvas, GREY, INK, ORANGE};
use crate::params::params;
use crate::{
    Action, ActionSpace, Env, EnvError, EnvSpec, Frame, Params, Space, State, Step, bytes,
};

const X_LIMIT: f64 = 2.4;
const THETA_LIMIT: f64 = 12.0 * 2.0 * PI / 360.0;

/// `CartPole-v1`. Its saved state is x, its velocity, theta, its velocity.
#[derive(Debug, Clone, PartialEq)]
pub struct CartPole {
    gravity: f64,
    masscart: f64,
    masspole: f64,
    /// Half the pole's length.
    length: f64,
    force_mag: f64,
    /// Seconds per step.
    tau: f64,
    sutton_barto_reward: bool,
    state: [f64; 4],
}

impl CartPole {
    /// With `sutton_barto_reward`, 0 per step and -1 for falling, instead of 1 per step.
    pub fn new(sutton_barto_reward: bool) -> Self {
        Self {
            gravity: 9.8,
            masscart: 1.0,
            masspole: 0.1,
            length: 0.5,
            force_mag: 10.0,
            tau: 0.02,
            sutton_barto_reward,
            state: [0.0; 4],
        }
    }

    fn observe(&self, obs: &mut [f32]) {
        for (out, &x) in obs.iter_mut().zip(&self.state) {
            *out = x as f32;
        }
    }

    /// The track from limit to limit; positive angles lean right.
    fn picture(&self) -> Result<Frame, EnvError> {
        let [x, _, theta, _] = self.state.map(|x| x as f32);
        let mut canvas = Canvas::new([480, 280], [240.0, 210.0], 90.0)?;
        let limit = X_LIMIT as f32;
        canvas.line(&[[-limit, 0.0], [limit, 0.0]], 0.03, GREY);
        for end in [-limit, limit] {
            canvas.line(&[[end, -0.12], [end, 0.12]], 0.05, GREY);
        }
        for wheel in [-0.16, 0.16] {
            canvas.disc([x + wheel, 0.07], 0.08, INK);
        }
        canvas.rect([x - 0.3, 0.1], [x + 0.3, 0.38], BLUE);
        let (joint, pole) = ([x, 0.3], 2.0 * self.length as f32);
        let tip = [x + pole * theta.sin(), joint[1] + pole * theta.cos()];
        canvas.line(&[joint, tip], 0.1, ORANGE);
        canvas.disc(joint, 0.06, INK);
        Ok(canvas.frame())
    }
}

impl Default for CartPole {
    fn default() -> Self {
        Self::new(false)
    }
}

params!(CartPole {
    gravity: finite,
    masscart: positive,
    masspole: positive,
    length: positive,
    force_mag: finite,
    tau: positive,
});

impl Env for CartPole {
    fn spec(&self) -> EnvSpec {
        let high =
            vec![(X_LIMIT * 2.0) as f32, f32::INFINITY, (THETA_LIMIT * 2.0) as f32, f32::INFINITY];
        EnvSpec {
            obs: Space::bounded(high.iter().map(|x| -x).collect(), high),
            action: ActionSpace::Discrete(2),
            time_limit: Some(500),
        }
    }

    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        self.state = std::array::from_fn(|_| rng.random_range(-0.05..0.05));
        self.observe(obs);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        let force = if action.choice(2)? == 1 { self.force_mag } else { -self.force_mag };
        let [x, x_dot, theta, theta_dot] = self.state;
        let (sin, cos) = (theta.sin(), theta.cos());
        let total_mass = self.masspole + self.masscart;
        let polemass_length = self.masspole * self.length;

        let temp = (force + polemass_length * (theta_dot * theta_dot) * sin) / total_mass;
        let theta_acc = (self.gravity * sin - cos * temp)
            / (self.length * (4.0 / 3.0 - self.masspole * (cos * cos) / total_mass));
        let x_acc = temp - polemass_length * theta_acc * cos / total_mass;

        let x = x + self.tau * x_dot;
        let x_dot = x_dot + self.tau * x_acc;
        let theta = theta + self.tau * theta_dot;
        let theta_dot = theta_dot + self.tau * theta_acc;
        self.state = [x, x_dot, theta, theta_dot];
        self.observe(obs);

        let terminated =
            !(-X_LIMIT..=X_LIMIT).contains(&x) || !(-THETA_LIMIT..=THETA_LIMIT).contains(&theta);
        let reward = match (terminated, self.sutton_barto_reward) {
            (false, true) => 0.0,
            (true, true) => -1.0,
            // Differs from Gymnasium: there, steps after the fall give 0. Nobody should take them.
            (_, false) => 1.0,
        };
        Ok(Step { reward, terminated, truncated: false })
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

impl State for CartPole {
    fn save(&self) -> Vec<u8> {
        bytes::from_f64s(&self.state)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), EnvError> {
        self.state = bytes::to_f64s(bytes, "CartPole-v1")?;
        Ok(())
    }
}
