//! Do equal seeds and saved states give equal episodes?

use super::probe::Probe;
use crate::EnvSpec;

impl Probe<'_> {
    /// Same seed, same episode; different seeds, different ones.
    pub(super) fn seeds(&mut self, spec: &EnvSpec, compared: usize) -> Option<()> {
        let first = self.episode(spec, 0, compared)?;
        let again = self.episode(spec, 0, compared)?;
        let size = spec.obs.size();
        if first.obs[..size] != again.obs[..size] {
            let remedy = if self.is_python() {
                "call super().reset(seed=seed) first, and draw the start of an episode only from \
                 self.np_random"
            } else {
                "draw the start of an episode only from a generator seeded with `seed`"
            };
            self.error(
                "two resets with one seed gave different first observations".into(),
                "reset(seed 0)",
                remedy,
            );
        } else if first != again {
            let remedy = if self.is_python() {
                "reset everything in reset(), and draw randomness only from self.np_random, which \
                 super().reset(seed=seed) seeds"
            } else {
                "reset everything in reset(), and draw randomness only from a generator seeded there"
            };
            self.error(
                "one seed and the same actions gave two different episodes".into(),
                "step(), seed 0",
                remedy,
            );
        }
        let mut differ = false;
        for seed in 1..5 {
            // The same actions: only the seed may make the difference.
            differ |= self.play(spec, seed, 0, compared)? != first;
        }
        if !differ {
            self.warning(
                "five different seeds gave the same episode".into(),
                "reset(seed 0 to 4)",
                "vary the start of an episode with `seed`, unless there is to be only one",
            );
        }
        Some(())
    }

    /// An episode that is saved in its middle continues from there as it did.
    pub(super) fn state(&mut self, spec: &EnvSpec, compared: usize) -> Option<()> {
        if self.call("state()", |env| Ok(env.state().is_none()))? {
            return Some(());
        }
        let length = self.episode(spec, 0, compared)?.steps.len();
        let middle = length / 2;
        self.play(spec, 0, 0, middle)?;
        let saved = self.call("state().save()", |env| Ok(env.state().map(|s| s.save())))?;
        let Some(saved) = saved else {
            self.error(
                "state() was there before an episode, but not in its middle".into(),
                "state()",
                "have state() always return Some, or always None",
            );
            return Some(());
        };
        let expected = self.play_rest(spec, middle, length)?;
        self.call("state().load()", |env| env.state().map_or(Ok(()), |s| s.load(&saved)))?;
        if self.play_rest(spec, middle, length)? != expected {
            self.error(
                format!(
                    "after loading a state saved at step {middle}, the episode went another way"
                ),
                "state()",
                "put all that changes within an episode into State::save, generators included",
            );
        }
        Some(())
    }
}
