//! `dmc/dog-*`: a dog of 38 muscles, to stand, to move at a speed, or to fetch a ball.
//!
//! Start and reward of `dm_control` 1.0.50, `suite/dog.py`.

mod model;

use std::f64::consts::PI;

use mujoco_rs::prelude::{MjModel, MjtJoint, MjtObjBase};
use rand_chacha::ChaCha8Rng;

use crate::EnvError;
use crate::suites::mujoco::dmc::physics::{
    ZX, ZZ, between, body, geom, joint, norm, normal, reset, sensor, site, uniform,
};
use crate::suites::mujoco::dmc::rewards::{GAUSSIAN, Sigmoid, tolerance};
use crate::suites::mujoco::dmc::task::{Made, Task};
use crate::suites::mujoco::engine::Data;
use crate::suites::mujoco::sim::Sim;

#[derive(Clone, Copy)]
pub(in crate::suites::mujoco::dmc) enum Goal {
    Stand,
    /// In metres a second.
    Move(f64),
    Fetch,
}

pub(in crate::suites::mujoco::dmc) struct Dog {
    goal: Goal,
    /// Of torso and pelvis, from which standing is rewarded in full.
    heights: [f64; 2],
    /// Where its position begins.
    root: usize,
    /// Positions and velocities of the hinges.
    hinges: [Vec<usize>; 2],
    torso: usize,
    pelvis: usize,
    skull: usize,
    velocity: usize,
    /// Sensors of three numbers.
    inertial: [usize; 3],
    forces: [usize; 4],
    touch: [usize; 4],
    ball: Option<Ball>,
}

/// What fetching needs.
struct Ball {
    root: (usize, usize),
    geom: usize,
    target: usize,
    floor: usize,
    head: usize,
    upper_bite: usize,
    lower_bite: usize,
}

pub(in crate::suites::mujoco::dmc) fn make(goal: Goal) -> Made<Dog> {
    let fetch = matches!(goal, Goal::Fetch);
    let mut sim = Sim::new("dog", model::compiled(fetch)?)?;
    reset(sim.data_mut());
    let sim = sim;
    let sensor = |name| sensor(&sim, name);
    let (torso, pelvis) = (body(&sim, "torso")?, body(&sim, "pelvis")?);
    let task = Dog {
        goal,
        heights: [torso, pelvis].map(|body| sim.data().xpos()[body][2] * 0.9),
        root: joint(&sim, "root")?.0,
        hinges: hinges(sim.model()),
        torso,
        pelvis,
        skull: body(&sim, "skull")?,
        velocity: sensor("torso_linvel")?,
        inertial: [sensor("accelerometer")?, sensor("velocimeter")?, sensor("gyro")?],
        forces: [sensor("foot_L")?, sensor("foot_R")?, sensor("hand_L")?, sensor("hand_R")?],
        touch: [sensor("palm_L")?, sensor("palm_R")?, sensor("sole_L")?, sensor("sole_R")?],
        ball: if fetch { Some(Ball::new(&sim)?) } else { None },
    };
    Ok((sim, task))
}

impl Ball {
    fn new(sim: &Sim) -> Result<Self, EnvError> {
        Ok(Self {
            root: joint(sim, "ball_root")?,
            geom: geom(sim, "ball")?,
            target: geom(sim, "target")?,
            floor: geom(sim, "floor")?,
            head: site(sim, "head")?,
            upper_bite: site(sim, "upper_bite")?,
            lower_bite: site(sim, "lower_bite")?,
        })
    }

    /// Throws it from the rim towards the middle.
    fn start(&self, data: &mut Data, rng: &mut ChaCha8Rng) {
        let radius = 0.75 * data.model().geom_size()[self.floor][0];
        let azimuth = uniform(0.0, 2.0 * PI, rng);
        let place = [radius * azimuth.sin(), radius * azimuth.cos(), 0.05];
        // As high as this it flies.
        let height = uniform(0.0, 3.0, rng);
        let up = (2.0 * -data.model_opt().gravity[2] * height).max(0.0).sqrt();
        let speed = uniform(0.0, 5.0, rng);
        let x = speed * (-azimuth.sin() + 0.05 * normal(rng));
        let y = speed * (-azimuth.cos() + 0.05 * normal(rng));
        let (position, velocity) = self.root;
        data.qpos_mut()[position..position + 3].copy_from_slice(&place);
        data.qvel_mut()[velocity..velocity + 3].copy_from_slice(&[x, y, up]);
    }

    /// Position and velocity of the ball, position of the target, as the head sees them.
    fn seen(&self, data: &Data) -> [[f64; 3]; 3] {
        let (frame, head) = (data.site_xmat()[self.head], data.site_xpos()[self.head]);
        let [ball, target] = [self.geom, self.target].map(|geom| data.geom_xpos()[geom]);
        let linear = |kind, id| {
            let [.., x, y, z] = data.object_velocity(kind, id, false);
            [x, y, z]
        };
        let head_velocity = linear(MjtObjBase::mjOBJ_SITE, self.head);
        let velocity = linear(MjtObjBase::mjOBJ_GEOM, self.geom);
        [between(head, ball), between(head_velocity, velocity), between(head, target)]
            .map(|vector| in_frame(vector, frame))
    }

    /// Factors for reaching the ball and for bringing it.
    fn reward(&self, data: &Data) -> [f64; 2] {
        let model = data.model();
        let ball = data.geom_xpos()[self.geom];
        let [upper, lower] = [self.upper_bite, self.lower_bite]
            .map(|bite| norm(between(data.site_xpos()[bite], ball)));
        let bite = [0.0, model.site_size()[self.upper_bite][0]];
        let reach = tolerance(0.5 * (upper + lower), bite, 2.0, Sigmoid::Reciprocal(0.1));
        let reach = (6.0 * reach + 1.0) / 7.0;

        let distance = norm(between(data.geom_xpos()[self.target], ball));
        let radius = model.geom_size()[self.target][0];
        let floor = model.geom_size()[self.floor][0];
        let near = tolerance(distance, [0.0, radius], floor, Sigmoid::Reciprocal(0.1));
        // Once it is there the dog may let it go.
        [if distance < 2.0 * radius { 1.0 } else { reach }, f64::midpoint(near, 1.0)]
    }
}

impl Dog {
    /// Of the centre of mass, in the frame of the torso.
    fn velocity(&self, data: &Data) -> [f64; 3] {
        let [x, y, z] = [0, 1, 2].map(|i| data.sensordata()[self.velocity + i]);
        in_frame([x, y, z], data.xmat()[self.torso])
    }

    fn heights(&self, data: &Data) -> [f64; 2] {
        [self.torso, self.pelvis].map(|body| data.xpos()[body][2])
    }
}

impl Task for Dog {
    const SUB_STEPS: u32 = 3;

    fn start(&self, data: &mut Data, rng: &mut ChaCha8Rng) -> Result<(), EnvError> {
        let azimuth = uniform(0.0, 2.0 * PI, rng);
        let orientation = [(azimuth / 2.0).cos(), 0.0, 0.0, (azimuth / 2.0).sin()];
        data.qpos_mut()[self.root + 3..self.root + 7].copy_from_slice(&orientation);
        for i in [0, 1, 5] {
            data.qvel_mut()[i] = 2.0 * normal(rng);
        }
        for actuator in 0..data.act().len() {
            let [low, high] = data.model().actuator_ctrlrange()[actuator];
            data.act_mut()[actuator] = uniform(low, high, rng);
        }
        if let Some(ball) = &self.ball {
            ball.start(data, rng);
        }
        Ok(())
    }

    fn observation(&self, data: &Data) -> impl Iterator<Item = f64> {
        let sensors = data.sensordata();
        let [positions, velocities] = &self.hinges;
        let up = [self.skull, self.torso, self.pelvis];
        positions
            .iter()
            .map(|&i| data.qpos()[i])
            .chain(velocities.iter().map(|&i| data.qvel()[i]))
            .chain(self.heights(data))
            .chain(up.into_iter().flat_map(|body| data.xmat()[body][ZX..=ZZ].iter().copied()))
            .chain(self.velocity(data))
            .chain(
                self.inertial
                    .into_iter()
                    .chain(self.forces)
                    .flat_map(|sensor| sensors[sensor..sensor + 3].iter().copied()),
            )
            .chain(self.touch.map(|sensor| sensors[sensor]))
            .chain(data.act().iter().copied())
            .chain(self.ball.as_ref().map(|ball| ball.seen(data)).into_iter().flatten().flatten())
    }

    fn reward(&self, data: &Data) -> f64 {
        let upwards = f64::to_radians(30.0).cos();
        let [torso, pelvis] = self.heights(data);
        let [torso, pelvis] = [(torso, self.heights[0]), (pelvis, self.heights[1])]
            .map(|(height, full)| tolerance(height, [full, f64::INFINITY], full, GAUSSIAN));
        let upright = [self.skull, self.torso, self.pelvis].map(|body| {
            let up = data.xmat()[body][ZZ];
            tolerance(up, [upwards, f64::INFINITY], upwards + 1.0, Sigmoid::Linear(0.0))
        });
        let weight = -data.model_opt().gravity[2] * data.model().body_subtreemass()[self.torso];
        let touch = self.touch.iter().fold(0.0, |sum, &sensor| sum + data.sensordata()[sensor]);
        let touch = tolerance(touch, [weight, f64::INFINITY], weight, Sigmoid::Linear(0.9));
        let standing = torso * pelvis * upright[0] * upright[1] * upright[2] * touch;

        match self.goal {
            Goal::Stand => standing,
            Goal::Move(speed) => {
                let [forward, ..] = self.velocity(data);
                let margin = speed.max(1.0);
                let moving = tolerance(forward, [speed, 2.0 * speed], margin, Sigmoid::Linear(0.0));
                standing * ((4.0 * moving + 1.0) / 5.0)
            }
            Goal::Fetch => {
                let factors = self.ball.as_ref().map(|ball| ball.reward(data));
                factors.into_iter().flatten().fold(standing, |reward, factor| reward * factor)
            }
        }
    }
}

/// Where hinges begin in positions and velocities.
fn hinges(model: &MjModel) -> [Vec<usize>; 2] {
    [model.jnt_qposadr(), model.jnt_dofadr()].map(|starts| {
        let all = starts.iter().zip(model.jnt_type());
        all.filter(|(_, kind)| **kind == MjtJoint::mjJNT_HINGE).map(|(&i, _)| i as usize).collect()
    })
}

/// A vector of the world, as a frame of it sees it.
fn in_frame(vector: [f64; 3], frame: [f64; 9]) -> [f64; 3] {
    [0, 1, 2].map(|i| vector[0] * frame[i] + vector[1] * frame[3 + i] + vector[2] * frame[6 + i])
}
