//! `dmc/ball_in_cup-catch`: catch a ball that hangs on a string from the cup.
//!
//! Start and reward of `dm_control` 1.0.50, `suite/ball_in_cup.py`.

use rand_chacha::ChaCha8Rng;

use crate::EnvError;
use crate::suites::mujoco::dmc::models;
use crate::suites::mujoco::dmc::physics::{body, geom, joint, settle, site, uniform};
use crate::suites::mujoco::dmc::task::{Made, Task};
use crate::suites::mujoco::engine::Data;

pub(in crate::suites::mujoco::dmc) struct BallInCup {
    /// Positions of its two joints.
    joints: [usize; 2],
    ball: usize,
    ball_geom: usize,
    target: usize,
}

pub(in crate::suites::mujoco::dmc) fn make() -> Made<BallInCup> {
    let sim = models::load("ball_in_cup", models::file!("ball_in_cup.xml"), |_| Ok(()))?;
    let task = BallInCup {
        joints: [joint(&sim, "ball_x")?.0, joint(&sim, "ball_z")?.0],
        ball: body(&sim, "ball")?,
        ball_geom: geom(&sim, "ball")?,
        target: site(&sim, "target")?,
    };
    Ok((sim, task))
}

impl Task for BallInCup {
    const SUB_STEPS: u32 = 10;

    fn start(&self, data: &mut Data, rng: &mut ChaCha8Rng) -> Result<(), EnvError> {
        let [x, z] = self.joints;
        // The cup takes up little of that space.
        loop {
            data.qpos_mut()[x] = uniform(-0.2, 0.2, rng);
            data.qpos_mut()[z] = uniform(0.2, 0.5, rng);
            settle(data);
            if data.contact().is_empty() {
                return Ok(());
            }
        }
    }

    fn observation(&self, data: &Data) -> impl Iterator<Item = f64> {
        data.qpos().iter().chain(data.qvel()).copied()
    }

    fn reward(&self, data: &Data) -> f64 {
        let (model, target, ball) =
            (data.model(), data.site_xpos()[self.target], data.xpos()[self.ball]);
        let radius = model.geom_size()[self.ball_geom][0];
        let room = model.site_size()[self.target].map(|size| size - radius);
        let inside = [0, 2].iter().all(|&i| (target[i] - ball[i]).abs() < room[i]);
        f64::from(u8::from(inside))
    }
}
