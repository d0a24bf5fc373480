//! The learner's thread: takes rounds from the actors, and between rounds evaluates, saves and
//! sends weights.
//!
//! All of that happens at boundaries: every `sync_every` rounds and after the last round. In
//! lockstep all actors wait there for new weights, or `runtime.lag` boundaries further on, so a checkpoint of the whole
//! run is exact.

mod checkpoints;
mod evaluations;
mod report;

use std::{collections::VecDeque, path::Path, time::Instant};

use crossbeam::channel::{Receiver, Sender};

use crate::{
    config::Config,
    error::Error,
    experience::Experience,
    logging::{metrics::ToWriter, record::Record},
    runtime::{
        actor_link::ActorLink,
        evaluations::{Candidate, Evaluations},
        learner::Learner,
        message::{FromActor, ToActor},
        session::{Progress, Report},
    },
    storage::checkpoint::Checkpoint,
};

/// The learner's ends of all channels. Dropping them ends every other thread.
pub(crate) struct Channels {
    pub(crate) actors: Vec<ActorLink>,
    pub(crate) evaluations: Evaluations,
    pub(crate) to_writer: Sender<ToWriter>,
    pub(crate) writer_synced: Receiver<()>,
    pub(crate) stop: Receiver<()>,
}

/// The state of one `train` call on the learner's thread.
pub(crate) struct LearnerLoop<'a> {
    config: Config,
    learner: Learner,
    channels: Channels,
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
        channels: Channels,
        run: &'a Path,
        resume: Option<Checkpoint>,
        restarted: usize,
        watch: &'a mut dyn FnMut(&Progress),
    ) -> Result<Self, Error> {
        let actors = config.runtime.actors;
        let mut pending: Vec<VecDeque<Experience>> = vec![VecDeque::new(); actors];
        let mut this = LearnerLoop {
            steps_before: learner.counters.env_steps,
            updates_before: learner.counters.updates,
            config,
            learner,
            channels,
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
            this.best = state.best;
            this.last_eval = state.last_eval;
            this.wall_before = state.wall_s;
            this.last_checkpoint = Some(state.env_steps);
            this.unsettled = !evaluating.is_empty();
            for (queue, rounds) in pending.iter_mut().zip(state.pending) {
                queue.extend(rounds);
            }
            for (state, model) in evaluating {
                let snapshot = this
                    .learner
                    .snapshot_of(&model, state.updates)
                    .map_err(|e| Error::Run(format!("weights to evaluate do not fit: {e}")))?;
                this.channels.evaluations.add(Candidate { state, model }, snapshot)?;
            }
        }
        this.pending = pending;
        Ok(this)
    }

    /// The whole run.
    pub(crate) fn run(mut self) -> Result<Report, Error> {
        for i in 0..self.channels.actors.len() {
            match self.receive(i)? {
                FromActor::Start(obs) => match self.pending[i].back_mut() {
                    // Rounds of this actor that were saved in the checkpoint come first; the environments continue after them.
                    Some(last) => last.resume_at(&obs),
                    None => self.learner.start(i, &obs),
                },
                _ => unreachable!("an actor's first word is its first observation"),
            }
        }
        // Actors may run ahead by `lag` synchronisations; rounds that wait here are part of that.
        let ahead = self.pending.iter().map(VecDeque::len).min().unwrap_or(0) as u64;
        for _ in ahead / self.sync_every()..self.config.runtime.lag {
            self.broadcast();
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
            stopped = self.channels.stop.try_recv().is_ok();
            if self.config.eval.episodes > 0
                && (finished || crossed(self.config.eval.every_steps, boundary, steps))
            {
                self.start_evaluation()?;
            }
            if stopped || finished || crossed(self.config.checkpoint.every_steps, boundary, steps) {
                self.save_checkpoint()?;
            }
            if !stopped && !finished {
                // One evaluation runs while training continues; before a second one, training waits.
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
            && (self.learner.counters.env_steps < total || self.channels.evaluations.len() > 0);
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
        let writer = &self.channels.to_writer;
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
        if let Some(result) = self.channels.evaluations.poll()? {
            self.take_evaluation(result)?;
        }
        self.show(None);
        Ok(())
    }

    fn receive(&mut self, actor: usize) -> Result<FromActor, Error> {
        self.channels.actors[actor].receive(actor)
    }

    fn broadcast(&mut self) {
        let snapshot = self.learner.snapshot();
        for actor in &mut self.channels.actors {
            actor.put(ToActor::Snapshot(snapshot.clone()));
        }
    }

    fn sync_every(&self) -> u64 {
        self.config.runtime.sync_every
    }

    fn log(&self, step: u64, values: Vec<(String, f64)>) -> Result<(), Error> {
        self.channels
            .to_writer
            .send(ToWriter::Record { step, record: Record::Scalars(values) })
            .map_err(|_| Error::Gone("metrics".to_owned()))
    }
}

/// Whether a multiple of `every` lies in `(before, now]`; 0 means never.
fn crossed(every: u64, before: u64, now: u64) -> bool {
    every > 0 && now / every > before / every
}
