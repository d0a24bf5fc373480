//! The learner's part of checkpoints, and weights of other moments.

use networks::params::{LoadError, StateDict};

use super::{Counters, Learner};
use crate::{
    agent::Snapshot,
    error::{CheckpointError, Error},
    paths::shown,
    storage::{checkpoint::Checkpoint, state::State},
};

impl Learner {
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
        let refuse = |cause| CheckpointError::Replay { path: shown(&source.path), cause };
        let (Some(meta), Some(file)) = (&source.state.replay, &source.replay) else {
            return Err(refuse("it has none; give a step-... checkpoint".to_owned()).into());
        };
        Ok(self.replay.load(meta, file).map_err(refuse)?)
    }

    /// Takes everything from a checkpoint.
    ///
    /// # Errors
    /// When it was made by another configuration.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), Error> {
        let misfit = |cause| CheckpointError::Misfit { path: shown(&checkpoint.path), cause };
        let state = &checkpoint.state;
        self.agent.load(&checkpoint.model).map_err(|e| misfit(e.to_string()))?;
        let (Some(meta), Some(file)) = (&state.replay, &checkpoint.replay) else {
            return Err(misfit("it has no replay; it is for evaluation only".to_owned()).into());
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
}
