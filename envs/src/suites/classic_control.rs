//! Gymnasium's classic control, step by step as in Gymnasium 1.4. Names and keyword arguments are
//! Gymnasium's.

mod acrobot;
mod cartpole;
mod mountain_car;
mod mountain_car_continuous;
mod pendulum;

pub use acrobot::Acrobot;
pub use cartpole::CartPole;
pub use mountain_car::MountainCar;
pub use mountain_car_continuous::MountainCarContinuous;
pub use pendulum::Pendulum;

use crate::registry::kwargs::{flag, number};
use crate::{Env, Registry};

/// Adds all of them to a registry.
pub(crate) fn register(registry: &mut Registry) {
    registry.insert_known("CartPole-v1", &["sutton_barto_reward"], |kwargs| {
        Ok(Box::new(CartPole::new(flag(kwargs, "sutton_barto_reward")?.unwrap_or(false))))
    });
    registry.insert_known("Pendulum-v1", &["g"], |kwargs| {
        let mut env = Pendulum::default();
        if let (Some(g), Some(params)) = (number(kwargs, "g")?, env.params()) {
            params.set("gravity", g)?;
        }
        Ok(Box::new(env))
    });
    // `goal_velocity` is among the constants of both mountain cars.
    registry.insert("MountainCar-v0", || Ok(MountainCar::default()));
    registry.insert("MountainCarContinuous-v0", || Ok(MountainCarContinuous::default()));
    registry.insert("Acrobot-v1", || Ok(Acrobot::default()));
}
