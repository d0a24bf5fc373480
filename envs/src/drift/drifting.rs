//! [`Drifting`]: what all wrappers but the task sequence have in common. It counts the age, asks a
//! [`Change`] what is different, and saves both.

use crate::wrappers::load_inner;
use crate::{Action, Env, EnvError, EnvSpec, State, Step, bytes};

/// What an episode begins with. All that a [`Change`] does in it follows from this and from what
/// happens in the episode.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Begin {
    /// Steps taken before.
    pub(super) age: u64,
    /// [`Change::index`] of that age.
    pub(super) index: u64,
    /// The episode's seed.
    pub(super) seed: u64,
}

/// What is different from the environment inside. Each wrapper overrides what it is about.
pub(super) trait Change: Send {
    /// Which of its tasks is on after so many steps: 0, then larger numbers.
    fn index(&self, _age: u64) -> u64 {
        0
    }

    /// The spec, given the one inside.
    fn spec(&self, inner: EnvSpec) -> EnvSpec {
        inner
    }

    /// Makes ready for an episode, which the environment inside begins after this.
    fn begin(&mut self, _begin: Begin, _env: &mut dyn Env) -> Result<(), EnvError> {
        Ok(())
    }

    /// The action inside, given the one outside.
    fn act<'a>(&'a mut self, action: Action<'a>) -> Result<Action<'a>, EnvError> {
        Ok(action)
    }

    /// Whether [`act`](Self::act) may be asked twice about one action.
    fn can_announce(&self) -> bool {
        true
    }

    /// Changes an observation, the first of an episode included.
    fn observe(&mut self, _obs: &mut [f32]) {}

    /// The reward outside, given the one inside.
    fn reward(&self, reward: f32) -> f32 {
        reward
    }

    /// What has changed since [`begin`](Self::begin), always as many bytes.
    fn save(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Puts bytes back that [`save`](Self::save) returned, after [`begin`](Self::begin).
    fn load(&mut self, _bytes: &[u8]) -> Result<(), EnvError> {
        Ok(())
    }
}

/// An environment with a [`Change`] around it.
pub(super) struct Drifting {
    env: Box<dyn Env>,
    change: Box<dyn Change>,
    signal_task_change: bool,
    /// Steps taken so far.
    age: u64,
    /// Of the episode that is on.
    begin: Begin,
    saved: Vec<u8>,
}

impl Drifting {
    pub(super) fn new(
        env: Box<dyn Env>,
        change: impl Change + 'static,
        signal_task_change: bool,
    ) -> Self {
        let (change, begin) = (Box::new(change), Begin::default());
        Self { env, change, signal_task_change, age: 0, begin, saved: Vec::new() }
    }
}

/// The age, the age and the seed that the episode began with.
const OWN: usize = 3 * size_of::<u64>();

impl Env for Drifting {
    fn spec(&self) -> EnvSpec {
        self.change.spec(self.env.spec())
    }

    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        self.begin = Begin { age: self.age, index: self.change.index(self.age), seed };
        self.change.begin(self.begin, self.env.as_mut())?;
        self.env.reset(seed, obs)?;
        self.change.observe(obs);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        let step = self.env.step(self.change.act(action)?, obs)?;
        self.age = self.age.saturating_add(1);
        self.change.observe(obs);
        Ok(Step { reward: self.change.reward(step.reward), ..step })
    }

    fn inner(&self) -> Option<&dyn Env> {
        Some(self.env.as_ref())
    }

    fn inner_mut(&mut self) -> Option<&mut dyn Env> {
        Some(self.env.as_mut())
    }

    fn begin(&mut self, action: Action<'_>) -> bool {
        // `step` finds the same fault in the action again, and reports it.
        self.change.can_announce()
            && self.change.act(action).is_ok_and(|action| self.env.begin(action))
    }

    fn task(&self) -> usize {
        let own = if self.signal_task_change { self.begin.index as usize } else { 0 };
        self.env.task() + own
    }

    fn set_age(&mut self, steps: u64) {
        self.age = steps;
        self.env.set_age(steps);
    }

    fn state(&mut self) -> Option<&mut dyn State> {
        // The inner state is out of reach of `save(&self)`, so it is taken here.
        self.saved = self.env.state()?.save();
        Some(self)
    }
}

impl State for Drifting {
    fn save(&self) -> Vec<u8> {
        let own = [self.age, self.begin.age, self.begin.seed].map(u64::to_le_bytes).concat();
        [own, self.change.save(), self.saved.clone()].concat()
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), EnvError> {
        let (own, rest) = bytes::split(bytes, OWN, "a drifting environment")?;
        let (change, inner) =
            bytes::split(rest, self.change.save().len(), "a drifting environment")?;
        let number =
            |i: usize| Ok::<_, EnvError>(u64::from_le_bytes(own[8 * i..][..8].try_into()?));
        let (age, seed) = (number(1)?, number(2)?);
        self.begin = Begin { age, index: self.change.index(age), seed };
        self.change.begin(self.begin, self.env.as_mut())?;
        self.change.load(change)?;
        load_inner(self.env.as_mut(), inner)?;
        self.age = number(0)?;
        Ok(())
    }
}
