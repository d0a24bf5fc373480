//! What is refused of an environment among several, and where it was.

use crate::EnvError;

/// Refuses observations that would poison a network.
pub(super) fn finite(obs: &[f32], env: usize, step: u64) -> Result<(), EnvError> {
    match obs.iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(i) => {
            let what = format!("observation component {i} is {}; it must be finite", obs[i]);
            Err(at(env, step, &what))
        }
    }
}

pub(super) fn at(env: usize, step: u64, what: &str) -> EnvError {
    match step {
        0 => format!("environment {env}, at the start of an episode: {what}"),
        _ => format!("environment {env}, step {step} of its episode: {what}"),
    }
    .into()
}
