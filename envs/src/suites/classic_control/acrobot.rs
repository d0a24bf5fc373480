//! `Acrobot-v1`: swing a two-link arm up by torque on the joint between the links.
//!
//! R. Sutton, "Generalization in reinforcement learning: successful examples using sparse coarse
//! coding", 1996. Dynamics of Gymnasium 1.4, `classic_control/acrobot.py`, in the form of the book
//! (Sutton and Barto); the variant of the paper and the torque noise are absent.

use std::f64::consts::PI;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::canvas::{BLUE, Canvas, GREEN, INK, ORANGE};
use crate::params::params;
use crate::{
    Action, ActionSpace, Env, EnvError, EnvSpec, Frame, Params, Space, State, Step, bytes,
};

const MAX_VEL_1: f64 = 4.0 * PI;
const MAX_VEL_2: f64 = 9.0 * PI;

/// `Acrobot-v1`. Its saved state is both angles, then both angular velocities.
#[derive(Debug, Clone, PartialEq)]
pub struct Acrobot {
    gravity: f64,
    link_length_1: f64,
    link_mass_1: f64,
    link_mass_2: f64,
    link_com_pos_1: f64,
    link_com_pos_2: f64,
    /// Moment of inertia of either link.
    link_moi: f64,
    /// Seconds per step.
    dt: f64,
    state: [f64; 4],
}

impl Default for Acrobot {
    fn default() -> Self {
        Self {
            gravity: 9.8,
            link_length_1: 1.0,
            link_mass_1: 1.0,
            link_mass_2: 1.0,
            link_com_pos_1: 0.5,
            link_com_pos_2: 0.5,
            link_moi: 1.0,
            dt: 0.2,
            state: [0.0; 4],
        }
    }
}

params!(Acrobot {
    gravity: finite,
    link_length_1: positive,
    link_mass_1: positive,
    link_mass_2: positive,
    link_com_pos_1: positive,
    link_com_pos_2: positive,
    link_moi: positive,
    dt: positive,
});

impl Env for Acrobot {
    fn spec(&self) -> EnvSpec {
        let high = vec![1.0, 1.0, 1.0, 1.0, MAX_VEL_1 as f32, MAX_VEL_2 as f32];
        EnvSpec {
            obs: Space::bounded(high.iter().map(|x| -x).collect(), high),
            action: ActionSpace::Discrete(3),
            time_limit: Some(500),
        }
    }

    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Gymnasium rounds the first state to f32.
        self.state = std::array::from_fn(|_| f64::from(rng.random_range(-0.1..0.1) as f32));
        self.observe(obs);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        let torque = action.choice(3)? as f64 - 1.0;
        let [theta1, theta2, dtheta1, dtheta2] = self.runge_kutta(torque);
        self.state = [
            wrap(theta1),
            wrap(theta2),
            dtheta1.clamp(-MAX_VEL_1, MAX_VEL_1),
            dtheta2.clamp(-MAX_VEL_2, MAX_VEL_2),
        ];
        self.observe(obs);
        let [theta1, theta2, ..] = self.state;
        let terminated = -theta1.cos() - (theta2 + theta1).cos() > 1.0;
        let reward = if terminated { 0.0 } else { -1.0 };
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

impl Acrobot {
    fn observe(&self, obs: &mut [f32]) {
        let [theta1, theta2, dtheta1, dtheta2] = self.state;
        let exact = [theta1.cos(), theta1.sin(), theta2.cos(), theta2.sin(), dtheta1, dtheta2];
        for (out, x) in obs.iter_mut().zip(exact) {
            *out = x as f32;
        }
    }

    /// Both links, and the line that the end must pass; angles turn left from hanging down.
    fn picture(&self) -> Result<Frame, EnvError> {
        let [theta1, theta2, ..] = self.state.map(|x| x as f32);
        let upper = self.link_length_1 as f32;
        let elbow = [upper * theta1.sin(), -upper * theta1.cos()];
        let both = theta1 + theta2;
        let end = [elbow[0] + both.sin(), elbow[1] - both.cos()];

        let mut canvas = Canvas::new([400, 400], [200.0, 200.0], 88.0)?;
        canvas.line(&[[-2.2, 1.0], [2.2, 1.0]], 0.03, GREEN);
        canvas.line(&[[0.0, 0.0], elbow], 0.18, BLUE);
        canvas.line(&[elbow, end], 0.18, ORANGE);
        for joint in [[0.0, 0.0], elbow] {
            canvas.disc(joint, 0.06, INK);
        }
        Ok(canvas.frame())
    }

    /// One step of the classical fourth-order method.
    fn runge_kutta(&self, torque: f64) -> [f64; 4] {
        let y = self.state;
        let ahead = |k: [f64; 4], h: f64| std::array::from_fn(|i| y[i] + h * k[i]);
        let k1 = self.derivative(y, torque);
        let k2 = self.derivative(ahead(k1, self.dt / 2.0), torque);
        let k3 = self.derivative(ahead(k2, self.dt / 2.0), torque);
        let k4 = self.derivative(ahead(k3, self.dt), torque);
        std::array::from_fn(|i| y[i] + self.dt / 6.0 * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]))
    }

    /// Names and order of operations of Gymnasium's `_dsdt`.
    fn derivative(&self, state: [f64; 4], torque: f64) -> [f64; 4] {
        let [theta1, theta2, dtheta1, dtheta2] = state;
        let (m1, m2) = (self.link_mass_1, self.link_mass_2);
        let (l1, lc1, lc2) = (self.link_length_1, self.link_com_pos_1, self.link_com_pos_2);
        let (i1, i2) = (self.link_moi, self.link_moi);
        let g = self.gravity;

        let d1 =
            m1 * (lc1 * lc1) + m2 * (l1 * l1 + lc2 * lc2 + 2.0 * l1 * lc2 * theta2.cos()) + i1 + i2;
        let d2 = m2 * (lc2 * lc2 + l1 * lc2 * theta2.cos()) + i2;
        let phi2 = m2 * lc2 * g * (theta1 + theta2 - PI / 2.0).cos();
        let phi1 = -m2 * l1 * lc2 * (dtheta2 * dtheta2) * theta2.sin()
            - 2.0 * m2 * l1 * lc2 * dtheta2 * dtheta1 * theta2.sin()
            + (m1 * lc1 + m2 * l1) * g * (theta1 - PI / 2.0).cos()
            + phi2;
        let ddtheta2 =
            (torque + d2 / d1 * phi1 - m2 * l1 * lc2 * (dtheta1 * dtheta1) * theta2.sin() - phi2)
                / (m2 * (lc2 * lc2) + i2 - d2 * d2 / d1);
        let ddtheta1 = -(d2 * ddtheta2 + phi1) / d1;
        [dtheta1, dtheta2, ddtheta1, ddtheta2]
    }
}

/// The same angle in `[-pi, pi]`, by whole turns.
fn wrap(mut angle: f64) -> f64 {
    // Gymnasium only has the loop; it would not end once a turn is lost in rounding.
    if angle.abs() > 1e6 {
        angle %= 2.0 * PI;
    }
    while angle > PI {
        angle -= 2.0 * PI;
    }
    while angle < -PI {
        angle += 2.0 * PI;
    }
    angle
}

impl State for Acrobot {
    fn save(&self) -> Vec<u8> {
        bytes::from_f64s(&self.state)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), EnvError> {
        self.state = bytes::to_f64s(bytes, "Acrobot-v1")?;
        Ok(())
    }
}
