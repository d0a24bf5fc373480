//! One environment of the suite per file.

pub(super) mod ant;
pub(super) mod half_cheetah;
pub(super) mod hopper;
pub(super) mod humanoid;
pub(super) mod humanoid_standup;
pub(super) mod inverted_double_pendulum;
pub(super) mod inverted_pendulum;
pub(super) mod pusher;
pub(super) mod reacher;
pub(super) mod swimmer;
pub(super) mod walker2d;
