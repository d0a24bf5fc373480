//! What the learner measures of its agent: the due diagnostics, and the bias of values.

use networks::{
    params::{LoadError, StateDict},
    random::{self, Rng},
};

use super::Learner;
use crate::{
    diagnostics::{
        config::DueTiers,
        diagnostic::{Context, Measure},
        histograms,
        probe::{BatchView, overestimation},
    },
    logging::record::Record,
    runtime::{message::EvalResult, streams},
};

impl Learner {
    /// Logs what is due; `before` is what the agent made of the probe batch one update ago.
    pub(super) fn look(
        &mut self,
        step: u64,
        due: DueTiers,
        before: Option<BatchView>,
        log: &mut dyn FnMut(u64, Record),
    ) {
        let mut found = self.measures(self.config.diagnostics.probe_size, due);
        if let Some(before) = before {
            self.counters.updates -= 1; // the same batch as before the update
            let after = self.batch_view();
            self.counters.updates += 1;
            if let Some(after) = after {
                found.extend(self.diagnostics.of_update(&before, &after, due));
            }
        }
        let values = found.into_iter().map(|m| (m.tag(), m.value)).collect();
        log(step, Record::Scalars(values));
        if due.units {
            let mut rng = self.probe_rng();
            let batch = self.replay.sample(2, &mut rng);
            for histogram in histograms(&self.agent.probe(&batch, &mut rng)) {
                log(step, histogram);
            }
        }
    }

    fn probe_rng(&self) -> Rng {
        random::stream(self.config.seed, streams::probe(self.counters.updates))
    }

    /// What the agent makes of the probe batch.
    pub(super) fn batch_view(&mut self) -> Option<BatchView> {
        let batch = self.replay.sample(self.config.diagnostics.probe_size, &mut self.probe_rng());
        self.agent.batch_view(&batch)
    }

    /// What there is to say about the networks on `size` transitions from replay. Looking changes
    /// nothing: not the run's generators, not the agent.
    pub fn measures(&mut self, size: usize, due: DueTiers) -> Vec<Measure> {
        let mut rng = self.probe_rng();
        let batch = self.replay.sample(size, &mut rng);
        let refit_steps = self.config.diagnostics.refit_steps;
        let probes = self.agent.probe(&batch, &mut rng);
        let mut cx = Context { initial: &self.initial, refit_steps, rng: &mut rng };
        let mut found = self.diagnostics.of_networks(&probes, due, &mut cx);
        drop(probes);
        if let Some(view) = due.any().then(|| self.agent.batch_view(&batch)).flatten() {
            found.extend(self.diagnostics.of_batch(&view, due));
        }
        found
    }

    /// How far the values of the agent with these weights lie above what an evaluation of them got,
    /// on average, and that over the size of the latter's mean (Chen et al. 2021, arXiv 2101.05982).
    /// Episodes that were cut off continue with the value of their last observation; the entropy bonus that
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
}
