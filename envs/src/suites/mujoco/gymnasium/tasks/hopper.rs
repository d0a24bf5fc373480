//! `Hopper-v5`: a planar leg that is to hop forward without falling.
//!
//! Reward of Gymnasium 1.4, `mujoco/hopper_v5.py`.

use rand_chacha::ChaCha8Rng;

use crate::EnvError;
use crate::suites::mujoco::engine::Data;
use crate::suites::mujoco::gymnasium::formulas::{add_uniform, clipped_velocities, control_cost};
use crate::suites::mujoco::gymnasium::task::Task;
use crate::suites::mujoco::options::{Range, Scale, options};
use crate::suites::mujoco::sim::Sim;

options! {
    Hopper("hopper.xml", 4) {
        forward_reward_weight: f64 = 1.0,
        ctrl_cost_weight: f64 = 1e-3,
        healthy_reward: f64 = 1.0,
        terminate_when_unhealthy: bool = true,
        healthy_state_range: Range = [-100.0, 100.0],
        healthy_z_range: Range = [0.7, f64::INFINITY],
        healthy_angle_range: Range = [-0.2, 0.2],
        reset_noise_scale: Scale = 5e-3,
        exclude_current_positions_from_observation: bool = true,
    }
}

impl Hopper {
    fn healthy(&self, data: &Data) -> bool {
        let (z, angle) = (data.qpos()[1], data.qpos()[2]);
        let mut state = data.qpos()[2..].iter().chain(data.qvel());
        state.all(|&x| self.healthy_state_range.contains(x))
            && self.healthy_z_range.contains(z)
            && self.healthy_angle_range.contains(angle)
    }
}

impl Task for Hopper {
    const ID: &'static str = "Hopper-v5";
    const TIME_LIMIT: u32 = 1000;
    const NEEDS: (usize, usize) = (3, 1);

    type Options = Self;

    fn new(options: Self, _: &Sim) -> Result<Self, EnvError> {
        Ok(options)
    }

    fn start(&self, data: &mut Data, rng: &mut ChaCha8Rng) {
        add_uniform(data.qpos_mut(), self.reset_noise_scale.0, rng);
        add_uniform(data.qvel_mut(), self.reset_noise_scale.0, rng);
    }

    fn observation(&self, data: &Data) -> impl Iterator<Item = f64> {
        let skipped = usize::from(self.exclude_current_positions_from_observation);
        data.qpos()[skipped..].iter().copied().chain(clipped_velocities(data))
    }

    fn position(&self, data: &Data) -> f64 {
        data.qpos()[0]
    }

    fn judge(&self, data: &Data, action: &[f32], velocity: f64) -> (f64, bool) {
        let healthy = self.healthy(data);
        let healthy_reward = if healthy { self.healthy_reward } else { 0.0 };
        let rewards = self.forward_reward_weight * velocity + healthy_reward;
        let reward = rewards - control_cost(action, self.ctrl_cost_weight);
        (reward, !healthy && self.terminate_when_unhealthy)
    }
}
