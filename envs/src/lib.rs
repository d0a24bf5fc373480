//! Environments: what an agent acts on. No tensors in here.
//!
//! [`Env`] is the trait to implement, [`EnvSpec`] describes its observations and actions, and [`Registry`]
//! finds environments by name.
//! The shape follows Gymnasium (reset, step, terminated and truncated apart); observations are
//! flat `f32` slices that the caller owns, so a step allocates nothing.
//!
//! | file | holds |
//! | --- | --- |
//! | `env.rs`, `error.rs` | [`Env`], [`Params`], [`State`], [`Step`], [`EnvError`] |
//! | `spec.rs` | [`EnvSpec`]: spaces, what they must hold to, and which bounds are a scale |
//! | `actions.rs` | [`Action`], [`Actions`] |
//! | `registry.rs` | [`Registry`]: name and keyword arguments to environment |
//! | `vector.rs` | [`VecEnv`]: several environments stepped together, with autoreset |
//! | `wrappers.rs` | [`TimeLimit`], [`ActionRescale`], [`ActionRepeat`], [`FrameStack`] |
//! | [`drift`] | environments that change over time, for continual learning |
//! | `check.rs` | [`check`](check()): tells what is wrong with an environment of your own |
//! | `canvas.rs`, `bytes.rs`, `params.rs` | what environments are built from: pictures, saved states, constants |
//! | `suites.rs` | [`Registry::builtin`]: the environments of this crate |
//! | `suites/classic_control/` | one environment per file, equal to Gymnasium 1.4 |
//! | `suites/mujoco/` | Gymnasium's MuJoCo environments, v5, and `DeepMind` Control (feature `mujoco`) |
//! | `suites/minatar/` | five Atari games on a small grid, equal to `MinAtar` 1.0.15 |
//! | `suites/forager/` | a foraging life without end, equal to continual-foragax 0.58.0 |
//! | `suites/python/` | `gymnasium:ID` and `python:MODULE:CALLABLE`: Python environments in worker processes |
//! | `suites/gym.rs` | `Gym`: environments of the crate gymnasium-rs (feature `gymnasium-rs`) |
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

mod actions;
mod bytes;
mod canvas;
mod check;
pub mod drift;
mod env;
mod error;
mod params;
mod registry;
mod spec;
mod suites;
mod vector;
mod wrappers;

pub use actions::{Action, Actions};
pub use check::finding::{Finding, Severity};
pub use check::probe::{Progress, Watch};
pub use check::{check, check_within};
pub use env::{Env, Frame, Params, State, Step};
pub use error::{EnvError, sentence_and_details};
pub use registry::Registry;
pub use registry::closest::edit_distance;
pub use registry::kwargs::Kwargs;
pub use registry::sources::{Source, Sources};
pub use spec::check::is_type_limit;
pub use spec::{ActionSpace, Dtype, EnvSpec, Space};
pub use suites::classic_control::{
    Acrobot, CartPole, MountainCar, MountainCarContinuous, Pendulum,
};
#[cfg(feature = "gymnasium-rs")]
pub use suites::gym::{Gym, GymAction};
pub use suites::mujoco::mujoco_version;
pub use vector::VecEnv;
pub use vector::outcome::{Episode, Outcome};
pub use vector::saved::{LoadReport, VecEnvState};
pub use wrappers::{ActionRepeat, ActionRescale, FrameStack, TimeLimit};
