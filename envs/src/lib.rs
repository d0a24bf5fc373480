//! Environments: what an agent acts on. No tensors in here.
//!
//! The whole contract is on this page: [`Env`] is the trait to implement,
//! [`EnvSpec`] says what goes in and out, [`Registry`] finds environments by name.
//! The shape follows Gymnasium (reset, step, terminated and truncated apart); observations are
//! flat `f32` slices that the caller owns, so a step allocates nothing.
//!
//! | file | holds |
//! | --- | --- |
//! | `lib.rs` | [`Env`], [`EnvSpec`], [`Action`], [`Step`] |
//! | `spec_check.rs` | what a spec must hold to, and which bounds are a scale |
//! | `registry.rs`, `sources.rs` | [`Registry`]: name and keyword arguments to environment; which files of Python it loaded |
//! | `vector.rs`, `actions.rs` | [`VecEnv`]: several environments stepped together, with autoreset |
//! | `wrap.rs`, `action_repeat.rs`, `frame_stack.rs` | [`TimeLimit`], [`ActionRescale`], [`ActionRepeat`], [`FrameStack`] |
//! | [`drift`] | environments that change over time, for continual learning |
//! | `check.rs` | [`check`](check()): tells what is wrong with an environment of your own |
//! | `error_text.rs` | [`sentence_and_details`]: what an error says in one line, and what stands below it |
//! | `cartpole.rs`, `pendulum.rs`, ... | one environment per file, equal to Gymnasium 1.4 |
//! | `python.rs` | `gymnasium:ID` and `python:MODULE:CALLABLE`: Python environments in worker processes |
//! | `minatar.rs` | five Atari games on a small grid, equal to `MinAtar` 1.0.15 |
//! | `forager.rs` | a foraging life without end, equal to continual-foragax 0.58.0 |
//! | `canvas.rs` | what [`Env::render`] draws on |
//! | `mujoco/` | Gymnasium's MuJoCo environments, v5, and `DeepMind` Control (feature `mujoco`) |
//! | `gym.rs` | `Gym`: environments of the crate gymnasium-rs (feature `gymnasium-rs`) |
//!
//! # Your own environment
//!
//! ```
//! use envs::{Action, ActionSpace, Env, EnvError, EnvSpec, Kwargs, Registry, Step};
//!
//! #[derive(Default)]
//! struct Thermostat {
//!     temp: f32,
//!     t: u32,
//! }
//!
//! impl Env for Thermostat {
//!     fn spec(&self) -> EnvSpec {
//!         EnvSpec::vector(1, ActionSpace::symmetric(1))
//!     }
//!     fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
//!         (self.temp, self.t) = (15.0 + (seed % 10) as f32, 0);
//!         obs[0] = self.temp;
//!         Ok(())
//!     }
//!     fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
//!         self.temp += action.continuous()?[0] - 0.1 * (self.temp - 15.0);
//!         self.t += 1;
//!         obs[0] = self.temp;
//!         Ok(Step { reward: -(self.temp - 20.0).abs(), terminated: false, truncated: self.t == 200 })
//!     }
//! }
//!
//! let mut registry = Registry::builtin();
//! registry.insert("thermostat", || Ok(Thermostat::default()));
//!
//! let mut env = registry.make("thermostat", &Kwargs::new())?;
//! assert_eq!(envs::check(env.as_mut(), "thermostat"), []);
//! # Ok::<(), envs::EnvError>(())
//! ```

mod acrobot;
mod action_repeat;
mod actions;
mod bounds;
mod bytes;
mod canvas;
mod cartpole;
mod check;
pub mod drift;
mod error_text;
mod forager;
mod frame_stack;
#[cfg(feature = "gymnasium-rs")]
mod gym;
mod minatar;
mod mountain_car;
mod mountain_car_continuous;
mod mujoco;
mod params;
mod pendulum;
mod python;
mod registry;
mod sources;
mod spec_check;
mod vector;
mod wrap;

pub use acrobot::Acrobot;
pub use action_repeat::ActionRepeat;
pub use actions::Actions;
pub use cartpole::CartPole;
pub use check::{Finding, Progress, Severity, Watch, check, check_within};
pub use error_text::sentence_and_details;
pub use frame_stack::FrameStack;
#[cfg(feature = "gymnasium-rs")]
pub use gym::{Gym, GymAction};
pub use mountain_car::MountainCar;
pub use mountain_car_continuous::MountainCarContinuous;
pub use mujoco::mujoco_version;
pub use pendulum::Pendulum;
pub use registry::{Registry, edit_distance};
pub use sources::{Source, Sources};
pub use spec_check::is_type_limit;
pub use vector::{Episode, LoadReport, Outcome, VecEnv, VecEnvState};
pub use wrap::{ActionRescale, TimeLimit};

use serde::{Deserialize, Serialize};

/// What an environment may fail with: any error, in one sentence that says what and where. Details such
/// as a traceback may follow it after a blank line ([`sentence_and_details`]).
pub type EnvError = Box<dyn std::error::Error + Send + Sync>;

/// Keyword arguments of an environment, as written in a run's TOML or given to [`Registry::make`].
pub type Kwargs = toml::Table;

/// One environment.
///
/// The caller calls [`reset`](Env::reset) first and after every episode end; `obs` always has
/// [`Space::size`] components, and the environment writes all of them.
pub trait Env: Send {
    /// What goes in and out. Constant over the life of the environment.
    fn spec(&self) -> EnvSpec;

    /// Starts an episode and writes its first observation. The same seed gives the same episode; if
    /// the environment drifts, at the same age ([`set_age`](Env::set_age)). One that never ends and was
    /// cut off may go on where it is instead, unless it was given an age since.
    ///
    /// # Errors
    /// What the environment cannot recover from.
    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError>;

    /// Acts once and writes the next observation, the last one of the episode included.
    ///
    /// # Errors
    /// An action of the wrong kind, or what the environment cannot recover from.
    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError>;

    /// Says which action [`step`](Env::step) will be given next, so that an environment that runs
    /// elsewhere can start on it: [`VecEnv`] tells all of its environments before it waits for the
    /// first. One that returns false need not be told again.
    fn begin(&mut self, _action: Action<'_>) -> bool {
        false
    }

    /// Which task of a continual benchmark is on: the number of changes so far that the agent may
    /// know of, and so never one that was on before (see [`drift`]).
    fn task(&self) -> usize {
        0
    }

    /// How many episodes so far were cut off by nothing in the environment, such as the death of the process
    /// that it runs in. The step that counts one more is truncated, and its reward means nothing.
    fn interruptions(&self) -> u64 {
        0
    }

    /// Says how many steps this environment has lived in the run, episodes before included. One that
    /// drifts is, from its next [`reset`](Env::reset) on, as it would be after that many steps; an
    /// evaluation sets the age of what it evaluates. One that never ends begins anew with that reset.
    /// Others have no use for it.
    fn set_age(&mut self, _steps: u64) {}

    /// What it looks like now, or `None` if it cannot be drawn.
    ///
    /// # Errors
    /// What drawing fails with: a machine without the library for it, say.
    fn render(&mut self) -> Result<Option<Frame>, EnvError> {
        Ok(None)
    }

    /// Physical constants that may be changed between episodes, or `None` if there are none.
    fn params(&mut self) -> Option<&mut dyn Params> {
        None
    }

    /// The inner state as bytes, for exact resume, or `None` if it cannot be saved.
    fn state(&mut self) -> Option<&mut dyn State> {
        None
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

/// What goes in and out of an environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnvSpec {
    /// Shape and bounds of an observation.
    pub obs: Space,
    /// The actions it takes.
    pub action: ActionSpace,
    /// Steps after which [`Registry::make`] truncates an episode.
    pub time_limit: Option<u32>,
}

impl EnvSpec {
    /// A spec with `n` unbounded observation components and no time limit.
    pub fn vector(n: usize, action: ActionSpace) -> Self {
        Self { obs: Space::vector(n), action, time_limit: None }
    }

    /// The same spec with a time limit in steps.
    #[must_use]
    pub fn with_time_limit(self, steps: u32) -> Self {
        Self { time_limit: Some(steps), ..self }
    }
}

/// Shape, bounds and type of an observation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Space {
    /// Lengths of the axes, outermost first; observations are flat in this order.
    pub shape: Vec<usize>,
    /// Lowest value of each component, one per flat component; may be infinite.
    #[serde(with = "bounds")]
    pub low: Vec<f32>,
    /// Highest value of each component, one per flat component; may be infinite.
    #[serde(with = "bounds")]
    pub high: Vec<f32>,
    /// What the numbers are, for who stores many of them.
    pub dtype: Dtype,
    /// 1, or the number `k` of frames that every observation is a stack of: equal parts one after
    /// another, oldest first, of which each step drops the first and appends one, and a reset
    /// repeats its only one. Replay stores such frames once, so a wrapper that changes observations
    /// in any other way must put it back to 1.
    #[serde(default = "one")]
    pub frames: usize,
}

fn one() -> usize {
    1
}

impl Space {
    /// `n` components without bounds.
    pub fn vector(n: usize) -> Self {
        Self::bounded(vec![f32::NEG_INFINITY; n], vec![f32::INFINITY; n])
    }

    /// A vector with the given bounds, one pair per component.
    pub fn bounded(low: Vec<f32>, high: Vec<f32>) -> Self {
        Self { shape: vec![low.len()], low, high, dtype: Dtype::F32, frames: 1 }
    }

    /// Number of flat components; `usize::MAX` where it would be more.
    pub fn size(&self) -> usize {
        if self.shape.contains(&0) {
            return 0;
        }
        self.shape.iter().fold(1, |size: usize, &n| size.saturating_mul(n))
    }
}

/// The type of an observation's numbers. They travel as `f32` either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// Any real number.
    F32,
    /// Whole numbers from 0 to 255: may be stored in a byte.
    U8,
}

/// The actions an environment takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActionSpace {
    /// One of `0..n`.
    Discrete(usize),
    /// A vector within bounds, one pair per component.
    Box {
        /// Lowest value of each component.
        #[serde(with = "bounds")]
        low: Vec<f32>,
        /// Highest value of each component.
        #[serde(with = "bounds")]
        high: Vec<f32>,
    },
}

impl ActionSpace {
    /// `n` components in `[-1, 1]`.
    pub fn symmetric(n: usize) -> Self {
        Self::Box { low: vec![-1.0; n], high: vec![1.0; n] }
    }

    /// Number of choices if discrete, of components if not.
    pub fn size(&self) -> usize {
        match self {
            Self::Discrete(n) => *n,
            Self::Box { low, .. } => low.len(),
        }
    }
}

/// One action. Environments from [`Registry::make`] take continuous actions in `[-1, 1]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action<'a> {
    /// The index of a choice.
    Discrete(usize),
    /// One number per component.
    Continuous(&'a [f32]),
}

impl<'a> Action<'a> {
    /// The index of a discrete action.
    ///
    /// # Errors
    /// The action is continuous.
    pub fn discrete(self) -> Result<usize, EnvError> {
        match self {
            Self::Discrete(choice) => Ok(choice),
            Self::Continuous(_) => Err("the environment takes discrete actions but was given a \
                continuous one; use an agent for discrete actions, such as DQN"
                .into()),
        }
    }

    /// The components of a continuous action.
    ///
    /// # Errors
    /// The action is discrete.
    pub fn continuous(self) -> Result<&'a [f32], EnvError> {
        match self {
            Self::Continuous(action) => Ok(action),
            Self::Discrete(_) => Err("the environment takes continuous actions but was given a \
                discrete one; use an agent for continuous actions, such as SAC"
                .into()),
        }
    }
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
    /// The episode ended for good: nothing follows, its value is zero.
    pub terminated: bool,
    /// The episode was cut off: its value goes on.
    pub truncated: bool,
}
