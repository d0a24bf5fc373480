//! Environments that fail, panic or hang on certain threads, and a run of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use agents::config::Config;
use envs::{Action, ActionSpace, Env, EnvError, EnvSpec, Registry, Step};

use crate::harness::config;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum How {
    Error,
    Panic,
    /// Sleeps this many milliseconds, then goes on.
    Sleep(u64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum When {
    Construct,
    /// Every reset from this one on, counted from 0.
    Reset(u32),
    /// Every step from this one on, counted from 1 over all episodes.
    Step(u32),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    /// Name of the thread.
    pub(crate) thread: &'static str,
    pub(crate) when: When,
    pub(crate) how: How,
}

impl Fault {
    pub(crate) fn strike(&self) -> Result<(), EnvError> {
        match self.how {
            How::Error => Err("the cable came off".into()),
            How::Panic => panic!("the cable came off"),
            How::Sleep(ms) => {
                thread::sleep(Duration::from_millis(ms));
                Ok(())
            }
        }
    }
}

/// Episodes of 10 steps with faults on certain threads. An actor's environments are made and first
/// reset on the thread that calls `train`, so those are told by the order they are made in.
pub(crate) struct Faulty {
    pub(crate) home: String,
    pub(crate) faults: Vec<Fault>,
    pub(crate) resets: u32,
    pub(crate) steps: u32,
}

impl Faulty {
    /// `actors` of `per_actor` environments each, after the one that `Parts::new` asks for its spec.
    pub(crate) fn registry(faults: &[Fault], actors: usize, per_actor: usize) -> Registry {
        let (faults, made) = (faults.to_vec(), Arc::new(AtomicUsize::new(0)));
        let mut registry = Registry::default();
        registry.insert("faulty", move || {
            let home = match made.fetch_add(1, Ordering::SeqCst) {
                0 => "spec".to_owned(),
                i if i <= actors * per_actor => format!("actor-{}", (i - 1) / per_actor),
                _ => "evaluator".to_owned(),
            };
            let env = Faulty { home, faults: faults.clone(), resets: 0, steps: 0 };
            env.strike(|when| when == When::Construct)?;
            Ok(env)
        });
        registry
    }

    pub(crate) fn strike(&self, due: impl Fn(When) -> bool) -> Result<(), EnvError> {
        self.faults
            .iter()
            .filter(|f| f.thread == self.home && due(f.when))
            .try_for_each(Fault::strike)
    }
}

impl Env for Faulty {
    fn spec(&self) -> EnvSpec {
        EnvSpec::vector(2, ActionSpace::Discrete(2)).with_time_limit(10)
    }

    fn reset(&mut self, _seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        let resets = self.resets;
        self.resets += 1;
        obs.fill(0.0);
        self.strike(|when| matches!(when, When::Reset(n) if resets >= n))
    }

    fn step(&mut self, _action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        self.steps += 1;
        obs.fill(self.steps as f32);
        self.strike(|when| matches!(when, When::Step(n) if self.steps >= n))?;
        Ok(Step { reward: 1.0, terminated: false, truncated: false })
    }
}

pub(crate) fn faulty(mode: &str) -> Config {
    config(&format!(
        "total_steps = 6000
        env.name = 'faulty'
        runtime = {{ actors = 3, envs_per_actor = 2, sync_every = 4, mode = '{mode}', queue = 4, \
                     torch_threads = 1 }}
        replay = {{ capacity = 600, batch_size = 4, learning_starts = 48 }}
        eval = {{ every_steps = 96, episodes = 2 }}
        checkpoint.every_steps = 240"
    ))
}
