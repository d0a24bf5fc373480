//! Resets and steps in `dm_control`'s order (`mujoco/engine.py`, `rl/control.py`), and what tasks
//! look up in a model.

use std::f64::consts::PI;

use mujoco_rs::prelude::{MjtDisableBit, MjtIntegrator, MjtJoint, MjtObjBase};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::EnvError;
use crate::suites::mujoco::engine::Data;
use crate::suites::mujoco::sim::Sim;

/// Puts the model into its rest position.
pub(super) fn reset(data: &mut Data) {
    data.reset();
    settle(data);
}

/// Computes what follows from positions and velocities, with all actuators off.
pub(super) fn settle(data: &mut Data) {
    let flags = data.model_opt().disableflags;
    data.model_opt_mut().disableflags = flags | MjtDisableBit::mjDSBL_ACTUATION as i32;
    data.forward();
    data.model_opt_mut().disableflags = flags;
}

/// Some steps of the engine, at least one, after which everything that depends on positions and
/// velocities is up to date. Forces of contacts and accelerations are those before the last step.
pub(super) fn step(data: &mut Data, steps: u32) {
    // The first half of a step was the end of the step before. This integrator has no halves.
    let halves = data.model_opt().integrator != MjtIntegrator::mjINT_RK4 as i32;
    if halves {
        data.step2();
    }
    for _ in u32::from(halves)..steps {
        data.step();
    }
    data.step1();
}

/// Draws positions of joints: within their limits, or any angle for a hinge without.
pub(super) fn randomize_joints(data: &mut Data, rng: &mut ChaCha8Rng) {
    for joint in 0..data.model().njnt() as usize {
        let model = data.model();
        let kind = model.jnt_type()[joint];
        let [low, high] = match (model.jnt_limited()[joint], kind) {
            (true, MjtJoint::mjJNT_HINGE | MjtJoint::mjJNT_SLIDE) => model.jnt_range()[joint],
            (false, MjtJoint::mjJNT_HINGE) => [-PI, PI],
            _ => continue,
        };
        let at = model.jnt_qposadr()[joint] as usize;
        data.qpos_mut()[at] = uniform(low, high, rng);
    }
}

/// As [`randomize_joints`], until nothing touches.
///
/// # Errors
/// None was found in 1000 attempts, as `dm_control`.
pub(super) fn randomize_joints_apart(
    data: &mut Data,
    rng: &mut ChaCha8Rng,
) -> Result<(), EnvError> {
    for _ in 0..1000 {
        randomize_joints(data, rng);
        settle(data);
        if data.contact().is_empty() {
            return Ok(());
        }
    }
    Err("no start without contacts was found in 1000 attempts; reset with another seed".into())
}

pub(super) fn uniform(low: f64, high: f64, rng: &mut ChaCha8Rng) -> f64 {
    low + (high - low) * rng.random::<f64>()
}

pub(super) fn normal(rng: &mut ChaCha8Rng) -> f64 {
    rng.sample(rand_distr::StandardNormal)
}

/// Number of a body.
pub(super) fn body(sim: &Sim, name: &str) -> Result<usize, EnvError> {
    sim.find(MjtObjBase::mjOBJ_BODY, name)
}

/// Number of a geom.
pub(super) fn geom(sim: &Sim, name: &str) -> Result<usize, EnvError> {
    sim.find(MjtObjBase::mjOBJ_GEOM, name)
}

/// Number of a site.
pub(super) fn site(sim: &Sim, name: &str) -> Result<usize, EnvError> {
    sim.find(MjtObjBase::mjOBJ_SITE, name)
}

/// Where a sensor begins in `sensordata`.
pub(super) fn sensor(sim: &Sim, name: &str) -> Result<usize, EnvError> {
    let sensor = sim.find(MjtObjBase::mjOBJ_SENSOR, name)?;
    Ok(sim.model().sensor_adr()[sensor] as usize)
}

/// Where a joint begins in `qpos` and in `qvel`.
pub(super) fn joint(sim: &Sim, name: &str) -> Result<(usize, usize), EnvError> {
    let joint = sim.find(MjtObjBase::mjOBJ_JOINT, name)?;
    let model = sim.model();
    Ok((model.jnt_qposadr()[joint] as usize, model.jnt_dofadr()[joint] as usize))
}

/// Entries of a rotation matrix: which axis of the world, then which of the body.
pub(super) const XX: usize = 0;
pub(super) const XZ: usize = 2;
pub(super) const ZX: usize = 6;
pub(super) const ZZ: usize = 8;

/// `b - a`.
pub(super) fn between(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [b[0] - a[0], b[1] - a[1], b[2] - a[2]]
}

/// Length of a vector.
pub(super) fn norm<const N: usize>(x: [f64; N]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}
