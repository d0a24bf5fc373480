//! `dmc/reacher-*`: an arm of two links in the plane, to hold its finger in a target.
//!
//! Start and reward of `dm_control` 1.0.50, `suite/reacher.py`.

use std::f64::consts::PI;

use mujoco_rs::prelude::MjtObjBase;
use rand_chacha::ChaCha8Rng;

use crate::EnvError;
use crate::suites::mujoco::dmc::models;
use crate::suites::mujoco::dmc::physics::{geom, norm, randomize_joints, uniform};
use crate::suites::mujoco::dmc::rewards::within;
use crate::suites::mujoco::dmc::task::{Made, Task};
use crate::suites::mujoco::engine::{self, Data};
use crate::suites::mujoco::sim;

pub(in crate::suites::mujoco::dmc) struct Reacher {
    target: usize,
    finger: usize,
}

/// `target_size`: its radius in metres.
pub(in crate::suites::mujoco::dmc) fn make(target_size: f64) -> Made<Reacher> {
    let sim = models::load("reacher", models::file!("reacher.xml"), |model| {
        let target = sim::find(model, MjtObjBase::mjOBJ_GEOM, "target")?;
        model.geom_size_mut()[target][0] = target_size;
        Ok(())
    })?;
    let (target, finger) = (geom(&sim, "target")?, geom(&sim, "finger")?);
    Ok((sim, Reacher { target, finger }))
}

impl Reacher {
    fn to_target(&self, data: &Data) -> [f64; 2] {
        let (target, finger) = (data.geom_xpos()[self.target], data.geom_xpos()[self.finger]);
        [target[0] - finger[0], target[1] - finger[1]]
    }
}

impl Task for Reacher {
    fn start(&self, data: &mut Data, rng: &mut ChaCha8Rng) -> Result<(), EnvError> {
        randomize_joints(data, rng);
        let (angle, radius) = (uniform(0.0, 2.0 * PI, rng), uniform(0.05, 0.2, rng));
        self.set_target(data, [radius * angle.sin(), radius * angle.cos()]);
        Ok(())
    }

    fn observation(&self, data: &Data) -> impl Iterator<Item = f64> {
        let to_target = self.to_target(data);
        data.qpos().iter().copied().chain(to_target).chain(data.qvel().iter().copied())
    }

    fn reward(&self, data: &Data) -> f64 {
        let sizes = data.model().geom_size();
        let radii = sizes[self.target][0] + sizes[self.finger][0];
        within(norm(self.to_target(data)), [0.0, radii])
    }

    fn target(&self, data: &Data) -> Option<[f64; 2]> {
        let [x, y, _] = data.model().geom_pos()[self.target];
        Some([x, y])
    }

    fn set_target(&self, data: &mut Data, [x, y]: [f64; 2]) {
        engine::edit(data, |model| model.geom_pos_mut()[self.target][..2].copy_from_slice(&[x, y]));
    }
}
