//! One game per file.

pub(super) mod asterix;
pub(super) mod breakout;
pub(super) mod freeway;
pub(super) mod seaquest;
pub(super) mod space_invaders;
