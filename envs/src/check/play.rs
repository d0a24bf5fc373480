//! Plays an episode with random actions and records it.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::numbers::CANARY;
use super::probe::Probe;
use crate::{Action, ActionSpace, EnvSpec, Step};

/// What happened in (a part of) an episode, bit by bit.
#[derive(PartialEq, Default)]
pub(super) struct Tape {
    pub(super) obs: Vec<u32>,
    pub(super) steps: Vec<(u32, bool, bool)>,
}

impl Tape {
    pub(super) fn ended(&self) -> bool {
        self.steps.last().is_some_and(|&(_, terminated, truncated)| terminated || truncated)
    }
}

impl Probe<'_> {
    pub(super) fn episode(&mut self, spec: &EnvSpec, seed: u64, most: usize) -> Option<Tape> {
        self.play(spec, seed, seed, most)
    }

    /// Up to `most` steps of an episode at age 0 with actions drawn from their own seed.
    pub(super) fn play(
        &mut self,
        spec: &EnvSpec,
        seed: u64,
        actions: u64,
        most: usize,
    ) -> Option<Tape> {
        self.call("set_age(0)", |env| {
            env.set_age(0);
            Ok(())
        })?;
        self.play_on(spec, (seed, actions), most, false)
    }

    /// The same at whatever age it is, and if `hurry` only as long as there is time for random steps.
    pub(super) fn play_on(
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
    pub(super) fn play_rest(&mut self, spec: &EnvSpec, from: usize, to: usize) -> Option<Tape> {
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
}
