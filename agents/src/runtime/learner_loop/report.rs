//! What a run tells its caller: progress, the batch of a failed update, and the final report.

use super::LearnerLoop;
use crate::{
    error::Error,
    paths::shown,
    runtime::{
        learner::BadUpdate,
        message::EvalResult,
        session::{Progress, Report},
    },
    storage::tensor_file::{self, Saved},
};

impl LearnerLoop<'_> {
    pub(super) fn show(&mut self, eval: Option<EvalResult>) {
        let (c, restarted) = (self.learner.counters, self.restarted);
        let (env_steps, updates, episodes) = (c.env_steps, c.updates, c.episodes);
        (self.watch)(&Progress { env_steps, updates, episodes, eval, restarted });
    }

    /// Writes the batch of a failed update beside the run.
    pub(super) fn dump(&self, bad: BadUpdate) -> Error {
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

    pub(super) fn report(&self, interrupted: bool) -> Report {
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
