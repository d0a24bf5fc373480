//! `Reacher-v5`: an arm of two links that is to touch a target in the plane.
//!
//! Reward of Gymnasium 1.4, `mujoco/reacher_v5.py`.

use mujoco_rs::prelude::MjtObjBase;
use rand_chacha::ChaCha8Rng;

use crate::EnvError;
use crate::suites::mujoco::engine::Data;
use crate::suites::mujoco::gymnasium::formulas::{add_uniform, control_cost, distance, uniform};
use crate::suites::mujoco::gymnasium::task::Task;
use crate::suites::mujoco::options::options;
use crate::suites::mujoco::sim::Sim;

options! {
    ReacherOptions("reacher.xml", 2) {
        reward_dist_weight: f64 = 1.0,
        reward_control_weight: f64 = 1.0,
    }
}

pub(crate) struct Reacher {
    options: ReacherOptions,
    fingertip: usize,
    target: usize,
}

impl Task for Reacher {
    const ID: &'static str = "Reacher-v5";
    const TIME_LIMIT: u32 = 50;
    const NEEDS: (usize, usize) = (4, 4);

    type Options = ReacherOptions;

    fn new(options: ReacherOptions, sim: &Sim) -> Result<Self, EnvError> {
        let body = |name| sim.find(MjtObjBase::mjOBJ_BODY, name);
        Ok(Self { options, fingertip: body("fingertip")?, target: body("target")? })
    }

    fn start(&self, data: &mut Data, rng: &mut ChaCha8Rng) {
        add_uniform(data.qpos_mut(), 0.1, rng);
        let goal = loop {
            let goal = [uniform(-0.2, 0.2, rng), uniform(-0.2, 0.2, rng)];
            if goal[0].hypot(goal[1]) < 0.2 {
                break goal;
            }
        };
        let (nq, nv) = (data.qpos().len(), data.qvel().len());
        data.qpos_mut()[nq - 2..].copy_from_slice(&goal);
        add_uniform(data.qvel_mut(), 0.005, rng);
        data.qvel_mut()[nv - 2..].fill(0.0);
    }

    fn observation(&self, data: &Data) -> impl Iterator<Item = f64> {
        let (angles, goal) = data.qpos().split_at(2);
        let (fingertip, target) = (data.xpos()[self.fingertip], data.xpos()[self.target]);
        angles
            .iter()
            .map(|angle| angle.cos())
            .chain(angles.iter().map(|angle| angle.sin()))
            .chain(goal.iter().chain(&data.qvel()[..2]).copied())
            .chain([fingertip[0] - target[0], fingertip[1] - target[1]])
    }

    fn judge(&self, data: &Data, action: &[f32], _: f64) -> (f64, bool) {
        let reach = distance(data.xpos()[self.fingertip], data.xpos()[self.target]);
        let reward_dist = -reach * self.options.reward_dist_weight;
        (reward_dist - control_cost(action, self.options.reward_control_weight), false)
    }
}
