//! Numbers of steps in a configuration: periods, which of them an age is in, and delays.

use crate::EnvError;

/// `#[serde(default = "yes")]`
pub(super) fn yes() -> bool {
    true
}

/// Which period of so many steps an age is in; there is only one if `period` is 0.
pub(super) fn index(age: u64, period: u64) -> u64 {
    age.checked_div(period).unwrap_or(0)
}

/// Refuses a period of no steps where each needs an end.
pub(super) fn some_steps(key: &str, steps: u64) -> Result<(), EnvError> {
    if steps > 0 {
        return Ok(());
    }
    Err(format!("{key} = 0 leaves no step in a period; give 1 or more").into())
}

/// Refuses delays that are none or must be a slip.
pub(super) fn delay(steps: usize) -> Result<(), EnvError> {
    if (1..=1024).contains(&steps) {
        return Ok(());
    }
    Err(format!("steps = {steps} is no delay to work with; give 1 to 1024").into())
}
