//! [`Env`]: the trait to implement, and what its methods take and return.

use serde::{Deserialize, Serialize};

use crate::{Action, EnvError, EnvSpec};

/// One environment.
///
/// The caller calls [`reset`](Env::reset) first and after every episode end; `obs` always has
/// [`Space::size`](crate::Space::size) components, and the environment writes all of them.
pub trait Env: Send {
    /// What goes in and out. Constant over the life of the environment.
    fn spec(&self) -> EnvSpec;

    /// Starts an episode and writes its first observation. The same seed gives the same episode; if
    /// the environment drifts, at the same age ([`set_age`](Env::set_age)). One that never ends and was
    /// cut off may continue from where it is, unless it was given an age since.
    ///
    /// # Errors
    /// What the environment cannot recover from.
    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError>;

    /// Acts once and writes the next observation, the last one of the episode included.
    ///
    /// # Errors
    /// An action of the wrong kind, or what the environment cannot recover from.
    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError>;

    /// The environment that this one wraps, if it is a wrapper. What a wrapper does not implement of the
    /// methods below, that environment answers.
    fn inner(&self) -> Option<&dyn Env> {
        None
    }

    /// The same, to change it; the two always agree.
    fn inner_mut(&mut self) -> Option<&mut dyn Env> {
        None
    }

    /// Says which action [`step`](Env::step) will be given next, so that an environment that runs
    /// elsewhere can start on it: [`VecEnv`](crate::VecEnv) tells all of its environments before it waits for the
    /// first. One that returns false is not told again. A wrapper that changes actions passes the
    /// changed one on.
    fn begin(&mut self, action: Action<'_>) -> bool {
        self.inner_mut().is_some_and(|env| env.begin(action))
    }

    /// Which task of a continual benchmark is on: the number of changes so far that the agent may
    /// know of, and so never one that was on before (see [`drift`](crate::drift)).
    fn task(&self) -> usize {
        self.inner().map_or(0, Env::task)
    }

    /// How many episodes so far were cut off by nothing in the environment, such as the death of the process
    /// that it runs in. The step that counts one more is truncated, and its reward means nothing.
    fn interruptions(&self) -> u64 {
        self.inner().map_or(0, Env::interruptions)
    }

    /// Sets how many steps were taken in this environment in the run, earlier episodes included. One that
    /// drifts is, from its next [`reset`](Env::reset) on, as it would be after that many steps; an
    /// evaluation sets the age of what it evaluates. One that never ends starts over with that reset.
    /// Others have no use for it.
    fn set_age(&mut self, steps: u64) {
        if let Some(env) = self.inner_mut() {
            env.set_age(steps);
        }
    }

    /// What it looks like now, or `None` if it cannot be drawn.
    ///
    /// # Errors
    /// What drawing fails with: a machine without the library for it, say.
    fn render(&mut self) -> Result<Option<Frame>, EnvError> {
        self.inner_mut().map_or(Ok(None), Env::render)
    }

    /// Physical constants that may be changed between episodes, or `None` if there are none.
    fn params(&mut self) -> Option<&mut dyn Params> {
        self.inner_mut()?.params()
    }

    /// The inner state as bytes, for exact resume, or `None` if it cannot be saved.
    fn state(&mut self) -> Option<&mut dyn State> {
        self.inner_mut()?.state()
    }
}

/// Named physical constants of an environment, such as `"gravity"`.
///
/// They survive [`Env::reset`] and are not part of [`State`]: who changes them saves them.
pub trait Params {
    /// All names, in a fixed order.
    fn names(&self) -> Vec<&str>;

    /// The value of one constant, or `None` for an unknown name.
    fn get(&self, name: &str) -> Option<f64>;

    /// Changes one constant.
    ///
    /// # Errors
    /// An unknown name, or a value without physical meaning (a mass of zero).
    fn set(&mut self, name: &str, value: f64) -> Result<(), EnvError>;
}

/// The inner state of an environment within an episode.
///
/// After `load` of what `save` returned, the episode continues bit for bit as it did.
pub trait State {
    /// The state as bytes.
    fn save(&self) -> Vec<u8>;

    /// Puts a saved state back.
    ///
    /// # Errors
    /// Bytes that are not a saved state of this environment.
    fn load(&mut self, bytes: &[u8]) -> Result<(), EnvError>;
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Red, green, blue of each pixel: `[height * width * 3]`, from the top left.
    pub rgb: Vec<u8>,
}

/// What one step led to, besides the observation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Reward of this step.
    pub reward: f32,
    /// The episode ended in a terminal state: nothing follows, its value is zero.
    pub terminated: bool,
    /// The episode was cut off: what would have followed still has a value.
    pub truncated: bool,
}
