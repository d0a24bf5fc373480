//! The environments of this crate, by suite; [`Registry::builtin`] holds them all.

pub(crate) mod classic_control;
mod forager;
#[cfg(feature = "gymnasium-rs")]
pub(crate) mod gym;
mod minatar;
pub(crate) mod mujoco;
mod python;

use crate::Registry;

#[cfg(not(feature = "mujoco"))]
const WITHOUT_MUJOCO: &str = "this program was built without MuJoCo; run `cargo xtask setup` once, \
                              then `cargo xtask train`, or build with `--features mujoco`";

impl Registry {
    /// The environments of this crate.
    pub fn builtin() -> Self {
        let mut registry = Self::default();
        classic_control::register(&mut registry);
        python::register(&mut registry);
        minatar::register(&mut registry);
        forager::register(&mut registry);
        #[cfg(feature = "mujoco")]
        mujoco::register(&mut registry);
        #[cfg(not(feature = "mujoco"))]
        for id in mujoco::IDS {
            registry.insert_missing(id, WITHOUT_MUJOCO);
        }
        registry
    }
}
