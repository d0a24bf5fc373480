//! `dmc/acrobot-*`: two poles in a row, driven at the joint between them, to be swung up.
//!
//! Start and reward of `dm_control` 1.0.50, `suite/acrobot.py`.

use std::f64::consts::PI;

use rand_chacha::ChaCha8Rng;

use crate::EnvError;
use crate::suites::mujoco::dmc::models;
use crate::suites::mujoco::dmc::physics::{XZ, ZZ, between, body, norm, site, uniform};
use crate::suites::mujoco::dmc::rewards::{GAUSSIAN, tolerance, within};
use crate::suites::mujoco::dmc::task::{Made, Task};
use crate::suites::mujoco::engine::Data;

pub(in crate::suites::mujoco::dmc) struct Acrobot {
    sparse: bool,
    arms: [usize; 2],
    tip: usize,
    target: usize,
}

pub(in crate::suites::mujoco::dmc) fn make(sparse: bool) -> Made<Acrobot> {
    let sim = models::load("acrobot", models::file!("acrobot.xml"), |_| Ok(()))?;
    let task = Acrobot {
        sparse,
        arms: [body(&sim, "upper_arm")?, body(&sim, "lower_arm")?],
        tip: site(&sim, "tip")?,
        target: site(&sim, "target")?,
    };
    Ok((sim, task))
}

impl Task for Acrobot {
    fn start(&self, data: &mut Data, rng: &mut ChaCha8Rng) -> Result<(), EnvError> {
        data.qpos_mut().fill_with(|| uniform(-PI, PI, rng));
        Ok(())
    }

    fn observation(&self, data: &Data) -> impl Iterator<Item = f64> {
        let [horizontal, vertical] = [XZ, ZZ].map(|i| self.arms.map(|arm| data.xmat()[arm][i]));
        horizontal.into_iter().chain(vertical).chain(data.qvel().iter().copied())
    }

    fn reward(&self, data: &Data) -> f64 {
        let distance = norm(between(data.site_xpos()[self.tip], data.site_xpos()[self.target]));
        let near = [0.0, data.model().site_size()[self.target][0]];
        if self.sparse { within(distance, near) } else { tolerance(distance, near, 1.0, GAUSSIAN) }
    }
}
