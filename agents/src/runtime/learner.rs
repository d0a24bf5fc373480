//! The learner: replay, agent and counters. [`Learner::round`] is the whole of learning and knows
//! no threads; `train.rs` feeds it from channels, the sequential oracle of the tests by hand.

use envs::EnvSpec;
use networks::{
    diagnostics::step::WHOLE,
    interventions::Clock,
    model::NonFinite,
    params::{LoadError, StateDict},
    random::{self, Rng},
};
use tch::Device;

use crate::{
    agent::{Agent, Snapshot},
    config::Config,
    diagnostics::{
        self, DueTiers, Measure,
        probe::{BatchView, overestimation},
    },
    error::Error,
    experience::{Batch, Experience},
    logging::record::{Record, Scalars, plasticity_tag},
    paths::shown,
    replay::{Replay, draws::Draws},
    runtime::{message::EvalResult, streams},
    storage::{checkpoint::Checkpoint, state::State},
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

    /// One round: remembers one experience of every actor, in actor order, makes the updates that
    /// the update-to-data ratio demands, and shows the agent the round. `log` is called with
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
            let look = self.config.diagnostics.due(update + 1);
            let clock = Clock {
                env_step: step,
                update,
                task,
                log: (update + 1).is_multiple_of(self.config.log_every_updates),
                look: look.units,
            };
            let before = look.units.then(|| self.batch_view()).flatten();
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
            if look.any() {
                self.look(step, look, before, log);
            }
        }
        self.agent.observe(experiences);
        Ok(())
    }

    /// Logs what is due; `before` is what the agent made of the probe batch one update ago.
    fn look(
        &mut self,
        step: u64,
        look: DueTiers,
        before: Option<BatchView>,
        log: &mut dyn FnMut(u64, Record),
    ) {
        let mut values: Vec<(String, f64)> = self
            .measures(self.config.diagnostics.probe_size, look)
            .into_iter()
            .map(|m| (m.tag(), m.value))
            .collect();
        if let Some(before) = before {
            self.counters.updates -= 1; // the same batch as before the update
            let after = self.batch_view();
            self.counters.updates += 1;
            for (net, measure, value) in after.map_or(Vec::new(), |after| after.churn(&before)) {
                values.push((plasticity_tag(net, WHOLE, measure), value));
            }
        }
        log(step, Record::Scalars(values));
        if look.units {
            let mut rng = self.probe_rng();
            let batch = self.replay.sample(2, &mut rng);
            for histogram in diagnostics::histograms(&self.agent.probe(&batch, &mut rng)) {
                log(step, histogram);
            }
        }
    }

    fn probe_rng(&self) -> Rng {
        random::stream(self.config.seed, streams::probe(self.counters.updates))
    }

    /// What the agent makes of the probe batch.
    fn batch_view(&mut self) -> Option<BatchView> {
        let batch = self.replay.sample(self.config.diagnostics.probe_size, &mut self.probe_rng());
        self.agent.batch_view(&batch)
    }

    /// What there is to say about the networks on `size` transitions from replay. Looking changes
    /// nothing: not the run's generators, not the agent.
    pub fn measures(&mut self, size: usize, look: DueTiers) -> Vec<Measure> {
        let mut rng = self.probe_rng();
        let batch = self.replay.sample(size, &mut rng);
        let steps = self.config.diagnostics.refit_steps;
        let probes = self.agent.probe(&batch, &mut rng);
        let mut found = diagnostics::measures(&probes, look, &self.initial, steps, &mut rng);
        drop(probes);
        if look.units
            && let Some(batch_view) = self.agent.batch_view(&batch)
        {
            let new = |(net, measure, value)| Measure::new(net, WHOLE, measure, value);
            found.extend(batch_view.measures().into_iter().map(new));
        }
        found
    }

    /// How far the values of the agent with these weights lie above what an evaluation of them got,
    /// on average, and that over the size of the latter's mean (Chen et al. 2021, arXiv 2101.05982).
    /// Episodes that were cut off go on with the value of where they were; the entropy bonus that
    /// SAC's values hold is taken to be the same at every step.
    ///
    /// # Errors
    /// When the weights do not fit the agent.
    pub(crate) fn value_bias(
        &mut self,
        model: &StateDict,
        played: &EvalResult,
    ) -> Result<Option<(f64, f64)>, LoadError> {
        let mut now = StateDict::new();
        self.agent.save(&mut now);
        self.agent.load(model)?;
        let mut rng = random::stream(self.config.seed, streams::evaluation(played.env_step));
        let mut value = |obs: &[f32]| self.agent.value(obs, &mut rng);
        let starts: Vec<f32> = played.paths.iter().flat_map(|p| p.start.clone()).collect();
        let ends = played.paths.iter().flat_map(|p| p.bootstrap_obs.clone().unwrap_or_default());
        let ends: Vec<f32> = ends.collect();
        let estimates = value(&starts).and_then(|(starts, bonus)| {
            let ends = if ends.is_empty() { Vec::new() } else { value(&ends)?.0 };
            Some((starts, bonus, ends))
        });
        self.agent.load(&now)?;
        let Some((predicted, bonus, ends)) = estimates else { return Ok(None) };
        let gamma = self.config.agent.gamma();
        let mut ends = ends.into_iter();
        let came: Vec<f64> = played
            .paths
            .iter()
            .zip(&played.lengths)
            .map(|(path, &length)| {
                // Bonuses from step 1 to the last state whose action counts.
                let last = length - u64::from(path.bootstrap_obs.is_none());
                let steps: f64 = (1..=last).map(|t| gamma.powf(t as f64)).sum();
                let rest = path.bootstrap_obs.as_ref().and_then(|_| ends.next()).unwrap_or(0.0);
                path.discounted + bonus * steps + gamma.powf(length as f64) * rest
            })
            .collect();
        Ok(Some(overestimation(&predicted, &came)))
    }

    /// The policy's weights for the actors.
    pub fn snapshot(&self) -> Snapshot {
        self.agent.snapshot(self.counters.updates)
    }

    /// The policy's weights of another moment: `model`, after so many updates.
    ///
    /// # Errors
    /// When the weights do not fit the agent.
    pub(crate) fn snapshot_of(
        &mut self,
        model: &StateDict,
        updates: u64,
    ) -> Result<Snapshot, LoadError> {
        let mut now = StateDict::new();
        self.agent.save(&mut now);
        self.agent.load(model)?;
        let snapshot = self.agent.snapshot(updates);
        self.agent.load(&now)?;
        Ok(snapshot)
    }

    /// The learner's part of a checkpoint's state.
    pub fn state(&self) -> State {
        State {
            format: State::FORMAT,
            env_steps: self.counters.env_steps,
            rounds: self.counters.rounds,
            updates: self.counters.updates,
            episodes: self.counters.episodes,
            task: self.task,
            best: None,
            last_eval: None,
            wall_s: 0.0,
            torch_threads: self.config.runtime.torch_threads,
            rng: self.rng.clone(),
            replay_rng: self.replay_rng.clone(),
            replay: None,
            config: None,
            actors: Vec::new(),
            pending: Vec::new(),
        }
    }

    /// Takes the replay of another run's checkpoint.
    ///
    /// # Errors
    /// When it has none or does not fit.
    pub fn take_replay(&mut self, source: &Checkpoint) -> Result<(), Error> {
        let refuse = |e: String| {
            Error::Run(format!(
                "the replay of {} cannot be used: {e}",
                shown(&source.path).display()
            ))
        };
        let (Some(meta), Some(file)) = (&source.state.replay, &source.replay) else {
            return Err(refuse("it has none; give a step-... checkpoint".to_owned()));
        };
        self.replay.load(meta, file).map_err(refuse)
    }

    /// Takes everything from a checkpoint.
    ///
    /// # Errors
    /// When it was made by another configuration.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), Error> {
        let misfit = |e: String| {
            Error::Run(format!(
                "checkpoint {} does not fit: {e}",
                shown(&checkpoint.path).display()
            ))
        };
        let state = &checkpoint.state;
        self.agent.load(&checkpoint.model).map_err(|e| misfit(e.to_string()))?;
        let (Some(meta), Some(file)) = (&state.replay, &checkpoint.replay) else {
            return Err(misfit("it has no replay; it is for evaluation only".to_owned()));
        };
        self.replay.resume(meta, file).map_err(misfit)?;
        self.counters = Counters {
            env_steps: state.env_steps,
            rounds: state.rounds,
            updates: state.updates,
            episodes: state.episodes,
        };
        self.task = state.task;
        self.rng = state.rng.clone();
        self.replay_rng = state.replay_rng.clone();
        Ok(())
    }
}
