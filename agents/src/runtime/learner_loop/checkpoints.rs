//! Checkpoints of the whole run at a boundary.

use networks::params::StateDict;

use super::LearnerLoop;
use crate::{
    error::Error,
    logging::metrics::ToWriter,
    runtime::message::{FromActor, ToActor},
    storage::{
        checkpoint::{self, Content},
        state::{ActorState, State},
    },
};

impl LearnerLoop<'_> {
    /// Saves the whole run. Refuses to put weights that are not finite over good ones.
    pub(super) fn save_checkpoint(&mut self) -> Result<(), Error> {
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
        let evaluating = self.channels.evaluations.waiting().collect();
        let whole = Content { state: &state, model: &model, evaluating, replay: Some(&columns) };
        checkpoint::write(self.run, "step", &whole)?;
        checkpoint::prune(self.run, self.config.checkpoint.keep)?;
        self.last_checkpoint = Some(c.env_steps);
        self.unsettled = self.channels.evaluations.len() > 0;
        Ok(())
    }

    /// The last checkpoint was saved before the last evaluation: now it gets what came of it.
    pub(super) fn settle_checkpoint(&self) -> Result<(), Error> {
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
        self.channels.to_writer.send(ToWriter::Sync).map_err(|_| gone())?;
        self.channels.writer_synced.recv().map_err(|_| gone())
    }

    /// Asks every actor for its state; rounds that arrive before it wait in `pending`.
    fn collect_states(&mut self) -> Result<Vec<ActorState>, Error> {
        for actor in &mut self.channels.actors {
            actor.put(ToActor::Save);
        }
        let mut states = Vec::new();
        for i in 0..self.channels.actors.len() {
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
}
