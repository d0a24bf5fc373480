//! Does it behave, when played with random actions?

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Probe;
use crate::{Action, ActionSpace, Dtype, EnvSpec, Step};

/// Steps in all that an environment is played for.
const STEPS: usize = 10_000;
/// Steps that are compared between two runs of an episode.
const COMPARED: usize = 200;
/// Runs of an episode that follow the random steps.
const RUNS: u32 = 10;
/// Episodes after the first that are needed to judge them together.
const LATER: usize = 10;
/// Up to here every whole number is an f32.
const EXACT: f32 = 16_777_216.0;
/// A NaN that no arithmetic gives: what still is this was not written.
const CANARY: u32 = 0x7fc0_5ca1;

/// What happened in (a part of) an episode, bit by bit.
#[derive(PartialEq, Default)]
struct Tape {
    obs: Vec<u32>,
    steps: Vec<(u32, bool, bool)>,
}

impl Tape {
    fn ended(&self) -> bool {
        self.steps.last().is_some_and(|&(_, terminated, truncated)| terminated || truncated)
    }
}

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
    fn half_over(&mut self) -> bool {
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

    /// An episode that is saved in its middle goes on from there as it did.
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
        let expected = self.go_on(spec, middle, length)?;
        self.call("state().load()", |env| env.state().map_or(Ok(()), |s| s.load(&saved)))?;
        if self.go_on(spec, middle, length)? != expected {
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

    fn episode(&mut self, spec: &EnvSpec, seed: u64, most: usize) -> Option<Tape> {
        self.play(spec, seed, seed, most)
    }

    /// Up to `most` steps of an episode at age 0 with actions drawn from their own seed.
    fn play(&mut self, spec: &EnvSpec, seed: u64, actions: u64, most: usize) -> Option<Tape> {
        self.call("set_age(0)", |env| {
            env.set_age(0);
            Ok(())
        })?;
        self.play_on(spec, (seed, actions), most, false)
    }

    /// The same at whatever age it is, and if `hurry` only as long as there is time for random steps.
    fn play_on(
        &mut self,
        spec: &EnvSpec,
        (seed, actions): (u64, u64),
        most: usize,
        hurry: bool,
    ) -> Option<Tape> {
        let mut tape = Tape::default();
        self.reset(spec, seed, &mut tape)?;
        let mut rng = ChaCha8Rng::seed_from_u64(actions);
        for t in 1..=most {
            self.step(spec, &mut rng, &format!("step {t} of reset(seed {seed})"), &mut tape)?;
            if tape.ended() || hurry && self.half_over() {
                break;
            }
        }
        Some(tape)
    }

    /// The rest of an episode, after `from` steps.
    fn go_on(&mut self, spec: &EnvSpec, from: usize, to: usize) -> Option<Tape> {
        let mut tape = Tape::default();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for t in from + 1..=to {
            self.step(spec, &mut rng, &format!("step {t}, after a saved state"), &mut tape)?;
            if tape.ended() {
                break;
            }
        }
        Some(tape)
    }

    fn reset(&mut self, spec: &EnvSpec, seed: u64, tape: &mut Tape) -> Option<()> {
        let place = format!("reset(seed {seed})");
        let mut obs = vec![f32::from_bits(CANARY); spec.obs.size()];
        self.call(&place, |env| env.reset(seed, &mut obs))?;
        self.observation(spec, &obs, &place);
        self.stack(spec, None, &obs, &place);
        tape.obs.extend(obs.iter().map(|x| x.to_bits()));
        Some(())
    }

    fn step(
        &mut self,
        spec: &EnvSpec,
        rng: &mut ChaCha8Rng,
        place: &str,
        tape: &mut Tape,
    ) -> Option<()> {
        let mut obs = vec![f32::from_bits(CANARY); spec.obs.size()];
        let step: Step = match &spec.action {
            ActionSpace::Discrete(n) => {
                let choice = rng.random_range(0..*n);
                self.call(place, |env| env.step(Action::Discrete(choice), &mut obs))?
            }
            ActionSpace::Box { low, high } => {
                let bounds = low.iter().zip(high);
                let action: Vec<f32> =
                    bounds.map(|(l, h)| l + (h - l) * rng.random_range(0.0..=1.0)).collect();
                self.call(place, |env| env.step(Action::Continuous(&action), &mut obs))?
            }
        };
        self.now.steps += 1;
        (self.watch.progress)(&self.now);
        self.observation(spec, &obs, place);
        if let Some(from) = tape.obs.len().checked_sub(obs.len()) {
            self.stack(spec, Some(&tape.obs[from..]), &obs, place);
        }
        if !step.reward.is_finite() {
            self.error(
                format!("the reward is {}", step.reward),
                place,
                "give finite rewards; look for a division by zero or an overflow",
            );
        }
        tape.obs.extend(obs.iter().map(|x| x.to_bits()));
        tape.steps.push((step.reward.to_bits(), step.terminated, step.truncated));
        Some(())
    }

    /// A stack of frames is the one before, as bits, shifted by one frame; or one frame over and over
    /// again where there is none before.
    fn stack(&mut self, spec: &EnvSpec, before: Option<&[u32]>, obs: &[f32], place: &str) {
        let frame = obs.len() / spec.obs.frames;
        let now: Vec<u32> = obs.iter().map(|x| x.to_bits()).collect();
        if now[..now.len() - frame] != before.unwrap_or(&now)[frame..] {
            self.error(
                format!(
                    "the observation is no stack of {} frames that follows the one before",
                    spec.obs.frames
                ),
                place,
                "shift one frame in at each step and repeat the first one at reset, oldest first, or \
                 set spec().obs.frames to 1",
            );
        }
    }

    fn observation(&mut self, spec: &EnvSpec, obs: &[f32], place: &str) {
        for (i, &x) in obs.iter().enumerate() {
            let (low, high) = (spec.obs.low[i], spec.obs.high[i]);
            let what = |fault: &str| format!("observation component {i} {fault}");
            if x.to_bits() == CANARY {
                self.error(
                    what("was not written"),
                    place,
                    "write every component of `obs`, in reset() and in step()",
                );
            } else if !x.is_finite() {
                self.error(
                    what(&format!("is {x}")),
                    place,
                    "give finite observations; look for a division by zero, an overflow, or a \
                     component that was read before it was written",
                );
            } else if x < low || x > high {
                let remedy =
                    format!("widen the bounds of {}, or clip the observation", self.obs_space());
                self.error(
                    what(&format!("is {x}, outside its bounds {low} to {high}")),
                    place,
                    &remedy,
                );
            } else if spec.obs.dtype == Dtype::U8
                && !(x.fract() == 0.0 && (0.0..256.0).contains(&x))
            {
                self.error(
                    what(&format!("is {x}, but its type is u8")),
                    place,
                    "give whole numbers from 0 to 255, or make the type Dtype::F32",
                );
            } else if x.abs() > EXACT {
                self.warning(
                    what(&format!(
                        "is {}; observations travel as f32, which above {EXACT} skips whole numbers, so \
                         that neighbours become one",
                        f64::from(x)
                    )),
                    place,
                    "subtract an offset, divide it, or leave it out: a counter or a time in a 64-bit \
                     integer becomes a constant",
                );
            }
        }
    }
}
