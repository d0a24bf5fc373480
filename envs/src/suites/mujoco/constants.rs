//! Physical constants of a MuJoCo model by name.
//!
//! | name | is |
//! | --- | --- |
//! | `gravity` | size of gravity in m/s², along the model's direction (down if it has none) |
//! | `friction` | sliding friction: the largest coefficient of any geom; all others keep their ratio to it |
//! | `damping` | damping of all joints, in multiples of the model's |
//! | `mass/<body>` | mass of one body in kg; its inertia changes in proportion |
//! | `gear/<actuator>` | how strong one actuator is: force or torque per control |
//!
//! MuJoCo takes the larger coefficient of the two geoms of a contact, so `friction` is that of
//! most contacts with the floor, and lowering it makes everything slippery. A model in which nothing
//! rubs has no `friction`, one without damping no `damping`,
//! and one that switches gravity off no `gravity`. Bodies without a name
//! go by their number, actuators without a name by that of their joint or tendon, or by their
//! number.

use mujoco_rs::prelude::{MjModel, MjtDisableBit, MjtObjBase, MjtTrn};

use super::engine::{self, Data};
use crate::EnvError;
use crate::params::{finite, positive, unknown};

/// The constants of one model, with what the model says where it was not changed.
pub(crate) struct Constants {
    all: Vec<Constant>,
    gravity: [f64; 3],
    geom_friction: Vec<f64>,
    pair_friction: Vec<[f64; 2]>,
    damping: Vec<f64>,
}

struct Constant {
    name: String,
    what: What,
    original: f64,
    value: f64,
}

#[derive(Clone, Copy)]
enum What {
    Gravity,
    Friction,
    Damping,
    Mass { body: usize, inertia: [f64; 3] },
    Gear { output: usize },
}

impl Constants {
    pub(crate) fn new(model: &MjModel) -> Self {
        let gravity = model.opt().gravity;
        let geom_friction: Vec<f64> = model.geom_friction().iter().map(|f| f[0]).collect();
        let mut constants = Self {
            all: Vec::new(),
            gravity,
            pair_friction: model.pair_friction().iter().map(|f| [f[0], f[1]]).collect(),
            damping: model.dof_damping().to_vec(),
            geom_friction,
        };
        if has(model, MjtDisableBit::mjDSBL_GRAVITY) {
            constants.add("gravity".into(), What::Gravity, norm(gravity));
        }
        let friction = constants.geom_friction.iter().copied().fold(0.0, f64::max);
        if friction > 0.0 && has_friction(model) {
            constants.add("friction".into(), What::Friction, friction);
        }
        if constants.damping.iter().any(|&damping| damping > 0.0) {
            constants.add("damping".into(), What::Damping, 1.0);
        }
        for (body, &mass) in model.body_mass().iter().enumerate() {
            if mass > 0.0 {
                let inertia = model.body_inertia()[body];
                let name = named(model, MjtObjBase::mjOBJ_BODY, body).unwrap_or(body.to_string());
                constants.add(format!("mass/{name}"), What::Mass { body, inertia }, mass);
            }
        }
        for actuator in 0..model.nactuator() as usize {
            // Those with several outputs, or a gear of several numbers, act in space.
            let output = model.actuator_outadr()[actuator] as usize;
            let gear = model.actuator_gear()[output];
            if model.actuator_outnum()[actuator] == 1 && gear[1..] == [0.0; 5] {
                let name = actuator_name(model, actuator).unwrap_or(actuator.to_string());
                constants.add(format!("gear/{name}"), What::Gear { output }, gear[0]);
            }
        }
        constants
    }

    /// Two of one name would leave the second out of reach: it goes without.
    fn add(&mut self, name: String, what: What, original: f64) {
        if self.get(&name).is_none() {
            self.all.push(Constant { name, what, original, value: original });
        }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|constant| constant.name.as_str())
    }

    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.all.iter().find(|constant| constant.name == name).map(|constant| constant.value)
    }

    /// Writes a constant into the model, and says whether it was a mass, from which the engine
    /// derives other numbers.
    ///
    /// # Errors
    /// An unknown name, or a value without physical meaning.
    pub(super) fn set(
        &mut self,
        name: &str,
        value: f64,
        data: &mut Data,
    ) -> Result<bool, EnvError> {
        let Some(at) = self.all.iter().position(|constant| constant.name == name) else {
            return Err(unknown(name, &self.names().collect::<Vec<_>>()));
        };
        let Constant { what, original, .. } = self.all[at];
        let value = match what {
            What::Gravity | What::Friction | What::Damping => not_negative(name, value)?,
            What::Mass { .. } => positive(name, value)?,
            What::Gear { .. } => finite(name, value)?,
        };
        // Exactly one for the model's own value, which so comes back bit for bit.
        let scale = if value == original { 1.0 } else { value / original };
        match what {
            What::Gravity if original == 0.0 => {
                data.model_opt_mut().gravity = [0.0, 0.0, -value];
            }
            What::Gravity => data.model_opt_mut().gravity = self.gravity.map(|x| x * scale),
            What::Friction => engine::edit(data, |model| {
                for (geom, base) in model.geom_friction_mut().iter_mut().zip(&self.geom_friction) {
                    geom[0] = base * scale;
                }
                for (pair, base) in model.pair_friction_mut().iter_mut().zip(&self.pair_friction) {
                    (pair[0], pair[1]) = (base[0] * scale, base[1] * scale);
                }
            }),
            What::Damping => engine::edit(data, |model| {
                for (dof, base) in model.dof_damping_mut().iter_mut().zip(&self.damping) {
                    *dof = base * scale;
                }
            }),
            What::Mass { body, inertia } => engine::edit(data, |model| {
                model.body_mass_mut()[body] = value;
                model.body_inertia_mut()[body] = inertia.map(|x| x * scale);
            }),
            What::Gear { output } => {
                engine::edit(data, |model| model.actuator_gear_mut()[output][0] = value);
            }
        }
        self.all[at].value = value;
        Ok(matches!(what, What::Mass { .. }))
    }
}

/// Whether the model leaves a part of the engine on.
fn has(model: &MjModel, part: MjtDisableBit) -> bool {
    model.opt().disableflags & part as i32 == 0
}

/// Whether there are geoms on two bodies that may touch and rub.
fn has_friction(model: &MjModel) -> bool {
    if !has(model, MjtDisableBit::mjDSBL_CONTACT) || !has(model, MjtDisableBit::mjDSBL_CONSTRAINT) {
        return false;
    }
    let (kinds, partners) = (model.geom_contype(), model.geom_conaffinity());
    let may_rub = |i: usize, j: usize| {
        let touch = kinds[i] & partners[j] != 0 || kinds[j] & partners[i] != 0;
        let rub = model.geom_condim()[i].max(model.geom_condim()[j]) > 1;
        model.geom_bodyid()[i] != model.geom_bodyid()[j] && touch && rub
    };
    let geoms = kinds.len();
    model.npair() > 0 || (0..geoms).any(|i| (0..i).any(|j| may_rub(i, j)))
}

/// Name of an actuator or of what it moves.
fn actuator_name(model: &MjModel, actuator: usize) -> Option<String> {
    let moved = match model.actuator_trntype()[actuator] {
        MjtTrn::mjTRN_JOINT | MjtTrn::mjTRN_JOINTINPARENT => MjtObjBase::mjOBJ_JOINT,
        MjtTrn::mjTRN_TENDON => MjtObjBase::mjOBJ_TENDON,
        _ => return named(model, MjtObjBase::mjOBJ_ACTUATOR, actuator),
    };
    named(model, MjtObjBase::mjOBJ_ACTUATOR, actuator)
        .or_else(|| named(model, moved, model.actuator_trnid()[actuator][0] as usize))
}

fn named(model: &MjModel, kind: MjtObjBase, id: usize) -> Option<String> {
    model.id_to_name(kind, id).filter(|name| !name.is_empty()).map(String::from)
}

fn not_negative(name: &str, value: f64) -> Result<f64, EnvError> {
    if value.is_finite() && value >= 0.0 {
        return Ok(value);
    }
    Err(format!("{name} = {value} makes no physical sense; give 0 or more").into())
}

fn norm(x: [f64; 3]) -> f64 {
    (x[0] * x[0] + x[1] * x[1] + x[2] * x[2]).sqrt()
}
