//! The learner: replay, agent and counters. [`Learner::round`] is the whole of learning and knows
//! no threads; `train.rs` feeds it from channels, the sequential oracle of the tests by hand.

mod diagnose;
mod restore;

use std::sync::Arc;

use envs::EnvSpec;
use networks::{
    interventions::Clock,
    model::NonFinite,
    params::StateDict,
    random::{self, Rng},
};
use tch::Device;

use crate::{
    agent::{Agent, Snapshot},
    config::Config,
    diagnostics::registry::Diagnostics,
    error::Error,
    experience::{Batch, Experience},
    logging::record::{Record, Scalars},
    replay::{Replay, draws::Draws},
    runtime::streams,
};

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Environment steps over all actors.
    pub env_steps: u64,
    /// Steps of each environment.
    pub rounds: u64,
    /// Gradient updates.
    pub updates: u64,
    /// Episodes ended.
    pub episodes: u64,
}

/// An update failed on this batch.
#[derive(Debug)]
pub struct BadUpdate {
    /// What was found.
    pub cause: NonFinite,
    /// What the update was given.
    pub batch: Box<Batch>,
}

/// Everything that learns.
pub struct Learner {
    /// The algorithm.
    pub agent: Box<dyn Agent>,
    /// What was experienced.
    pub replay: Replay,
    /// How far the run is.
    pub counters: Counters,
    /// `q/boundary_mass` as logged last; none with scalar values or before the first.
    pub boundary_mass: Option<f64>,
    /// Of the newest step; none before the first.
    task: Option<usize>,
    rng: Rng,
    replay_rng: Rng,
    config: Config,
    /// Those of the thread that made it.
    diagnostics: Arc<Diagnostics>,
    /// The weights of the start, for diagnostics.
    initial: StateDict,
}

impl Learner {
    /// A learner at step 0: what `agent` is now counts as its start, also if a checkpoint is restored
    /// afterwards.
    ///
    /// # Errors
    /// When there can be no such replay.
    pub fn new(
        config: &Config,
        spec: &EnvSpec,
        agent: Box<dyn Agent>,
        device: Device,
    ) -> Result<Self, Error> {
        let replay = Replay::new(
            spec,
            config.runtime.envs(),
            config.replay.capacity,
            config.replay.n_step,
            config.agent.gamma(),
            device,
        )
        .and_then(|replay| replay.with_sampler(&config.replay.sampler))
        .map_err(Error::Config)?
        .with_between(config.agent.counts_between());
        let mut initial = StateDict::new();
        agent.save(&mut initial);
        // Values alone: no moments, counts or method state.
        initial.retain(|name, _| !name.contains(['#', '@']) && !name.starts_with("target/"));
        Ok(Learner {
            diagnostics: Diagnostics::current(),
            initial,
            agent,
            replay,
            counters: Counters::default(),
            boundary_mass: None,
            task: None,
            rng: random::stream(config.seed, streams::LEARNER),
            replay_rng: random::stream(config.seed, streams::REPLAY),
            config: config.clone(),
        })
    }

    /// First observations of actor `index`.
    pub fn start(&mut self, index: usize, obs: &[f32]) {
        self.replay.start(index * self.config.runtime.envs_per_actor, obs);
    }

    /// One round: stores one experience of every actor, in actor order, makes the updates that
    /// the update-to-data ratio demands, and passes the round to the agent. `log` is called with
    /// `(step, record)`.
    ///
    /// # Errors
    /// When a loss is not finite.
    pub fn round(
        &mut self,
        experiences: &[Experience],
        log: &mut dyn FnMut(u64, Record),
    ) -> Result<(), BadUpdate> {
        let per_actor = self.config.runtime.envs_per_actor;
        self.counters.rounds += 1;
        self.counters.env_steps += self.config.runtime.envs() as u64;
        let step = self.counters.env_steps;
        let mut task = 0;
        for (i, e) in experiences.iter().enumerate() {
            self.replay.push(i * per_actor, e);
            task = e.outcomes.last().map_or(task, |o| o.task);
            for episode in e.outcomes.iter().filter_map(|o| o.episode) {
                self.counters.episodes += 1;
                log(
                    step,
                    Record::Scalars(vec![
                        ("train/episode_return".to_owned(), episode.return_),
                        ("train/episode_length".to_owned(), episode.length as f64),
                    ]),
                );
            }
        }
        if self.task != Some(task) {
            log(step, Record::Scalars(vec![("task/index".to_owned(), task as f64)]));
            if self.task.replace(task).is_some() {
                let (tag, text) = ("task/boundaries".to_owned(), format!("task {task} begins"));
                log(step, Record::Text { tag, text });
            }
        }

        self.agent.receive(experiences);
        let mut scalars = Scalars::default();
        while self.counters.updates < self.config.updates_after(step) {
            let (size, update) = (self.config.replay.batch_size, self.counters.updates);
            let batch = self.replay.draw(size, update, &mut self.replay_rng);
            let due = self.config.diagnostics.due(update + 1);
            let clock = Clock {
                env_step: step,
                update,
                task,
                log: (update + 1).is_multiple_of(self.config.log_every_updates),
                look: due.units,
            };
            let before = due.any().then(|| self.batch_view()).flatten();
            let mut draws = Draws::new(&mut self.replay, update, &mut self.replay_rng);
            if let Err(cause) =
                self.agent.update(&batch, &mut draws, clock, &mut self.rng, &mut scalars)
            {
                return Err(BadUpdate { cause, batch: Box::new(batch) });
            }
            self.counters.updates += 1;
            if clock.log || clock.look {
                let values = scalars.take();
                let edge = values.iter().find(|(tag, _)| tag == "q/boundary_mass");
                self.boundary_mass = edge.map(|(_, mass)| *mass).or(self.boundary_mass);
                log(step, Record::Scalars(values));
            }
            if due.any() {
                self.look(step, due, before, log);
            }
        }
        self.agent.observe(experiences);
        Ok(())
    }

    /// The policy's weights for the actors.
    pub fn snapshot(&self) -> Snapshot {
        self.agent.snapshot(self.counters.updates)
    }
}
