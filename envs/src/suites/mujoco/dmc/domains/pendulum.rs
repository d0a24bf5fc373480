//! `dmc/pendulum-swingup`: swing a pole up that is too heavy to be lifted, and keep it there.
//!
//! Start and reward of `dm_control` 1.0.50, `suite/pendulum.py`.

use std::f64::consts::PI;

use rand_chacha::ChaCha8Rng;

use crate::EnvError;
use crate::suites::mujoco::dmc::models;
use crate::suites::mujoco::dmc::physics::{XZ, ZZ, body, uniform};
use crate::suites::mujoco::dmc::rewards::within;
use crate::suites::mujoco::dmc::task::{Made, Task};
use crate::suites::mujoco::engine::Data;

pub(in crate::suites::mujoco::dmc) struct Pendulum {
    pole: usize,
}

pub(in crate::suites::mujoco::dmc) fn make() -> Made<Pendulum> {
    let sim = models::load("pendulum", models::file!("pendulum.xml"), |_| Ok(()))?;
    let pole = body(&sim, "pole")?;
    Ok((sim, Pendulum { pole }))
}

impl Task for Pendulum {
    fn start(&self, data: &mut Data, rng: &mut ChaCha8Rng) -> Result<(), EnvError> {
        data.qpos_mut()[0] = uniform(-PI, PI, rng);
        Ok(())
    }

    fn observation(&self, data: &Data) -> impl Iterator<Item = f64> {
        let pole = data.xmat()[self.pole];
        [pole[ZZ], pole[XZ], data.qvel()[0]].into_iter()
    }

    fn reward(&self, data: &Data) -> f64 {
        within(data.xmat()[self.pole][ZZ], [8_f64.to_radians().cos(), 1.0])
    }
}
