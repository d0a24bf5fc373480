//! `InvertedPendulum-v5`: balance a pole on a cart.
//!
//! Reward of Gymnasium 1.4, `mujoco/inverted_pendulum_v5.py`.

use rand_chacha::ChaCha8Rng;

use crate::EnvError;
use crate::suites::mujoco::engine::Data;
use crate::suites::mujoco::gymnasium::formulas::add_uniform;
use crate::suites::mujoco::gymnasium::task::Task;
use crate::suites::mujoco::options::{Scale, options};
use crate::suites::mujoco::sim::Sim;

options! {
    InvertedPendulum("inverted_pendulum.xml", 2) {
        reset_noise_scale: Scale = 0.01,
    }
}

impl Task for InvertedPendulum {
    const ID: &'static str = "InvertedPendulum-v5";
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
        data.qpos().iter().chain(data.qvel()).copied()
    }

    fn judge(&self, data: &Data, _: &[f32], _: f64) -> (f64, bool) {
        let finite = self.observation(data).all(f64::is_finite);
        let terminated = !finite || data.qpos()[1].abs() > 0.2;
        (if terminated { 0.0 } else { 1.0 }, terminated)
    }
}
