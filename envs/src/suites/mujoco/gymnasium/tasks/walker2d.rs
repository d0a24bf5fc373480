//! `Walker2d-v5`: a planar pair of legs that is to walk forward without falling.
//!
//! Reward of Gymnasium 1.4, `mujoco/walker2d_v5.py`.

use rand_chacha::ChaCha8Rng;

use crate::EnvError;
use crate::suites::mujoco::engine::Data;
use crate::suites::mujoco::gymnasium::formulas::{add_uniform, clipped_velocities, control_cost};
use crate::suites::mujoco::gymnasium::task::Task;
use crate::suites::mujoco::options::{Range, Scale, options};
use crate::suites::mujoco::sim::Sim;

options! {
    Walker2d("walker2d_v5.xml", 4) {
        forward_reward_weight: f64 = 1.0,
        ctrl_cost_weight: f64 = 1e-3,
        healthy_reward: f64 = 1.0,
        terminate_when_unhealthy: bool = true,
        healthy_z_range: Range = [0.8, 2.0],
        healthy_angle_range: Range = [-1.0, 1.0],
        reset_noise_scale: Scale = 5e-3,
        exclude_current_positions_from_observation: bool = true,
    }
}

impl Task for Walker2d {
    const ID: &'static str = "Walker2d-v5";
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
        let (z, angle) = (data.qpos()[1], data.qpos()[2]);
        let healthy = self.healthy_z_range.contains(z) && self.healthy_angle_range.contains(angle);
        let healthy_reward = if healthy { self.healthy_reward } else { 0.0 };
        let rewards = self.forward_reward_weight * velocity + healthy_reward;
        let reward = rewards - control_cost(action, self.ctrl_cost_weight);
        (reward, !healthy && self.terminate_when_unhealthy)
    }
}
