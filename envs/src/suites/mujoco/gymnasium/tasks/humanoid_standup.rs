//! `HumanoidStandup-v5`: a humanoid that lies on its back and is to stand up.
//!
//! Reward of Gymnasium 1.4, `mujoco/humanoidstandup_v5.py`.

use rand_chacha::ChaCha8Rng;

use crate::EnvError;
use crate::suites::mujoco::engine::Data;
use crate::suites::mujoco::gymnasium::formulas::{add_uniform, humanoid_observation};
use crate::suites::mujoco::gymnasium::task::Task;
use crate::suites::mujoco::numpy;
use crate::suites::mujoco::options::{Range, Scale, options};
use crate::suites::mujoco::sim::Sim;

options! {
    HumanoidStandup("humanoidstandup.xml", 5) {
        uph_cost_weight: f64 = 1.0,
        ctrl_cost_weight: f64 = 0.1,
        impact_cost_weight: f64 = 5e-7,
        impact_cost_range: Range = [f64::NEG_INFINITY, 10.0],
        reset_noise_scale: Scale = 1e-2,
        exclude_current_positions_from_observation: bool = true,
        include_cinert_in_observation: bool = true,
        include_cvel_in_observation: bool = true,
        include_qfrc_actuator_in_observation: bool = true,
        include_cfrc_ext_in_observation: bool = true,
    }
}

impl Task for HumanoidStandup {
    const ID: &'static str = "HumanoidStandup-v5";
    const TIME_LIMIT: u32 = 1000;
    const NEEDS: (usize, usize) = (3, 6);

    type Options = Self;

    fn new(options: Self, _: &Sim) -> Result<Self, EnvError> {
        if options.uph_cost_weight != 1.0 {
            return Err(
                "uph_cost_weight is taken but not used by Gymnasium 1.4; leave it out".into()
            );
        }
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

    fn judge(&self, data: &Data, _: &[f32], _: f64) -> (f64, bool) {
        // By the timestep of the engine, and without `uph_cost_weight`, as Gymnasium does.
        let height_reward = data.qpos()[2] / data.model_opt().timestep;
        let ctrl_cost = self.ctrl_cost_weight * numpy::sum(data.ctrl(), |x| x * x);
        let forces = numpy::sum(data.cfrc_ext().as_flattened(), |x| x * x);
        let impact_cost = self.impact_cost_range.clip(self.impact_cost_weight * forces);
        (height_reward - ctrl_cost - impact_cost + 1.0, false)
    }
}
