//! `dmc/pendulum-swingup`: swing a pole up that is too heavy to be lifted, and keep it there.
//!
//! Start and reward of `dm_control` 1.0.50, `suite/pendulum.py`.

use std::f64::consts::PI;

use rand_chacha::ChaCha8Rng;

use super::physics::{XZ, ZZ, body, uniform};
use super::rewards::within;
use super::{Made, Task, models};
use crate::EnvError;
use crate::mujoco::engine::Data;

pub(super) struct Pendulum {
    pole: usize,
}

pub(super) fn make() -> Made<Pendulum> {
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
