//! `dmc/point_mass-easy`: push a point in the plane onto a target in the middle.
//!
//! Start and reward of `dm_control` 1.0.50, `suite/point_mass.py`.

use rand_chacha::ChaCha8Rng;

use crate::EnvError;
use crate::suites::mujoco::dmc::models;
use crate::suites::mujoco::dmc::physics::{between, geom, norm, randomize_joints};
use crate::suites::mujoco::dmc::rewards::{GAUSSIAN, small_controls, tolerance};
use crate::suites::mujoco::dmc::task::{Made, Task};
use crate::suites::mujoco::engine::Data;

pub(in crate::suites::mujoco::dmc) struct PointMass {
    point: usize,
    target: usize,
}

pub(in crate::suites::mujoco::dmc) fn make() -> Made<PointMass> {
    let sim = models::load("point_mass", models::file!("point_mass.xml"), |_| Ok(()))?;
    let (point, target) = (geom(&sim, "pointmass")?, geom(&sim, "target")?);
    Ok((sim, PointMass { point, target }))
}

impl Task for PointMass {
    fn start(&self, data: &mut Data, rng: &mut ChaCha8Rng) -> Result<(), EnvError> {
        randomize_joints(data, rng);
        Ok(())
    }

    fn observation(&self, data: &Data) -> impl Iterator<Item = f64> {
        data.qpos().iter().chain(data.qvel()).copied()
    }

    fn reward(&self, data: &Data) -> f64 {
        let size = data.model().geom_size()[self.target][0];
        let distance = norm(between(data.geom_xpos()[self.point], data.geom_xpos()[self.target]));
        let near = tolerance(distance, [0.0, size], size, GAUSSIAN);
        near * ((small_controls(data.ctrl()) + 4.0) / 5.0)
    }
}
