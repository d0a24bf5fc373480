//! `Ant-v5`: a four-legged creature that is to run as fast as it can.
//!
//! Reward of Gymnasium 1.4, `mujoco/ant_v5.py`.

use mujoco_rs::prelude::MjtObjBase;
use rand_chacha::ChaCha8Rng;

use crate::EnvError;
use crate::suites::mujoco::engine::Data;
use crate::suites::mujoco::gymnasium::formulas::{add_normal, add_uniform, control_cost};
use crate::suites::mujoco::gymnasium::task::Task;
use crate::suites::mujoco::numpy;
use crate::suites::mujoco::options::{Body, Range, Scale, options};
use crate::suites::mujoco::sim::Sim;

options! {
    AntOptions("ant.xml", 5) {
        forward_reward_weight: f64 = 1.0,
        ctrl_cost_weight: f64 = 0.5,
        contact_cost_weight: f64 = 5e-4,
        healthy_reward: f64 = 1.0,
        main_body: Body = Body::Number(1),
        terminate_when_unhealthy: bool = true,
        healthy_z_range: Range = [0.2, 1.0],
        contact_force_range: Range = [-1.0, 1.0],
        reset_noise_scale: Scale = 0.1,
        exclude_current_positions_from_observation: bool = true,
        include_cfrc_ext_in_observation: bool = true,
    }
}

pub(crate) struct Ant {
    options: AntOptions,
    /// Number of the body whose position counts.
    main_body: usize,
}

impl Ant {
    fn healthy(&self, data: &Data) -> bool {
        let finite = data.qpos().iter().chain(data.qvel()).all(|x| x.is_finite());
        let Range { low, high } = self.options.healthy_z_range;
        finite && (low..=high).contains(&data.qpos()[2])
    }
}

impl Task for Ant {
    const ID: &'static str = "Ant-v5";
    const TIME_LIMIT: u32 = 1000;
    const NEEDS: (usize, usize) = (3, 1);

    type Options = AntOptions;

    fn new(options: AntOptions, sim: &Sim) -> Result<Self, EnvError> {
        let bodies = sim.model().nbody() as usize;
        let main_body = match &options.main_body {
            Body::Name(name) => sim.find(MjtObjBase::mjOBJ_BODY, name)?,
            Body::Number(body) if *body < bodies => *body,
            Body::Number(body) => {
                return Err(format!(
                    "main_body = {body}, but the model has {bodies} bodies; give a name or a \
                     number below {bodies}"
                )
                .into());
            }
        };
        Ok(Self { options, main_body })
    }

    fn start(&self, data: &mut Data, rng: &mut ChaCha8Rng) {
        add_uniform(data.qpos_mut(), self.options.reset_noise_scale.0, rng);
        add_normal(data.qvel_mut(), self.options.reset_noise_scale.0, rng);
    }

    fn observation(&self, data: &Data) -> impl Iterator<Item = f64> {
        let skipped = if self.options.exclude_current_positions_from_observation { 2 } else { 0 };
        let forces = if self.options.include_cfrc_ext_in_observation {
            data.cfrc_ext()[1..].as_flattened()
        } else {
            &[]
        };
        let clipped = forces.iter().map(|&force| self.options.contact_force_range.clip(force));
        data.qpos()[skipped..].iter().chain(data.qvel()).copied().chain(clipped)
    }

    fn position(&self, data: &Data) -> f64 {
        data.xpos()[self.main_body][0]
    }

    fn judge(&self, data: &Data, action: &[f32], velocity: f64) -> (f64, bool) {
        let options = &self.options;
        let healthy = self.healthy(data);
        let healthy_reward = if healthy { options.healthy_reward } else { 0.0 };
        let rewards = velocity * options.forward_reward_weight + healthy_reward;

        let squares = numpy::sum(data.cfrc_ext().as_flattened(), |force| {
            let force = options.contact_force_range.clip(force);
            force * force
        });
        let contact_cost = options.contact_cost_weight * squares;
        let costs = control_cost(action, options.ctrl_cost_weight) + contact_cost;
        (rewards - costs, !healthy && options.terminate_when_unhealthy)
    }
}
