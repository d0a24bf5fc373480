//! `minatar/...`: five Atari games on a grid of 10 x 10 cells.
//!
//! K. Young, T. Tian, "`MinAtar`: An Atari-Inspired Testbed for Thorough and Reproducible
//! Reinforcement Learning Experiments", 2019, arXiv 1903.03176. Games of the Python package
//! `MinAtar` 1.0.15, step by step.
//!
//! An observation has a plane of 10 x 10 zeros and ones for each kind of object: `[C, 10, 10]`, as
//! convolutions want it (the package's are `[10, 10, C]`). `channels` adds planes that stay zero, so
//! that games of different objects have one shape. Each game is one file in `games/`.

mod env;
mod game;
mod games;
mod picture;
#[cfg(test)]
mod tests;

use crate::Registry;
use env::{MinAtar, id};
use game::Game;
use games::{asterix, breakout, freeway, seaquest, space_invaders};

/// Adds all games.
pub(crate) fn register(registry: &mut Registry) {
    add::<asterix::Asterix>(registry);
    add::<breakout::Breakout>(registry);
    add::<freeway::Freeway>(registry);
    add::<seaquest::Seaquest>(registry);
    add::<space_invaders::SpaceInvaders>(registry);
}

fn add<G: Game>(registry: &mut Registry) {
    let known = ["difficulty_ramping", "minimal_actions", "channels"];
    registry.insert_known(&id::<G>(), &known, |kwargs| Ok(Box::new(MinAtar::<G>::new(kwargs)?)));
}
