//! `Humanoid-v5`: a humanoid that is to walk forward without falling.
//!
//! Reward of Gymnasium 1.4, `mujoco/humanoid_v5.py`.

use rand_chacha::ChaCha8Rng;

use crate::EnvError;
use crate::suites::mujoco::engine::Data;
use crate::suites::mujoco::gymnasium::formulas::{add_uniform, humanoid_observation};
use crate::suites::mujoco::gymnasium::task::Task;
use crate::suites::mujoco::numpy;
use crate::suites::mujoco::options::{Range, Scale, options};
use crate::suites::mujoco::sim::Sim;

options! {
    Humanoid("humanoid.xml", 5) {
        forward_reward_weight: f64 = 1.25,
        ctrl_cost_weight: f64 = 0.1,
        contact_cost_weight: f64 = 5e-7,
        contact_cost_range: Range = [f64::NEG_INFINITY, 10.0],
        healthy_reward: f64 = 5.0,
        terminate_when_unhealthy: bool = true,
        healthy_z_range: Range = [1.0, 2.0],
        reset_noise_scale: Scale = 1e-2,
        exclude_current_positions_from_observation: bool = true,
        include_cinert_in_observation: bool = true,
        include_cvel_in_observation: bool = true,
        include_qfrc_actuator_in_observation: bool = true,
        include_cfrc_ext_in_observation: bool = true,
    }
}

impl Task for Humanoid {
    const ID: &'static str = "Humanoid-v5";
    const TIME_LIMIT: u32 = 1000;
    const NEEDS: (usize, usize) = (3, 6);

    type Options = Self;

    fn new(options: Self, _: &Sim) -> Result<Self, EnvError> {
        Ok(options)
    }

    fn start(&self, data: &mut Data, rng: &mut ChaCha8Rng) {
        add_uniform(data.qpos_mut(), self.reset_noise_scale.0, rng);
        add_uniform(data.qvel_mut(), self.reset_noise_scale.0, rng);
    }

    fn observation(&self, data: &Data) -> impl Iterator<Item = f64> {
        let included = [
            self.include_cinert_in_observation,
            self.include_cvel_in_observation,
            self.include_qfrc_actuator_in_observation,
            self.include_cfrc_ext_in_observation,
        ];
        humanoid_observation(data, self.exclude_current_positions_from_observation, included)
    }

    /// The centre of mass.
    fn position(&self, data: &Data) -> f64 {
        let masses = data.model().body_mass();
        let moment = masses.iter().zip(data.xipos()).fold(0.0, |sum, (m, x)| sum + m * x[0]);
        moment / numpy::sum(masses, |mass| mass)
    }

    fn judge(&self, data: &Data, _: &[f32], velocity: f64) -> (f64, bool) {
        let healthy = self.healthy_z_range.contains(data.qpos()[2]);
        let healthy_reward = if healthy { self.healthy_reward } else { 0.0 };
        let rewards = self.forward_reward_weight * velocity + healthy_reward;

        let ctrl_cost = self.ctrl_cost_weight * numpy::sum(data.ctrl(), |x| x * x);
        let forces = numpy::sum(data.cfrc_ext().as_flattened(), |x| x * x);
        let contact_cost = self.contact_cost_range.clip(self.contact_cost_weight * forces);
        let costs = ctrl_cost + contact_cost;
        (rewards - costs, !healthy && self.terminate_when_unhealthy)
    }
}
