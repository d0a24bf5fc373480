//! Whether there can be such a replay.

use envs::EnvSpec;

use super::{Replay, ring::Ring, sampler::SamplerConfig};

impl Replay {
    /// Whether there can be such a replay: what it is for makes sense, a transition fits, and the system has the memory.
    ///
    /// # Errors
    /// One sentence about the first thing in the way.
    pub fn check(
        spec: &EnvSpec,
        envs: usize,
        capacity: usize,
        n_step: usize,
    ) -> Result<(), String> {
        spec.validate()?;
        if envs == 0 || n_step == 0 {
            return Err(format!(
                "a replay of {envs} environments with n_step {n_step} holds nothing; both must be at least 1"
            ));
        }
        Replay::check_rows(spec, envs, capacity, n_step)?;
        Replay::check_memory(spec, envs, capacity)
    }

    /// Whether rings of this capacity always hold a whole transition: `n_step + 3` rows, and as many
    /// more as a stack of frames reaches back.
    ///
    /// # Errors
    /// One sentence with the least capacity.
    fn check_rows(
        spec: &EnvSpec,
        envs: usize,
        capacity: usize,
        n_step: usize,
    ) -> Result<(), String> {
        let frames = spec.obs.frames;
        let least = n_step.saturating_add(2 + frames).saturating_mul(envs);
        if capacity >= least {
            return Ok(());
        }
        Err(format!(
            "replay.capacity is {capacity}; with {envs} environments, n_step {n_step} and \
             observations of {frames} frames it must be at least {least}"
        ))
    }

    /// Whether the system would give the memory of such a replay. It is asked for and handed back
    /// untouched; without this a mistyped capacity would abort the process.
    ///
    /// # Errors
    /// One sentence with the number of bytes.
    fn check_memory(spec: &EnvSpec, envs: usize, capacity: usize) -> Result<(), String> {
        let bytes = (capacity.div_ceil(envs).saturating_add(1))
            .checked_mul(Ring::new(spec, 1).row_bytes())
            .and_then(|ring| ring.checked_mul(envs));
        let granted = bytes.is_some_and(|n| Vec::<u8>::new().try_reserve_exact(n).is_ok());
        if granted {
            return Ok(());
        }
        let size = bytes
            .map_or("more than 2^64 bytes".to_owned(), |n| format!("{:.1} GB", n as f64 / 1e9));
        Err(format!(
            "replay.capacity is {capacity}, which takes {size} with this environment's \
             observations, more than the system gives; lower it"
        ))
    }

    /// Whether the system would give the memory of a sampler for rings of so many rows.
    ///
    /// # Errors
    /// One sentence with the number of bytes.
    pub(super) fn check_sampler(
        sampler: &SamplerConfig,
        envs: usize,
        rows: usize,
    ) -> Result<(), String> {
        let bytes = envs * rows * sampler.row_bytes();
        if Vec::<u8>::new().try_reserve_exact(bytes).is_ok() {
            return Ok(());
        }
        Err(format!(
            "replay.sampler takes {:.1} GB for a replay.capacity of {}, more than the system gives; \
             lower that",
            bytes as f64 / 1e9,
            envs * (rows - 1)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::sampler::PrioritizedConfig;

    #[test]
    fn a_sampler_beyond_memory_is_refused() {
        let rows = 1 << 50;
        let sampler = SamplerConfig::Prioritized(PrioritizedConfig::default());
        let error = Replay::check_sampler(&sampler, 1, rows).unwrap_err();
        assert!(error.starts_with("replay.sampler takes 18014398.5 GB"), "{error}");
        assert_eq!(Replay::check_sampler(&SamplerConfig::default(), 1, rows), Ok(()));
    }
}
