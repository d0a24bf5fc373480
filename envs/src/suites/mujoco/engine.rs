//! What the bindings to MuJoCo leave unsafe: writing to a model in use, and messages.
#![allow(unsafe_code, reason = "three functions of the bindings are unsafe")]

use std::sync::Once;

use mujoco_rs::prelude::{
    MjData, MjLogMessage, MjModel, MjtLogLevel, log_config, set_log_config, set_log_handler,
};

use crate::EnvError;

/// The release of MuJoCo that everything here is tested against.
pub(crate) const VERSION: &str = "3.17.0";

/// A model's state with the model itself: every environment may change its own constants.
pub(crate) type Data = MjData<Box<MjModel>>;

/// To be called before any other use of MuJoCo. Sends its warnings to standard error; it would also
/// write them into a file in the current folder.
///
/// # Errors
/// A libmujoco of another version, whose structs are laid out differently.
pub(crate) fn start() -> Result<(), EnvError> {
    static QUIET: Once = Once::new();
    let version = mujoco_rs::mujoco_version();
    if version != VERSION {
        return Err(format!(
            "libmujoco {version} was loaded where {VERSION} is needed; look for another one in \
             LD_LIBRARY_PATH"
        )
        .into());
    }
    QUIET.call_once(|| {
        // SAFETY: all use of MuJoCo in this crate comes after this call, which other threads wait
        // for in `call_once`.
        unsafe {
            set_log_handler(print);
            // The handler turns all topics on: each step would come with messages.
            set_log_config(log_config().with_topics(0));
        }
    });
    Ok(())
}

fn print(message: &MjLogMessage) {
    let serious = matches!(message.level(), MjtLogLevel::mjLOG_WARNING | MjtLogLevel::mjLOG_ERROR);
    // Gymnasium's cheetah has a deprecated attribute, which would be reported for every copy.
    if serious && !message.subject().contains("is deprecated") {
        eprintln!("MuJoCo: {}", message.subject());
    }
}

/// The model of `data`, for writing numbers into its arrays.
pub(super) fn edit(data: &mut Data, write: impl FnOnce(&mut MjModel)) {
    // SAFETY: the closures are those of `constants.rs` and of tasks with a target, which write
    // masses, gears, places and the like, never a size or an index, and do not exchange the model.
    write(unsafe { data.model_mut() });
}
