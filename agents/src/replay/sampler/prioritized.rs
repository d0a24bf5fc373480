//! Prioritised experience replay, the proportional variant (Schaul et al. 2016, arXiv 1511.05952,
//! Algorithm 1): transitions whose last error was large are drawn more often, and importance weights
//! take part of that back.
//!
//! The largest weight is that of the batch (ours; the paper's `max_i w_i` can also be read as that of
//! the whole replay): then neither the number of transitions nor the sum of priorities is in the
//! weights. A transition has a priority only while it can be drawn, so no draw is refused.

use networks::random::Rng;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::{scheme::Scheme, sum_tree::SumTree};
use crate::{
    algorithms::range::between,
    experience::Row,
    replay::ring::Ring,
    storage::tensor_file::{Saved, TensorFile},
};

/// `[replay.sampler]` with `kind = "prioritized"`. Defaults: arXiv 1511.05952, Table 3, proportional.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrioritizedConfig {
    /// How much priorities count: 0 draws uniformly, 1 in proportion to the error.
    pub alpha: f64,
    /// How much of the bias the importance weights take back at first.
    pub beta_start: f64,
    /// And after `beta_updates` updates: 1 takes all of it back.
    pub beta_end: f64,
    /// Length of the line between both in updates; 0 until the run's length is known.
    pub beta_updates: u64,
    /// Added to every error, so that a transition with error 0 can still be sampled. `OpenAI` Baselines
    /// has this number; the paper has none.
    pub eps: f64,
}

impl Default for PrioritizedConfig {
    fn default() -> Self {
        PrioritizedConfig { alpha: 0.6, beta_start: 0.4, beta_end: 1.0, beta_updates: 0, eps: 1e-6 }
    }
}

impl PrioritizedConfig {
    pub(super) fn validate(&self, key: &str) -> Result<(), String> {
        between(&format!("{key}.alpha"), self.alpha, 0.0, 1.0)?;
        between(&format!("{key}.beta_start"), self.beta_start, 0.0, 1.0)?;
        between(&format!("{key}.beta_end"), self.beta_end, 0.0, 1.0)?;
        between(&format!("{key}.eps"), self.eps, 1e-12, 1e6)
    }

    /// Puts the run's number of updates where the configuration leaves the length to the run.
    pub(super) fn resolve(&mut self, updates: u64) {
        if self.beta_updates == 0 {
            self.beta_updates = updates;
        }
    }

    fn beta(&self, update: u64) -> f64 {
        let progress = (update as f64 / self.beta_updates.max(1) as f64).min(1.0);
        self.beta_start + (self.beta_end - self.beta_start) * progress
    }
}

/// The scheme.
pub(super) struct Prioritized {
    config: PrioritizedConfig,
    /// `p^alpha` of every row that can be drawn, 0 of the others. Row `r` of environment `i` is leaf
    /// `i * rows + r % rows`.
    tree: SumTree,
    rows: usize,
    /// The largest `p^alpha` so far: what a transition has that was not drawn yet.
    max: f64,
}

impl Prioritized {
    pub(super) fn new(config: PrioritizedConfig, envs: usize, rows: usize) -> Self {
        Prioritized { config, tree: SumTree::new(envs * rows), rows, max: 1.0 }
    }

    fn leaf(&self, env: usize, row: u64) -> usize {
        env * self.rows + (row % self.rows as u64) as usize
    }
}

impl Scheme for Prioritized {
    /// One of each of `batch` equal parts of the sum of priorities (appendix B.2.1).
    fn propose(&mut self, rings: &[Ring], k: usize, batch: usize, rng: &mut Rng) -> (usize, u64) {
        let point = (k as f64 + rng.random::<f64>()) / batch as f64 * self.tree.total();
        let leaf = self.tree.find(point);
        let (env, slot) = (leaf / self.rows, (leaf % self.rows) as u64);
        let rows = self.rows as u64;
        let oldest = rings[env].oldest();
        (env, oldest + (slot + rows - oldest % rows) % rows)
    }

    /// `w_j = (N P(j))^-beta / max_i w_i`, so `(min_i p_i^alpha / p_j^alpha)^beta`    Algorithm 1, line 10
    fn weights(&self, rows: &[Row], update: u64) -> Option<Vec<f32>> {
        let beta = self.config.beta(update);
        let mass = |row: &Row| self.tree.get(self.leaf(row.env, row.number));
        let least = rows.iter().map(mass).fold(f64::INFINITY, f64::min);
        Some(rows.iter().map(|row| (least / mass(row)).powf(beta) as f32).collect())
    }

    /// `p_t = max_{i<t} p_i`                                                         Algorithm 1, line 6
    fn complete(&mut self, env: usize, row: u64) {
        let leaf = self.leaf(env, row);
        if self.tree.get(leaf) == 0.0 {
            self.tree.set(leaf, self.max);
        }
    }

    fn forget(&mut self, env: usize, row: u64) {
        let leaf = self.leaf(env, row);
        if self.tree.get(leaf) != 0.0 {
            self.tree.set(leaf, 0.0);
        }
    }

    /// `p_j = |delta_j| + eps`                                                       Algorithm 1, line 12
    fn report(&mut self, env: usize, row: u64, error: f64) {
        let leaf = self.leaf(env, row);
        if self.tree.get(leaf) == 0.0 {
            return; // lost its frames meanwhile
        }
        let mass = (error.abs() + self.config.eps).powf(self.config.alpha);
        self.max = self.max.max(mass);
        self.tree.set(leaf, mass);
    }

    fn clear(&mut self) {
        let envs = self.tree.len() / self.rows;
        *self = Prioritized::new(self.config, envs, self.rows);
    }

    fn save(&self, held: &[usize]) -> Vec<(String, Saved<'_>)> {
        let column = |(env, &n): (usize, &usize)| {
            let from = env * self.rows;
            (name(env), Saved::f64(&[n], self.tree.leaves(from..from + n)))
        };
        let max = (MAX.to_owned(), Saved::f64(&[1], std::slice::from_ref(&self.max)));
        held.iter().enumerate().map(column).chain([max]).collect()
    }

    fn load(&mut self, held: &[usize], file: &TensorFile) -> Result<(), String> {
        for (env, &n) in held.iter().enumerate() {
            let from = env * self.rows;
            file.read_f64(&name(env), self.tree.leaves_mut(from..from + n))?;
        }
        self.tree.rebuild();
        file.read_f64(MAX, std::slice::from_mut(&mut self.max))
    }
}

const MAX: &str = "sampler/max_priority";

fn name(env: usize) -> String {
    format!("env_{env}/priority")
}
