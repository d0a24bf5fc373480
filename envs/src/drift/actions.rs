//! Wrappers around what actions do.

mod action_delay;
mod remap_actions;

pub use action_delay::ActionDelay;
pub use remap_actions::RemapActions;
