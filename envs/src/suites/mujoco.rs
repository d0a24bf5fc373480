//! Environments simulated by MuJoCo (feature `mujoco`).
//!
//! | file | holds |
//! | --- | --- |
//! | `sim.rs` | `Sim`: a model, its state, saving and loading |
//! | `constants.rs` | physical constants of a model by name: gravity, friction, masses, gears |
//! | `engine.rs` | what the bindings leave unsafe |
//! | `options.rs` | keyword arguments, declared once with type and default |
//! | `numpy.rs` | sums in `NumPy`'s order |
//! | `render.rs` | pictures |
//! | `gymnasium.rs`, `gymnasium/*.rs` | the v5 suite of Gymnasium 1.4, one environment per file |
//! | `dmc.rs`, `dmc/*.rs` | the `DeepMind` Control Suite, one domain per file |
//!
//! # Where the models come from
//!
//! The XML models of Gymnasium (62 kB) and `DeepMind` Control (100 kB) are compiled into the
//! executable from the folders beside `MUJOCO_DYNAMIC_LINK_DIR`, the one that also holds the
//! libmujoco linked against. So library and models always belong together, and an installed
//! executable needs no file of the checkout but the library and, for the dog, its bones and skin
//! (17 MB), which are read from there when a dog is made.

/// The MuJoCo that environments are simulated by; `None` without the feature `mujoco`.
pub fn mujoco_version() -> Option<&'static str> {
    #[cfg(feature = "mujoco")]
    return Some(engine::VERSION);
    #[cfg(not(feature = "mujoco"))]
    None
}

/// Names of the environments that feature `mujoco` brings, sorted.
#[cfg_attr(feature = "mujoco", expect(dead_code, reason = "tells what is missing without it"))]
pub(crate) const IDS: [&str; 36] = [
    "Ant-v5",
    "HalfCheetah-v5",
    "Hopper-v5",
    "Humanoid-v5",
    "HumanoidStandup-v5",
    "InvertedDoublePendulum-v5",
    "InvertedPendulum-v5",
    "Pusher-v5",
    "Reacher-v5",
    "Swimmer-v5",
    "Walker2d-v5",
    "dmc/acrobot-swingup",
    "dmc/acrobot-swingup_sparse",
    "dmc/ball_in_cup-catch",
    "dmc/cartpole-balance",
    "dmc/cartpole-balance_sparse",
    "dmc/cartpole-swingup",
    "dmc/cartpole-swingup_sparse",
    "dmc/cheetah-run",
    "dmc/dog-fetch",
    "dmc/dog-run",
    "dmc/dog-stand",
    "dmc/dog-trot",
    "dmc/dog-walk",
    "dmc/finger-spin",
    "dmc/finger-turn_easy",
    "dmc/finger-turn_hard",
    "dmc/hopper-hop",
    "dmc/hopper-stand",
    "dmc/pendulum-swingup",
    "dmc/point_mass-easy",
    "dmc/reacher-easy",
    "dmc/reacher-hard",
    "dmc/walker-run",
    "dmc/walker-stand",
    "dmc/walker-walk",
];

#[cfg(feature = "mujoco")]
mod constants;
#[cfg(feature = "mujoco")]
mod dmc;
#[cfg(feature = "mujoco")]
mod engine;
#[cfg(feature = "mujoco")]
mod gymnasium;
#[cfg(feature = "mujoco")]
mod numpy;
#[cfg(feature = "mujoco")]
mod options;
#[cfg(feature = "mujoco")]
mod render;
#[cfg(feature = "mujoco")]
mod sim;

/// Adds all of them to a registry.
#[cfg(feature = "mujoco")]
pub(crate) fn register(registry: &mut crate::Registry) {
    gymnasium::register(registry);
    dmc::register(registry);
}
