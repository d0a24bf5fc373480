//! `Pusher-v5`: an arm that is to push a cylinder to a goal.
//!
//! Reward of Gymnasium 1.4, `mujoco/pusher_v5.py`.

use mujoco_rs::prelude::MjtObjBase;
use rand_chacha::ChaCha8Rng;

use crate::EnvError;
use crate::suites::mujoco::engine::Data;
use crate::suites::mujoco::gymnasium::formulas::{add_uniform, control_cost, distance, uniform};
use crate::suites::mujoco::gymnasium::task::Task;
use crate::suites::mujoco::options::options;
use crate::suites::mujoco::sim::Sim;

options! {
    PusherOptions("pusher_v5.xml", 5) {
        reward_near_weight: f64 = 0.5,
        reward_dist_weight: f64 = 1.0,
        reward_control_weight: f64 = 0.1,
    }
}

pub(crate) struct Pusher {
    options: PusherOptions,
    tips_arm: usize,
    object: usize,
    goal: usize,
}

impl Task for Pusher {
    const ID: &'static str = "Pusher-v5";
    const TIME_LIMIT: u32 = 100;
    const NEEDS: (usize, usize) = (7, 7);

    type Options = PusherOptions;

    fn new(options: PusherOptions, sim: &Sim) -> Result<Self, EnvError> {
        let body = |name| sim.find(MjtObjBase::mjOBJ_BODY, name);
        let (tips_arm, object, goal) = (body("tips_arm")?, body("object")?, body("goal")?);
        Ok(Self { options, tips_arm, object, goal })
    }

    fn start(&self, data: &mut Data, rng: &mut ChaCha8Rng) {
        // The goal is at the origin of its joints, the cylinder not too near.
        let cylinder = loop {
            let cylinder = [uniform(-0.3, 0.0, rng), uniform(-0.2, 0.2, rng)];
            if cylinder[0].hypot(cylinder[1]) > 0.17 {
                break cylinder;
            }
        };
        let (nq, nv) = (data.qpos().len(), data.qvel().len());
        data.qpos_mut()[nq - 4..].copy_from_slice(&[cylinder[0], cylinder[1], 0.0, 0.0]);
        add_uniform(data.qvel_mut(), 0.005, rng);
        data.qvel_mut()[nv - 4..].fill(0.0);
    }

    fn observation(&self, data: &Data) -> impl Iterator<Item = f64> {
        let bodies = [self.tips_arm, self.object, self.goal];
        let places = bodies.into_iter().flat_map(|body| data.xpos()[body]);
        data.qpos()[..7].iter().chain(&data.qvel()[..7]).copied().chain(places)
    }

    fn judge(&self, data: &Data, action: &[f32], _: f64) -> (f64, bool) {
        let options = &self.options;
        let object = data.xpos()[self.object];
        let near = distance(object, data.xpos()[self.tips_arm]);
        let reward_near = -near * options.reward_near_weight;
        let reward_dist = -distance(object, data.xpos()[self.goal]) * options.reward_dist_weight;
        let reward_ctrl = -control_cost(action, options.reward_control_weight);
        (reward_dist + reward_ctrl + reward_near, false)
    }
}
