//! One domain of the suite per file.

pub(super) mod acrobot;
pub(super) mod ball_in_cup;
pub(super) mod cartpole;
pub(super) mod cheetah;
pub(super) mod dog;
pub(super) mod finger;
pub(super) mod hopper;
pub(super) mod pendulum;
pub(super) mod point_mass;
pub(super) mod reacher;
pub(super) mod walker;
