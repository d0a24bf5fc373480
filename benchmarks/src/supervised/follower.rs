//! [`Follower`]: a learner on a stream, and the random streams that it and its examples draw from.

use networks::random::{self, Rng};

/// Which numbered stream of the seed draws what.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Draws {
    /// The examples, or the images.
    Data,
    /// First weights, and all that methods draw.
    Learner,
    /// Labels or permutation of a task.
    Task(u64),
    /// The order of the examples of a task.
    Order(u64),
}

impl Draws {
    pub(crate) fn of(self, seed: u64) -> Rng {
        random::stream(
            seed,
            match self {
                Draws::Data => 0,
                Draws::Learner => 1,
                Draws::Task(k) => 2 + 2 * k,
                Draws::Order(k) => 3 + 2 * k,
            },
        )
    }
}

/// A learner on its stream.
pub(super) trait Follower {
    /// Learns from the next `examples`; performance first, then plasticity measures.
    fn follow(&mut self, examples: u64) -> Result<Vec<(&'static str, f64)>, String>;
}
