//! The evaluations of a run as the learner sees them: weights that wait to be played, the first of
//! them under way.
//!
//! Nothing waits for them but their own number: a checkpoint takes along what still waits, so a stop
//! abandons an evaluation at once and a resume plays it again.

use std::collections::VecDeque;

use crossbeam::channel::{Receiver, Sender, TryRecvError, never, select};
use networks::params::StateDict;

use crate::{
    agent::Snapshot,
    error::Error,
    runtime::{
        evaluate,
        message::{EvalJob, EvalResult},
    },
    storage::state::State,
};

/// Weights to evaluate, and the state of the run they are of.
pub(crate) struct Candidate {
    pub(crate) state: State,
    pub(crate) model: StateDict,
}

/// What a wait for an evaluation ended with.
pub(crate) enum Waited {
    /// An evaluation is over.
    Played(EvalResult),
    /// The run was asked to stop.
    Stopped,
}

/// The learner's ends of the evaluator's channels.
pub(crate) struct Evaluations {
    to_evaluator: Sender<EvalJob>,
    results: Receiver<EvalResult>,
    /// The first one is under way; its job is taken out when it is sent.
    waiting: VecDeque<(Candidate, Option<EvalJob>)>,
}

impl Evaluations {
    pub(crate) fn new(to_evaluator: Sender<EvalJob>, results: Receiver<EvalResult>) -> Self {
        Evaluations { to_evaluator, results, waiting: VecDeque::new() }
    }

    /// Puts weights in line.
    pub(crate) fn add(&mut self, candidate: Candidate, snapshot: Snapshot) -> Result<(), Error> {
        let State { env_steps: env_step, rounds, .. } = candidate.state;
        let job = EvalJob { env_step, step_offset: evaluate::step_offset(rounds), snapshot };
        self.waiting.push_back((candidate, Some(job)));
        self.begin_next()
    }

    /// How many are not over.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// All that are not over, oldest first, for a checkpoint.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (&State, &StateDict)> {
        self.waiting.iter().map(|(candidate, _)| (&candidate.state, &candidate.model))
    }

    /// A result, if one is there. An evaluator that is gone is an error at once.
    pub(crate) fn poll(&self) -> Result<Option<EvalResult>, Error> {
        if self.waiting.is_empty() {
            return Ok(None);
        }
        match self.results.try_recv() {
            Ok(result) => Ok(Some(result)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(gone()),
        }
    }

    /// Waits for the evaluation under way, or a message on `stop`.
    pub(crate) fn wait(&self, stop: &Receiver<()>) -> Result<Waited, Error> {
        // Nobody who could ask for a stop is left: not a stop.
        let nobody = never();
        let mut stop = stop;
        loop {
            select! {
                recv(self.results) -> result => return result.map(Waited::Played).map_err(|_| gone()),
                recv(stop) -> asked => match asked {
                    Ok(()) => return Ok(Waited::Stopped),
                    Err(_) => stop = &nobody,
                },
            }
        }
    }

    /// The weights that a result is of; the next in line begins.
    pub(crate) fn finish(&mut self) -> Result<Candidate, Error> {
        let (candidate, _) = self.waiting.pop_front().expect("one result per job");
        self.begin_next()?;
        Ok(candidate)
    }

    fn begin_next(&mut self) -> Result<(), Error> {
        match self.waiting.front_mut().and_then(|(_, job)| job.take()) {
            Some(job) => self.to_evaluator.send(job).map_err(|_| gone()),
            None => Ok(()),
        }
    }
}

fn gone() -> Error {
    Error::Gone("evaluator".to_owned())
}
