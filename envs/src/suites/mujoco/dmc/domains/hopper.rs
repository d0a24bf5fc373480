//! `dmc/hopper-*`: a leg in a plane, to stand or to hop forward.
//!
//! Start and reward of `dm_control` 1.0.50, `suite/hopper.py`.

use rand_chacha::ChaCha8Rng;

use crate::EnvError;
use crate::suites::mujoco::dmc::models;
use crate::suites::mujoco::dmc::physics::{body, randomize_joints, sensor};
use crate::suites::mujoco::dmc::rewards::{Sigmoid, small_controls, tolerance, within};
use crate::suites::mujoco::dmc::task::{Made, Task};
use crate::suites::mujoco::engine::Data;

/// In metres a second, from which hopping is rewarded in full.
const SPEED: f64 = 2.0;

pub(in crate::suites::mujoco::dmc) struct Hopper {
    hop: bool,
    torso: usize,
    foot: usize,
    velocity: usize,
    touch: [usize; 2],
}

pub(in crate::suites::mujoco::dmc) fn make(hop: bool) -> Made<Hopper> {
    let sim = models::load("hopper", models::file!("hopper.xml"), |_| Ok(()))?;
    let task = Hopper {
        hop,
        torso: body(&sim, "torso")?,
        foot: body(&sim, "foot")?,
        velocity: sensor(&sim, "torso_subtreelinvel")?,
        touch: [sensor(&sim, "touch_toe")?, sensor(&sim, "touch_heel")?],
    };
    Ok((sim, task))
}

impl Task for Hopper {
    const SUB_STEPS: u32 = 4;

    fn start(&self, data: &mut Data, rng: &mut ChaCha8Rng) -> Result<(), EnvError> {
        randomize_joints(data, rng);
        Ok(())
    }

    fn observation(&self, data: &Data) -> impl Iterator<Item = f64> {
        let touch = self.touch.map(|sensor| data.sensordata()[sensor].ln_1p());
        data.qpos()[1..].iter().chain(data.qvel()).copied().chain(touch)
    }

    fn reward(&self, data: &Data) -> f64 {
        let height = data.xipos()[self.torso][2] - data.xipos()[self.foot][2];
        let standing = within(height, [0.6, 2.0]);
        if !self.hop {
            return standing * ((small_controls(data.ctrl()) + 4.0) / 5.0);
        }
        let speed = data.sensordata()[self.velocity];
        standing * tolerance(speed, [SPEED, f64::INFINITY], SPEED / 2.0, Sigmoid::Linear(0.5))
    }
}
