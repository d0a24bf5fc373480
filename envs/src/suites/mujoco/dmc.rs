//! The `DeepMind` Control Suite, by ids such as `dmc/cheetah-run`.
//!
//! An observation is `dm_control`'s, its parts one after the other. Steps are bitwise those of
//! `dm_control` 1.0.50 with the same libmujoco; where episodes start is drawn from the same
//! distributions, by another generator. Rewards are between 0 and 1, and no episode ends but by
//! its time limit.

mod domains;
mod models;
mod physics;
mod rewards;
mod task;

use crate::Registry;
use domains::{
    acrobot, ball_in_cup, cartpole, cheetah, dog, finger, hopper, pendulum, point_mass, reacher,
    walker,
};
use task::{Dmc, Made, Task};

/// Adds the suite to a registry.
pub(crate) fn register(registry: &mut Registry) {
    add(registry, "dmc/acrobot-swingup", || acrobot::make(false));
    add(registry, "dmc/acrobot-swingup_sparse", || acrobot::make(true));
    add(registry, "dmc/ball_in_cup-catch", ball_in_cup::make);
    add(registry, "dmc/cartpole-balance", || cartpole::make(false, false));
    add(registry, "dmc/cartpole-balance_sparse", || cartpole::make(false, true));
    add(registry, "dmc/cartpole-swingup", || cartpole::make(true, false));
    add(registry, "dmc/cartpole-swingup_sparse", || cartpole::make(true, true));
    add(registry, "dmc/cheetah-run", cheetah::make);
    add(registry, "dmc/dog-fetch", || dog::make(dog::Goal::Fetch));
    add(registry, "dmc/dog-run", || dog::make(dog::Goal::Move(9.0)));
    add(registry, "dmc/dog-stand", || dog::make(dog::Goal::Stand));
    add(registry, "dmc/dog-trot", || dog::make(dog::Goal::Move(3.0)));
    add(registry, "dmc/dog-walk", || dog::make(dog::Goal::Move(1.0)));
    add(registry, "dmc/finger-spin", || finger::make(finger::Goal::Spin));
    add(registry, "dmc/finger-turn_easy", || finger::make(finger::Goal::Turn(0.07)));
    add(registry, "dmc/finger-turn_hard", || finger::make(finger::Goal::Turn(0.03)));
    add(registry, "dmc/hopper-hop", || hopper::make(true));
    add(registry, "dmc/hopper-stand", || hopper::make(false));
    add(registry, "dmc/pendulum-swingup", pendulum::make);
    add(registry, "dmc/point_mass-easy", point_mass::make);
    add(registry, "dmc/reacher-easy", || reacher::make(0.05));
    add(registry, "dmc/reacher-hard", || reacher::make(0.015));
    add(registry, "dmc/walker-run", || walker::make(Some(8.0)));
    add(registry, "dmc/walker-stand", || walker::make(None));
    add(registry, "dmc/walker-walk", || walker::make(Some(1.0)));
}

fn add<T: Task>(
    registry: &mut Registry,
    id: &'static str,
    make: impl Fn() -> Made<T> + Send + Sync + 'static,
) {
    registry.insert(id, move || Ok(Dmc::new(id, make()?)));
}
