//! Evaluations at a boundary: started, awaited, and what becomes of their results.

use networks::params::StateDict;

use super::LearnerLoop;
use crate::{
    error::Error,
    runtime::{
        evaluations::{Candidate, Waited},
        message::EvalResult,
    },
    storage::{
        checkpoint::{self, Content},
        state::State,
    },
};

impl LearnerLoop<'_> {
    pub(super) fn start_evaluation(&mut self) -> Result<(), Error> {
        let mut model = StateDict::new();
        self.learner.agent.save(&mut model);
        let candidate = Candidate { state: self.learner.state(), model };
        self.channels.evaluations.add(candidate, self.learner.snapshot())
    }

    /// Waits until at most `left` evaluations are not over. True if the run was asked to stop before.
    pub(super) fn await_evaluations(&mut self, left: usize) -> Result<bool, Error> {
        while self.channels.evaluations.len() > left {
            match self.channels.evaluations.wait(&self.channels.stop)? {
                Waited::Played(result) => self.take_evaluation(result)?,
                Waited::Stopped => return Ok(true),
            }
        }
        Ok(false)
    }

    /// Logs an evaluation and keeps its weights if they are the best so far.
    pub(super) fn take_evaluation(&mut self, result: EvalResult) -> Result<(), Error> {
        if result.returns.is_empty() {
            // Interrupted too often: no number, and so no best weights either.
            self.channels.evaluations.finish()?;
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
        let Candidate { state, model } = self.channels.evaluations.finish()?;
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
}
