//! `dmc/cheetah-run`: run forward in a plane on two legs.
//!
//! Start and reward of `dm_control` 1.0.50, `suite/cheetah.py`.

use rand_chacha::ChaCha8Rng;

use crate::EnvError;
use crate::suites::mujoco::dmc::models;
use crate::suites::mujoco::dmc::physics::{sensor, step, uniform};
use crate::suites::mujoco::dmc::rewards::{Sigmoid, tolerance};
use crate::suites::mujoco::dmc::task::{Made, Task};
use crate::suites::mujoco::engine::Data;

/// In metres a second, from which the reward is one.
const SPEED: f64 = 10.0;

pub(in crate::suites::mujoco::dmc) struct Cheetah {
    velocity: usize,
}

pub(in crate::suites::mujoco::dmc) fn make() -> Made<Cheetah> {
    let sim = models::load("cheetah", models::file!("cheetah.xml"), |_| Ok(()))?;
    let velocity = sensor(&sim, "torso_subtreelinvel")?;
    Ok((sim, Cheetah { velocity }))
}

impl Task for Cheetah {
    fn start(&self, data: &mut Data, rng: &mut ChaCha8Rng) -> Result<(), EnvError> {
        for joint in 0..data.qpos().len() {
            if data.model().jnt_limited()[joint] {
                let [low, high] = data.model().jnt_range()[joint];
                data.qpos_mut()[joint] = uniform(low, high, rng);
            }
        }
        // It falls, and comes to rest.
        step(data, 200);
        data.set_time(0.0);
        Ok(())
    }

    fn observation(&self, data: &Data) -> impl Iterator<Item = f64> {
        data.qpos()[1..].iter().chain(data.qvel()).copied()
    }

    fn reward(&self, data: &Data) -> f64 {
        let speed = data.sensordata()[self.velocity];
        tolerance(speed, [SPEED, f64::INFINITY], SPEED, Sigmoid::Linear(0.0))
    }
}
