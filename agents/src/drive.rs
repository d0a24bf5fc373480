//! The learner's thread: takes rounds from the actors, and between rounds evaluates, saves and
//! sends weights.
//!
//! All of that happens at boundaries: every `sync_every` rounds and after the last round. In
//! lockstep all actors wait there for new weights, so a checkpoint of the whole run is exact.

use std::{collections::VecDeque, path::Path, time::Instant};

use crossbeam::channel::{Receiver, Sender, TryRecvError};
use networks::params::StateDict;

use crate::{
    checkpoint::{self, State},
    config::Config,
    error::Error,
    evaluate,
    learner::{BadUpdate, Counters, Learner},
    mailbox::Mailbox,
    message::{ActorState, EvalJob, EvalResult, Experience, FromActor, ToActor},
    metrics::{Record, ToWriter},
    session::{Progress, Report},
    tensor_file::{self, Saved},
};

/// The learner's ends of all channels. Dropping them ends every other thread.
pub(crate) struct Links {
    pub(crate) to_actors: Vec<Mailbox>,
    /// Bounded by `runtime.queue`: fast actors wait here.
    pub(crate) from_actors: Vec<Receiver<FromActor>>,
    pub(crate) to_evaluator: Sender<EvalJob>,
    pub(crate) eval_results: Receiver<EvalResult>,
    pub(crate) to_writer: Sender<ToWriter>,
    pub(crate) writer_synced: Receiver<()>,
    pub(crate) stop: Receiver<()>,
}

/// The state of one `train` call on the learner's thread.
pub(crate) struct Drive<'a> {
    config: Config,
    learner: Learner,
    links: Links,
    run: &'a Path,
    /// Environments that began a new episode because their state could not be saved.
    restarted: usize,
    watch: &'a mut dyn FnMut(&Progress),
    /// Rounds received while waiting for an actor's state.
    pending: Vec<VecDeque<Experience>>,
    /// Weights of the evaluation under way, in case it is the best.
    candidate: Option<(State, StateDict)>,
    best: Option<(u64, f64)>,
    last_eval: Option<(u64, f64, f64)>,
    last_checkpoint: Option<u64>,
    started: Instant,
    wall_before: f64,
    steps_before: u64,
    updates_before: u64,
}

impl<'a> Drive<'a> {
    pub(crate) fn new(
        config: Config,
        learner: Learner,
        links: Links,
        run: &'a Path,
        resume: Option<State>,
        restarted: usize,
        watch: &'a mut dyn FnMut(&Progress),
    ) -> Self {
        let actors = config.runtime.actors;
        let mut pending: Vec<VecDeque<Experience>> = vec![VecDeque::new(); actors];
        let mut drive = Drive {
            steps_before: learner.counters.env_steps,
            updates_before: learner.counters.updates,
            config,
            learner,
            links,
            run,
            restarted,
            watch,
            pending: Vec::new(),
            candidate: None,
            best: None,
            last_eval: None,
            last_checkpoint: None,
            started: Instant::now(),
            wall_before: 0.0,
        };
        if let Some(state) = resume {
            drive.best = state.best;
            drive.last_eval = state.last_eval;
            drive.wall_before = state.wall_s;
            drive.last_checkpoint = Some(state.env_steps);
            for (queue, rounds) in pending.iter_mut().zip(state.pending) {
                queue.extend(rounds);
            }
        }
        drive.pending = pending;
        drive
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
        let mut interrupted = false;
        while self.learner.counters.env_steps < total && !interrupted {
            self.round()?;
            let steps = self.learner.counters.env_steps;
            let finished = steps >= total;
            if !finished && !self.learner.counters.rounds.is_multiple_of(self.sync_every()) {
                continue;
            }
            interrupted = self.links.stop.try_recv().is_ok();
            let last = finished || interrupted;
            if self.config.eval.episodes > 0
                && (finished || crossed(self.config.eval.every_steps, boundary, steps))
            {
                self.start_evaluation()?;
            }
            if last || crossed(self.config.checkpoint.every_steps, boundary, steps) {
                self.finish_evaluation()?;
                self.save_checkpoint()?;
            }
            if !last {
                self.broadcast();
            }
            boundary = steps;
        }
        Ok(self.report(interrupted && self.learner.counters.env_steps < total))
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
        self.poll_evaluation()?;
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
        self.finish_evaluation()?;
        let mut model = StateDict::new();
        self.learner.agent.save(&mut model);
        self.candidate = Some((self.learner.state(), model));
        let Counters { env_steps: env_step, rounds, .. } = self.learner.counters;
        let age = evaluate::age(rounds);
        let job = EvalJob { env_step, age, snapshot: self.learner.snapshot() };
        self.links.to_evaluator.send(job).map_err(|_| Error::Gone("evaluator".to_owned()))
    }

    /// Takes a result if one is there. An evaluator that is gone ends the run at once.
    fn poll_evaluation(&mut self) -> Result<(), Error> {
        if self.candidate.is_none() {
            return Ok(());
        }
        match self.links.eval_results.try_recv() {
            Ok(result) => self.take_evaluation(result),
            Err(TryRecvError::Empty) => Ok(()),
            Err(TryRecvError::Disconnected) => Err(Error::Gone("evaluator".to_owned())),
        }
    }

    /// Waits for the evaluation under way, if any.
    fn finish_evaluation(&mut self) -> Result<(), Error> {
        if self.candidate.is_none() {
            return Ok(());
        }
        let result = self.links.eval_results.recv();
        self.take_evaluation(result.map_err(|_| Error::Gone("evaluator".to_owned()))?)
    }

    /// Logs an evaluation and keeps its weights if they are the best so far.
    fn take_evaluation(&mut self, result: EvalResult) -> Result<(), Error> {
        let (mean, std) = (result.mean(), result.std());
        let length = result.lengths.iter().sum::<u64>() as f64 / result.lengths.len() as f64;
        let mut values = vec![
            ("eval/return_mean".to_owned(), mean),
            ("eval/return_std".to_owned(), std),
            ("eval/episode_length".to_owned(), length),
        ];
        for (j, &mean) in result.elsewhere.iter().enumerate() {
            values.push((format!("eval/task_{j}/return_mean"), mean));
        }
        let (state, model) = self.candidate.take().expect("one result per job");
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
            checkpoint::write(self.run, "best", 1, &state, &model, None)?;
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
            actors,
            pending: self.pending.iter().map(|q| q.iter().cloned().collect()).collect(),
            ..self.learner.state()
        };
        let mut model = StateDict::new();
        self.learner.agent.save(&mut model);
        let keep = self.config.checkpoint.keep;
        checkpoint::write(self.run, "step", keep, &state, &model, Some(&columns))?;
        self.last_checkpoint = Some(c.env_steps);
        Ok(())
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
        let arrays: Vec<_> =
            bad.batch.fields().map(|(name, t)| (name.to_owned(), Saved::tensor(t))).into();
        let dump = match tensor_file::write(&path, &arrays) {
            Ok(()) => path.display().to_string(),
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
            methods: self.learner.agent.acted(),
        }
    }
}

/// Whether a multiple of `every` lies in `(before, now]`; 0 means never.
fn crossed(every: u64, before: u64, now: u64) -> bool {
    every > 0 && now / every > before / every
}
