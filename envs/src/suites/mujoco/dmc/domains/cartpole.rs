//! `dmc/cartpole-*`: a pole on a cart, to be kept upright or to be swung up.
//!
//! Start and reward of `dm_control` 1.0.50, `suite/cartpole.py`.

use std::f64::consts::PI;

use rand_chacha::ChaCha8Rng;

use crate::EnvError;
use crate::suites::mujoco::dmc::models;
use crate::suites::mujoco::dmc::physics::{XZ, ZZ, body, normal, uniform};
use crate::suites::mujoco::dmc::rewards::{GAUSSIAN, small_controls, tolerance, within};
use crate::suites::mujoco::dmc::task::{Made, Task};
use crate::suites::mujoco::engine::Data;

pub(in crate::suites::mujoco::dmc) struct Cartpole {
    swing_up: bool,
    sparse: bool,
    pole: usize,
}

pub(in crate::suites::mujoco::dmc) fn make(swing_up: bool, sparse: bool) -> Made<Cartpole> {
    let sim = models::load("cartpole", models::file!("cartpole.xml"), |_| Ok(()))?;
    let pole = body(&sim, "pole_1")?;
    Ok((sim, Cartpole { swing_up, sparse, pole }))
}

impl Task for Cartpole {
    fn start(&self, data: &mut Data, rng: &mut ChaCha8Rng) -> Result<(), EnvError> {
        let place = if self.swing_up {
            [0.01 * normal(rng), PI + 0.01 * normal(rng)]
        } else {
            [uniform(-0.1, 0.1, rng), uniform(-0.034, 0.034, rng)]
        };
        data.qpos_mut().copy_from_slice(&place);
        data.qvel_mut().fill_with(|| 0.01 * normal(rng));
        Ok(())
    }

    fn observation(&self, data: &Data) -> impl Iterator<Item = f64> {
        let pole = data.xmat()[self.pole];
        [data.qpos()[0], pole[ZZ], pole[XZ]].into_iter().chain(data.qvel().iter().copied())
    }

    fn reward(&self, data: &Data) -> f64 {
        let (position, cosine) = (data.qpos()[0], data.xmat()[self.pole][ZZ]);
        if self.sparse {
            return within(position, [-0.25, 0.25]) * within(cosine, [0.995, 1.0]);
        }
        let upright = f64::midpoint(cosine, 1.0);
        let centered = f64::midpoint(1.0, tolerance(position, [0.0; 2], 2.0, GAUSSIAN));
        let small_control = (4.0 + small_controls(data.ctrl())) / 5.0;
        let slow = f64::midpoint(1.0, tolerance(data.qvel()[1], [0.0; 2], 5.0, GAUSSIAN));
        upright * small_control * slow * centered
    }
}
