//! `dmc/finger-*`: a finger of two links that is to spin a body on a hinge, or to turn it so that
//! its tip is in a target.
//!
//! Start and reward of `dm_control` 1.0.50, `suite/finger.py`.

use std::f64::consts::PI;

use mujoco_rs::prelude::MjtObjBase;
use rand_chacha::ChaCha8Rng;

use crate::EnvError;
use crate::suites::mujoco::dmc::models;
use crate::suites::mujoco::dmc::physics::{
    geom, norm, randomize_joints_apart, sensor, site, uniform,
};
use crate::suites::mujoco::dmc::task::{Made, Task};
use crate::suites::mujoco::engine::{self, Data};
use crate::suites::mujoco::sim;

/// In radians a second, from which the body spins.
const SPIN: f64 = 15.0;

/// The number is the target's radius in metres.
#[derive(Clone, Copy)]
pub(in crate::suites::mujoco::dmc) enum Goal {
    Spin,
    Turn(f64),
}

pub(in crate::suites::mujoco::dmc) struct Finger {
    goal: Goal,
    hinge: usize,
    cap: usize,
    target: usize,
    sensors: Sensors,
}

/// Where they begin.
struct Sensors {
    angles: [usize; 2],
    velocities: [usize; 3],
    touch: [usize; 2],
    tip: usize,
    spinner: usize,
    target: usize,
}

pub(in crate::suites::mujoco::dmc) fn make(goal: Goal) -> Made<Finger> {
    let sim = models::load("finger", models::file!("finger.xml"), |model| {
        match goal {
            Goal::Spin => {
                let hinge = sim::find(model, MjtObjBase::mjOBJ_JOINT, "hinge")?;
                let dof = model.jnt_dofadr()[hinge] as usize;
                model.dof_damping_mut()[dof] = 0.03;
            }
            Goal::Turn(radius) => {
                let target = sim::find(model, MjtObjBase::mjOBJ_SITE, "target")?;
                model.site_size_mut()[target][0] = radius;
            }
        }
        Ok(())
    })?;
    let sensor = |name| sensor(&sim, name);
    let sensors = Sensors {
        angles: [sensor("proximal")?, sensor("distal")?],
        velocities: [
            sensor("proximal_velocity")?,
            sensor("distal_velocity")?,
            sensor("hinge_velocity")?,
        ],
        touch: [sensor("touchtop")?, sensor("touchbottom")?],
        tip: sensor("tip")?,
        spinner: sensor("spinner")?,
        target: sensor("target")?,
    };
    let task = Finger {
        goal,
        hinge: sim.find(MjtObjBase::mjOBJ_JOINT, "hinge")?,
        cap: geom(&sim, "cap1")?,
        target: site(&sim, "target")?,
        sensors,
    };
    Ok((sim, task))
}

impl Finger {
    /// Of the sensor that begins there, beside the hinge.
    fn position(&self, sensor: usize, data: &Data) -> [f64; 2] {
        let (all, hinge) = (data.sensordata(), self.sensors.spinner);
        [all[sensor] - all[hinge], all[sensor + 2] - all[hinge + 2]]
    }

    /// From the tip to the target's surface; negative inside.
    fn distance(&self, data: &Data) -> f64 {
        let [target, tip] =
            [self.sensors.target, self.sensors.tip].map(|sensor| self.position(sensor, data));
        norm([target[0] - tip[0], target[1] - tip[1]]) - data.model().site_size()[self.target][0]
    }
}

impl Task for Finger {
    const SUB_STEPS: u32 = 2;

    fn start(&self, data: &mut Data, rng: &mut ChaCha8Rng) -> Result<(), EnvError> {
        if let Goal::Turn(_) = self.goal {
            let angle = uniform(-PI, PI, rng);
            let [x, _, z] = data.xanchor()[self.hinge];
            let radius: f64 = data.model().geom_size()[self.cap].iter().sum();
            self.set_target(data, [x + radius * angle.sin(), z + radius * angle.cos()]);
        }
        randomize_joints_apart(data, rng)
    }

    fn observation(&self, data: &Data) -> impl Iterator<Item = f64> {
        let all = data.sensordata();
        let turn = match self.goal {
            Goal::Spin => None,
            Goal::Turn(_) => {
                let [x, z] = self.position(self.sensors.target, data);
                Some([x, z, self.distance(data)])
            }
        };
        self.sensors
            .angles
            .map(|sensor| all[sensor])
            .into_iter()
            .chain(self.position(self.sensors.tip, data))
            .chain(self.sensors.velocities.map(|sensor| all[sensor]))
            .chain(self.sensors.touch.map(|sensor| all[sensor].ln_1p()))
            .chain(turn.into_iter().flatten())
    }

    fn reward(&self, data: &Data) -> f64 {
        let [.., hinge] = self.sensors.velocities;
        let done = match self.goal {
            Goal::Spin => data.sensordata()[hinge] <= -SPIN,
            Goal::Turn(_) => self.distance(data) <= 0.0,
        };
        f64::from(u8::from(done))
    }

    fn target(&self, data: &Data) -> Option<[f64; 2]> {
        let [x, _, z] = data.model().site_pos()[self.target];
        Some([x, z])
    }

    fn set_target(&self, data: &mut Data, [x, z]: [f64; 2]) {
        engine::edit(data, |model| {
            let target = &mut model.site_pos_mut()[self.target];
            (target[0], target[2]) = (x, z);
        });
    }
}
