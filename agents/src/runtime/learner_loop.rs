//! The learner's thread: takes rounds from the actors, and between rounds evaluates, saves and
//! sends weights.
//!
//! All of that happens at boundaries: every `sync_every` rounds and after the last round. In
//! lockstep all actors wait there for new weights, so a checkpoint of the whole run is exact.

use std::{collections::VecDeque, path::Path, time::Instant};

use crossbeam::channel::{Receiver, Sender};
use networks::params::StateDict;

use crate::{
    config::Config,
    error::Error,
    experience::Experience,
    logging::{metrics::ToWriter, record::Record},
    paths::shown,
    runtime::{
        evaluations::{Candidate, Evaluations, Waited},
        learner::{BadUpdate, Learner},
        mailbox::Mailbox,
        message::{EvalResult, FromActor, ToActor},
        session::{Progress, Report},
    },
    storage::{
        checkpoint::{self, Checkpoint, Content},
        state::{ActorState, State},
        tensor_file::{self, Saved},
    },
};

/// The learner's ends of all channels. Dropping them ends every other thread.
pub(crate) struct Channels {
    pub(crate) to_actors: Vec<Mailbox>,
    /// Bounded by `runtime.queue`: fast actors wait here.
    pub(crate) from_actors: Vec<Receiver<FromActor>>,
    pub(crate) evaluations: Evaluations,
    pub(crate) to_writer: Sender<ToWriter>,
    pub(crate) writer_synced: Receiver<()>,
    pub(crate) stop: Receiver<()>,
}

/// The state of one `train` call on the learner's thread.
pub(crate) struct LearnerLoop<'a> {
    config: Config,
    learner: Learner,
    links: Channels,
    run: &'a Path,
    /// Environments that began a new episode because their state could not be saved.
    restarted: usize,
    watch: &'a mut dyn FnMut(&Progress),
    /// Rounds received while waiting for an actor's state.
    pending: Vec<VecDeque<Experience>>,
    best: Option<(u64, f64)>,
    last_eval: Option<(u64, f64, f64)>,
    last_checkpoint: Option<u64>,
    /// Whether evaluations were under way when it was saved.
    unsettled: bool,
    started: Instant,
    wall_before: f64,
    steps_before: u64,
    updates_before: u64,
}

impl<'a> LearnerLoop<'a> {
    pub(crate) fn new(
        config: Config,
        learner: Learner,
        links: Channels,
        run: &'a Path,
        resume: Option<Checkpoint>,
        restarted: usize,
        watch: &'a mut dyn FnMut(&Progress),
    ) -> Result<Self, Error> {
        let actors = config.runtime.actors;
        let mut pending: Vec<VecDeque<Experience>> = vec![VecDeque::new(); actors];
        let mut drive = LearnerLoop {
            steps_before: learner.counters.env_steps,
            updates_before: learner.counters.updates,
            config,
            learner,
            links,
            run,
            restarted,
            watch,
            pending: Vec::new(),
            best: None,
            last_eval: None,
            last_checkpoint: None,
            unsettled: false,
            started: Instant::now(),
            wall_before: 0.0,
        };
        if let Some(Checkpoint { state, evaluating, .. }) = resume {
            drive.best = state.best;
            drive.last_eval = state.last_eval;
            drive.wall_before = state.wall_s;
            drive.last_checkpoint = Some(state.env_steps);
            drive.unsettled = !evaluating.is_empty();
            for (queue, rounds) in pending.iter_mut().zip(state.pending) {
                queue.extend(rounds);
            }
            for (state, model) in evaluating {
                let snapshot = drive
                    .learner
                    .snapshot_of(&model, state.updates)
                    .map_err(|e| Error::Run(format!("weights to evaluate do not fit: {e}")))?;
                drive.links.evaluations.add(Candidate { state, model }, snapshot)?;
            }
        }
        drive.pending = pending;
        Ok(drive)
    }

    /// The whole run.
    pub(crate) fn run(mut self) -> Result<Report, Error> {
        for i in 0..self.links.from_actors.len() {
            match self.receive(i)? {
                FromActor::Start(obs) => match self.pending[i].back_mut() {
                    // Its rounds that wait here come first; the environments go on after them.
                    Some(last) => last.resume_at(&obs),
                    None => self.learner.start(i, &obs),
                },
                _ => unreachable!("an actor's first word is its first observation"),
            }
        }
        self.broadcast();
        let total = self.config.total_steps;
        let mut boundary = self.learner.counters.env_steps;
        let mut stopped = false;
        while self.learner.counters.env_steps < total && !stopped {
            self.round()?;
            let steps = self.learner.counters.env_steps;
            let finished = steps >= total;
            if !finished && !self.learner.counters.rounds.is_multiple_of(self.sync_every()) {
                continue;
            }
            stopped = self.links.stop.try_recv().is_ok();
            if self.config.eval.episodes > 0
                && (finished || crossed(self.config.eval.every_steps, boundary, steps))
            {
                self.start_evaluation()?;
            }
            if stopped || finished || crossed(self.config.checkpoint.every_steps, boundary, steps) {
                self.save_checkpoint()?;
            }
            if !stopped && !finished {
                // One is played while training goes on; for a second one, training waits.
                stopped = self.await_evaluations(1)?;
                if stopped {
                    self.save_checkpoint()?;
                }
            }
            if !stopped && !finished {
                self.broadcast();
            }
            boundary = steps;
        }
        if !stopped {
            stopped = self.await_evaluations(0)?;
        }
        let unfinished = stopped
            && (self.learner.counters.env_steps < total || self.links.evaluations.len() > 0);
        if !unfinished && self.unsettled {
            self.settle_checkpoint()?;
        }
        Ok(self.report(unfinished))
    }

    /// One experience of every actor, in order, then the learner's round.
    fn round(&mut self) -> Result<(), Error> {
        let mut experiences = Vec::with_capacity(self.pending.len());
        for i in 0..self.pending.len() {
            let next = match self.pending[i].pop_front() {
                Some(experience) => experience,
                None => match self.receive(i)? {
                    FromActor::Experience(experience) => experience,
                    _ => unreachable!("states come only when asked for"),
                },
            };
            experiences.push(next);
        }
        let writer = &self.links.to_writer;
        let mut written = Ok(());
        let mut log = |step, record| {
            if writer.send(ToWriter::Record { step, record }).is_err() {
                written = Err(Error::Gone("metrics".to_owned()));
            }
        };
        let learned = self.learner.round(&experiences, &mut log);
        written?;
        if let Err(bad) = learned {
            return Err(self.dump(bad));
        }
        if let Some(result) = self.links.evaluations.poll()? {
            self.take_evaluation(result)?;
        }
        self.show(None);
        Ok(())
    }

    fn show(&mut self, eval: Option<EvalResult>) {
        let (c, restarted) = (self.learner.counters, self.restarted);
        let (env_steps, updates, episodes) = (c.env_steps, c.updates, c.episodes);
        (self.watch)(&Progress { env_steps, updates, episodes, eval, restarted });
    }

    fn receive(&self, actor: usize) -> Result<FromActor, Error> {
        self.links.from_actors[actor].recv().map_err(|_| Error::Gone(format!("actor-{actor}")))
    }

    fn broadcast(&self) {
        let snapshot = self.learner.snapshot();
        for mailbox in &self.links.to_actors {
            mailbox.put(ToActor::Snapshot(snapshot.clone()));
        }
    }

    fn sync_every(&self) -> u64 {
        self.config.runtime.sync_every
    }

    fn log(&self, step: u64, values: Vec<(String, f64)>) -> Result<(), Error> {
        self.links
            .to_writer
            .send(ToWriter::Record { step, record: Record::Scalars(values) })
            .map_err(|_| Error::Gone("metrics".to_owned()))
    }

    fn start_evaluation(&mut self) -> Result<(), Error> {
        let mut model = StateDict::new();
        self.learner.agent.save(&mut model);
        let candidate = Candidate { state: self.learner.state(), model };
        self.links.evaluations.add(candidate, self.learner.snapshot())
    }

    /// Waits until at most `left` evaluations are not over. True if the run was asked to stop before.
    fn await_evaluations(&mut self, left: usize) -> Result<bool, Error> {
        while self.links.evaluations.len() > left {
            match self.links.evaluations.wait(&self.links.stop)? {
                Waited::Played(result) => self.take_evaluation(result)?,
                Waited::Stopped => return Ok(true),
            }
        }
        Ok(false)
    }

    /// Logs an evaluation and keeps its weights if they are the best so far.
    fn take_evaluation(&mut self, result: EvalResult) -> Result<(), Error> {
        if result.returns.is_empty() {
            // Interrupted too often: no number, and so no best weights either.
            self.links.evaluations.finish()?;
            self.show(Some(result));
            return Ok(());
        }
        let (mean, std) = (result.mean(), result.std());
        let length = result.lengths.iter().sum::<u64>() as f64 / result.lengths.len() as f64;
        let mut values = vec![
            ("eval/return_mean".to_owned(), mean),
            ("eval/return_std".to_owned(), std),
            ("eval/episode_length".to_owned(), length),
        ];
        for (j, &mean) in
            result.returns_by_step_offset.iter().enumerate().filter(|(_, mean)| !mean.is_nan())
        {
            values.push((format!("eval/task_{j}/return_mean"), mean));
        }
        let Candidate { state, model } = self.links.evaluations.finish()?;
        let bias = self.learner.value_bias(&model, &result).map_err(|e| {
            Error::Run(format!("the weights of an evaluation do not fit their own agent: {e}"))
        })?;
        if let Some((bias, normalized)) = bias {
            values.push(("q/bias".to_owned(), bias));
            // Beside returns of 0 there is no scale.
            if normalized.is_finite() {
                values.push(("q/bias_normalized".to_owned(), normalized));
            }
        }
        self.log(result.env_step, values)?;
        self.last_eval = Some((result.env_step, mean, std));
        if self.best.is_none_or(|(_, best)| mean > best) {
            self.best = Some((result.env_step, mean));
            let state = State { best: self.best, last_eval: self.last_eval, ..state };
            let best =
                Content { state: &state, model: &model, evaluating: Vec::new(), replay: None };
            checkpoint::write(self.run, "best", &best)?;
            checkpoint::prune(self.run, self.config.checkpoint.keep)?;
        }
        self.show(Some(result));
        Ok(())
    }

    /// Saves the whole run. Refuses to put weights that are not finite over good ones.
    fn save_checkpoint(&mut self) -> Result<(), Error> {
        if self.last_checkpoint == Some(self.learner.counters.env_steps) {
            return Ok(());
        }
        if let Some(name) = self.learner.agent.first_non_finite() {
            return Err(Error::Run(format!(
                "parameter `{name}` is not finite, so no checkpoint was written over the last good \
                 one; lower the learning rate"
            )));
        }
        let elapsed = self.started.elapsed().as_secs_f64();
        let c = self.learner.counters;
        let rate = |now: u64, before: u64| (now - before) as f64 / elapsed.max(1e-9);
        self.log(
            c.env_steps,
            vec![
                ("time/steps_per_s".to_owned(), rate(c.env_steps, self.steps_before)),
                ("time/updates_per_s".to_owned(), rate(c.updates, self.updates_before)),
            ],
        )?;
        let actors = self.collect_states()?;
        self.sync_metrics()?;
        let (meta, columns) = self.learner.replay.save();
        let state = State {
            best: self.best,
            last_eval: self.last_eval,
            wall_s: self.wall_before + elapsed,
            replay: Some(meta),
            config: Some(self.config.to_toml()?),
            actors,
            pending: self.pending.iter().map(|q| q.iter().cloned().collect()).collect(),
            ..self.learner.state()
        };
        let mut model = StateDict::new();
        self.learner.agent.save(&mut model);
        let evaluating = self.links.evaluations.waiting().collect();
        let whole = Content { state: &state, model: &model, evaluating, replay: Some(&columns) };
        checkpoint::write(self.run, "step", &whole)?;
        checkpoint::prune(self.run, self.config.checkpoint.keep)?;
        self.last_checkpoint = Some(c.env_steps);
        self.unsettled = self.links.evaluations.len() > 0;
        Ok(())
    }

    /// The last checkpoint was saved before the last evaluation: now it gets what came of it.
    fn settle_checkpoint(&self) -> Result<(), Error> {
        self.sync_metrics()?;
        let (best, last_eval) = (self.best, self.last_eval);
        let wall_s = self.wall_before + self.started.elapsed().as_secs_f64();
        checkpoint::settle(self.run, self.learner.counters.env_steps, |state| State {
            best,
            last_eval,
            wall_s,
            ..state
        })?;
        checkpoint::prune(self.run, self.config.checkpoint.keep)
    }

    /// Every metric up to now is on disk before the checkpoint that follows it.
    fn sync_metrics(&self) -> Result<(), Error> {
        let gone = || Error::Gone("metrics".to_owned());
        self.links.to_writer.send(ToWriter::Sync).map_err(|_| gone())?;
        self.links.writer_synced.recv().map_err(|_| gone())
    }

    /// Asks every actor for its state; rounds that arrive before it wait in `pending`.
    fn collect_states(&mut self) -> Result<Vec<ActorState>, Error> {
        for mailbox in &self.links.to_actors {
            mailbox.put(ToActor::Save);
        }
        let mut states = Vec::new();
        for i in 0..self.links.to_actors.len() {
            states.push(loop {
                match self.receive(i)? {
                    FromActor::State(state) => break *state,
                    FromActor::Experience(experience) => self.pending[i].push_back(experience),
                    FromActor::Start(_) => unreachable!("an actor starts once"),
                }
            });
        }
        Ok(states)
    }

    /// Writes the batch of a failed update beside the run.
    fn dump(&self, bad: BadUpdate) -> Error {
        let path =
            self.run.join(format!("non_finite_{}.safetensors", self.learner.counters.updates));
        let arrays: Vec<_> = bad
            .batch
            .fields()
            .iter()
            .map(|(name, t)| ((*name).to_owned(), Saved::tensor(t)))
            .collect();
        let dump = match tensor_file::write(&path, &arrays) {
            Ok(()) => shown(&path).display().to_string(),
            Err(e) => format!("nowhere ({e})"),
        };
        Error::NonFinite {
            cause: bad.cause,
            env_step: self.learner.counters.env_steps,
            update: self.learner.counters.updates,
            dump,
        }
    }

    fn report(&self, interrupted: bool) -> Report {
        let c = self.learner.counters;
        let elapsed = self.started.elapsed().as_secs_f64();
        Report {
            steps: c.env_steps,
            updates: c.updates,
            episodes: c.episodes,
            return_mean: self.last_eval.map(|(_, mean, _)| mean),
            return_std: self.last_eval.map(|(_, _, std)| std),
            wall_s: self.wall_before + elapsed,
            updates_per_s: (c.updates - self.updates_before) as f64 / elapsed.max(1e-9),
            steps_per_s: (c.env_steps - self.steps_before) as f64 / elapsed.max(1e-9),
            interrupted,
            restarted: self.restarted,
            interventions: self.learner.agent.intervention_counts(),
            boundary_mass: self.learner.boundary_mass,
        }
    }
}

/// Whether a multiple of `every` lies in `(before, now]`; 0 means never.
fn crossed(every: u64, before: u64, now: u64) -> bool {
    every > 0 && now / every > before / every
}
