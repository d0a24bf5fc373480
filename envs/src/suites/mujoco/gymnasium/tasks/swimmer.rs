//! `Swimmer-v5`: a chain of three links that is to swim as fast as it can.
//!
//! Reward of Gymnasium 1.4, `mujoco/swimmer_v5.py`.

use rand_chacha::ChaCha8Rng;

use crate::EnvError;
use crate::suites::mujoco::engine::Data;
use crate::suites::mujoco::gymnasium::formulas::{add_uniform, control_cost};
use crate::suites::mujoco::gymnasium::task::Task;
use crate::suites::mujoco::options::{Scale, options};
use crate::suites::mujoco::sim::Sim;

options! {
    Swimmer("swimmer.xml", 4) {
        forward_reward_weight: f64 = 1.0,
        ctrl_cost_weight: f64 = 1e-4,
        reset_noise_scale: Scale = 0.1,
        exclude_current_positions_from_observation: bool = true,
    }
}

impl Task for Swimmer {
    const ID: &'static str = "Swimmer-v5";
    const TIME_LIMIT: u32 = 1000;
    const NEEDS: (usize, usize) = (2, 1);

    type Options = Self;

    fn new(options: Self, _: &Sim) -> Result<Self, EnvError> {
        Ok(options)
    }

    fn start(&self, data: &mut Data, rng: &mut ChaCha8Rng) {
        add_uniform(data.qpos_mut(), self.reset_noise_scale.0, rng);
        add_uniform(data.qvel_mut(), self.reset_noise_scale.0, rng);
    }

    fn observation(&self, data: &Data) -> impl Iterator<Item = f64> {
        let skipped = if self.exclude_current_positions_from_observation { 2 } else { 0 };
        data.qpos()[skipped..].iter().chain(data.qvel()).copied()
    }

    fn position(&self, data: &Data) -> f64 {
        data.qpos()[0]
    }

    fn judge(&self, _: &Data, action: &[f32], velocity: f64) -> (f64, bool) {
        let forward_reward = self.forward_reward_weight * velocity;
        (forward_reward - control_cost(action, self.ctrl_cost_weight), false)
    }
}
