//! Does it behave in many episodes, and is there time for more?

use super::probe::Probe;
use crate::EnvSpec;

/// Steps in all that an environment is played for.
const STEPS: usize = 10_000;
/// Steps that are compared between two runs of an episode.
const COMPARED: usize = 200;
/// Runs of an episode that follow the random steps.
const RUNS: u32 = 10;
/// Episodes after the first that are needed to judge them together.
const LATER: usize = 10;
impl Probe<'_> {
    /// Plays many episodes and looks at each number.
    pub(super) fn episodes(&mut self, spec: &EnvSpec) -> Option<()> {
        let (mut left, mut seed, mut ended) = (STEPS, 0, false);
        let mut lengths = Vec::new();
        while left > 0 && !self.half_over() {
            // Here alone it gets older, and what drifts drifts.
            let tape = self.play_on(spec, (seed, seed), left, true)?;
            left -= tape.steps.len();
            seed += 1;
            ended |= tape.ended();
            lengths.extend(tape.ended().then_some(tape.steps.len()));
        }
        if left > 0 {
            self.left_out.push(format!("{} of {STEPS} random steps were played", STEPS - left));
        }
        self.later_episodes(&lengths);
        if !ended && left == 0 && spec.time_limit.is_none() {
            let remedy = if self.is_python() {
                "terminate or truncate at some point, or set `max_episode_steps`"
            } else {
                "terminate or truncate at some point, or give EnvSpec a time limit"
            };
            self.warning(
                format!("no episode ended within {STEPS} steps of random actions"),
                "step()",
                remedy,
            );
        }
        Some(())
    }

    /// Is the time for random steps over?
    pub(super) fn half_over(&mut self) -> bool {
        (self.watch.elapsed)() >= self.watch.budget / 2
    }

    /// How many steps of an episode there is time to compare, by the speed so far.
    pub(super) fn affordable(&mut self) -> usize {
        let elapsed = (self.watch.elapsed)();
        let left = self.watch.budget.saturating_sub(elapsed) / RUNS;
        let steps = left.as_secs_f64() * self.now.steps as f64 / elapsed.as_secs_f64().max(1e-9);
        let steps = (steps as usize).clamp(2, COMPARED);
        if steps < COMPARED {
            self.left_out
                .push(format!("episodes were compared for {steps} steps instead of {COMPARED}"));
        }
        steps
    }

    /// A flag that `reset` forgets ends every episode but the first at once.
    fn later_episodes(&mut self, lengths: &[usize]) {
        let Some((&first, later)) = lengths.split_first() else { return };
        let at_once = later.iter().filter(|&&length| length == 1).count();
        if first > 1 && later.len() >= LATER && at_once * 10 >= later.len() * 9 {
            self.warning(
                format!(
                    "the first episode has {first} steps, but of the {} episodes after the first, \
                     {at_once} ended after their first step",
                    later.len()
                ),
                "step()",
                "have reset() clear everything that ends an episode, such as a flag of its own",
            );
        }
    }
}
