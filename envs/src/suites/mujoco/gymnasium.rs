//! The MuJoCo environments of Gymnasium 1.4, version 5, by their ids.
//!
//! Keyword arguments have Gymnasium's names and defaults, but for those of rendering. Steps are
//! bitwise Gymnasium's with the same libmujoco; where episodes start is drawn from the same
//! distributions, by another generator.

mod formulas;
mod models;
mod task;
mod tasks;

use crate::Registry;
use crate::suites::mujoco::options::Options;
use task::{Gymnasium, Task};
use tasks::{
    ant, half_cheetah, hopper, humanoid, humanoid_standup, inverted_double_pendulum,
    inverted_pendulum, pusher, reacher, swimmer, walker2d,
};

/// Adds the suite to a registry.
pub(crate) fn register(registry: &mut Registry) {
    add::<ant::Ant>(registry);
    add::<half_cheetah::HalfCheetah>(registry);
    add::<hopper::Hopper>(registry);
    add::<humanoid::Humanoid>(registry);
    add::<humanoid_standup::HumanoidStandup>(registry);
    add::<inverted_double_pendulum::InvertedDoublePendulum>(registry);
    add::<inverted_pendulum::InvertedPendulum>(registry);
    add::<pusher::Pusher>(registry);
    add::<reacher::Reacher>(registry);
    add::<swimmer::Swimmer>(registry);
    add::<walker2d::Walker2d>(registry);
}

fn add<T: Task>(registry: &mut Registry) {
    registry.insert_known(T::ID, T::Options::NAMES, |kwargs| {
        Ok(Box::new(Gymnasium::<T>::new(kwargs)?))
    });
}
