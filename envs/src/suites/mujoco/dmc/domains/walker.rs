//! `dmc/walker-*`: two legs in a plane, to stand, walk or run.
//!
//! Start and reward of `dm_control` 1.0.50, `suite/walker.py`.

use rand_chacha::ChaCha8Rng;

use crate::EnvError;
use crate::suites::mujoco::dmc::models;
use crate::suites::mujoco::dmc::physics::{XX, XZ, ZZ, body, randomize_joints, sensor};
use crate::suites::mujoco::dmc::rewards::{GAUSSIAN, Sigmoid, tolerance};
use crate::suites::mujoco::dmc::task::{Made, Task};
use crate::suites::mujoco::engine::Data;

/// Of the torso in metres, from which standing is rewarded in full.
const HEIGHT: f64 = 1.2;

pub(in crate::suites::mujoco::dmc) struct Walker {
    /// To be reached, in metres a second; none is to stand.
    speed: Option<f64>,
    torso: usize,
    velocity: usize,
}

pub(in crate::suites::mujoco::dmc) fn make(speed: Option<f64>) -> Made<Walker> {
    let sim = models::load("walker", models::file!("walker.xml"), |_| Ok(()))?;
    let (torso, velocity) = (body(&sim, "torso")?, sensor(&sim, "torso_subtreelinvel")?);
    Ok((sim, Walker { speed, torso, velocity }))
}

impl Task for Walker {
    const SUB_STEPS: u32 = 10;

    fn start(&self, data: &mut Data, rng: &mut ChaCha8Rng) -> Result<(), EnvError> {
        randomize_joints(data, rng);
        Ok(())
    }

    fn observation(&self, data: &Data) -> impl Iterator<Item = f64> {
        let orientations = data.xmat()[1..].iter().flat_map(|frame| [frame[XX], frame[XZ]]);
        orientations.chain([data.xpos()[self.torso][2]]).chain(data.qvel().iter().copied())
    }

    fn reward(&self, data: &Data) -> f64 {
        let height = data.xpos()[self.torso][2];
        let standing = tolerance(height, [HEIGHT, f64::INFINITY], HEIGHT / 2.0, GAUSSIAN);
        let upright = f64::midpoint(1.0, data.xmat()[self.torso][ZZ]);
        let stand = (3.0 * standing + upright) / 4.0;
        let Some(goal) = self.speed else { return stand };
        let speed = data.sensordata()[self.velocity];
        let moving = tolerance(speed, [goal, f64::INFINITY], goal / 2.0, Sigmoid::Linear(0.5));
        stand * (5.0 * moving + 1.0) / 6.0
    }
}
