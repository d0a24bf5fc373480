//! `InvertedDoublePendulum-v5`: balance two poles, one on top of the other, on a cart.
//!
//! Reward of Gymnasium 1.4, `mujoco/inverted_double_pendulum_v5.py`.

use rand_chacha::ChaCha8Rng;

use crate::EnvError;
use crate::suites::mujoco::engine::Data;
use crate::suites::mujoco::gymnasium::formulas::{add_normal, add_uniform, clipped_velocities};
use crate::suites::mujoco::gymnasium::task::Task;
use crate::suites::mujoco::options::{Scale, options};
use crate::suites::mujoco::sim::Sim;

options! {
    InvertedDoublePendulum("inverted_double_pendulum.xml", 5) {
        healthy_reward: f64 = 10.0,
        reset_noise_scale: Scale = 0.1,
    }
}

impl Task for InvertedDoublePendulum {
    const ID: &'static str = "InvertedDoublePendulum-v5";
    const TIME_LIMIT: u32 = 1000;
    const NEEDS: (usize, usize) = (1, 3);

    type Options = Self;

    fn new(options: Self, sim: &Sim) -> Result<Self, EnvError> {
        if sim.model().nsite() == 0 {
            return Err("the model has no site, which is to be the tip of the upper pole; check \
                xml_file"
                .into());
        }
        Ok(options)
    }

    fn start(&self, data: &mut Data, rng: &mut ChaCha8Rng) {
        add_uniform(data.qpos_mut(), self.reset_noise_scale.0, rng);
        add_normal(data.qvel_mut(), self.reset_noise_scale.0, rng);
    }

    fn observation(&self, data: &Data) -> impl Iterator<Item = f64> {
        let (cart, angles) = data.qpos().split_at(1);
        cart.iter()
            .copied()
            .chain(angles.iter().map(|angle| angle.sin()))
            .chain(angles.iter().map(|angle| angle.cos()))
            .chain(clipped_velocities(data))
            .chain(data.qfrc_constraint().iter().take(1).map(|force| force.clamp(-10.0, 10.0)))
    }

    fn judge(&self, data: &Data, _: &[f32], _: f64) -> (f64, bool) {
        let [x, _, y] = data.site_xpos()[0];
        let (v1, v2) = (data.qvel()[1], data.qvel()[2]);
        let terminated = y <= 1.0;
        let healthy_reward = if terminated { 0.0 } else { self.healthy_reward };
        let distance_penalty = 0.01 * (x * x) + (y - 2.0) * (y - 2.0);
        let velocity_penalty = 1e-3 * (v1 * v1) + 5e-3 * (v2 * v2);
        (healthy_reward - distance_penalty - velocity_penalty, terminated)
    }
}
