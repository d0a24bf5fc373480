//! Experience replay: one ring of rows per environment, each observation stored once.
//!
//! A row is an observation and, once it is known, what was done there: action, reward, and whether
//! the episode ended. The next observation is simply the next row; an episode's true last
//! observation is a row without an action. Of stacked frames ([`envs::Space::frames`]) a row holds the
//! newest one, and stacks are put together again when sampling. n-step returns are summed when
//! sampling, from rows, so nothing is stored twice and `n` and `gamma` can differ between runs on the
//! same data.
//!
//! `store.rs` makes batches of rows, `sampler/` chooses the rows, and `draws.rs` is what an agent sees
//! of both.

mod check;
pub mod draws;
mod ring;
pub mod sampler;
mod store;

use envs::EnvSpec;
use networks::random::Rng;
use tch::{Device, Tensor};

use crate::storage::state::ReplayMeta;
use crate::{
    experience::{Batch, Experience, Row, Sequences},
    replay::{
        ring::{ACTED, Ring, TERMINATED, TRUNCATED},
        sampler::{SamplerConfig, Scheme, Uniform},
        store::Store,
    },
    storage::tensor_file::{Saved, TensorFile},
};

/// All environments' rings, and how transitions are chosen from them.
pub struct Replay {
    store: Store,
    scheme: Box<dyn Scheme>,
}

impl Replay {
    /// `envs` rings that together hold `capacity` environment steps, sampled uniformly.
    ///
    /// # Errors
    /// As [`Replay::check`], and a discount that is none.
    pub fn new(
        spec: &EnvSpec,
        envs: usize,
        capacity: usize,
        n_step: usize,
        gamma: f64,
        device: Device,
    ) -> Result<Self, String> {
        Replay::check(spec, envs, capacity, n_step)?;
        if !(0.0..=1.0).contains(&gamma) {
            return Err(format!("the discount of a replay is {gamma}; it must be between 0 and 1"));
        }
        let rows = capacity.div_ceil(envs) + 1; // the newest row has no action yet
        let rings = (0..envs).map(|_| Ring::new(spec, rows)).collect();
        let discounts = (0..=n_step).map(|k| gamma.powi(k as i32) as f32).collect();
        let store = Store::new(rings, spec.obs.size(), discounts, device);
        Ok(Replay { store, scheme: Box::new(Uniform) })
    }

    /// Gives batches what lies between the ends of their transitions, if there is anything (n above 1).
    #[must_use]
    pub fn with_between(self, between: bool) -> Self {
        Replay { store: self.store.with_between(between), ..self }
    }

    /// Chooses transitions in this way; those already held are new to it.
    ///
    /// # Errors
    /// When the system would not give the memory.
    pub fn with_sampler(mut self, sampler: &SamplerConfig) -> Result<Self, String> {
        let (envs, rows) = (self.store.rings.len(), self.store.rings[0].rows());
        Replay::check_sampler(sampler, envs, rows)?;
        self.scheme = sampler.build(envs, rows);
        self.tell_all();
        Ok(self)
    }

    /// First observations `[N * D]` of the environments from `first` on.
    pub fn start(&mut self, first: usize, obs: &[f32]) {
        let envs = first..self.store.rings.len();
        for (env, obs) in envs.zip(obs.chunks_exact(self.store.obs_dim)) {
            let ring = &mut self.store.rings[env];
            if ring.continues_with(obs) {
                continue;
            }
            if ring.cut() {
                self.tell_completed(env);
            }
            self.open_row(env, obs);
        }
    }

    /// One step of the environments from `first` on.
    ///
    /// # Panics
    /// If the experience lacks a reset observation: a bug in the actor.
    pub fn push(&mut self, first: usize, e: &Experience) {
        let d = self.store.obs_dim;
        let mut resets = e.reset_obs.chunks_exact(d);
        for (i, outcome) in e.outcomes.iter().enumerate() {
            let env = first + i;
            let flags = ACTED
                | if outcome.terminated { TERMINATED } else { 0 }
                | if outcome.truncated { TRUNCATED } else { 0 };
            self.store.rings[env].close_row(&e.actions, i, outcome.reward, flags);
            self.open_row(env, &e.next_obs[i * d..(i + 1) * d]);
            self.tell_completed(env);
            if flags != ACTED {
                let reset = resets.next().expect("one reset observation per ended episode");
                self.open_row(env, reset);
            }
        }
    }

    /// Opens a row in the place of the oldest one, and takes from the sampler what that costs.
    fn open_row(&mut self, env: usize, obs: &[f32]) {
        let ring = &mut self.store.rings[env];
        self.scheme.forget(env, ring.written);
        ring.open_row(obs);
        for row in ring.beheaded() {
            self.scheme.forget(env, row);
        }
    }

    fn tell_completed(&mut self, env: usize) {
        for row in self.store.rings[env].completed(self.store.n_step()) {
            self.scheme.complete(env, row);
        }
    }

    /// Tells the sampler of every row what can be drawn.
    fn tell_all(&mut self) {
        for (env, ring) in self.store.rings.iter().enumerate() {
            for row in ring.indices() {
                if ring.is_drawable(row, &self.store.discounts) {
                    self.scheme.complete(env, row);
                } else {
                    self.scheme.forget(env, row);
                }
            }
        }
    }

    /// Transitions held: rows with an action.
    pub fn len(&self) -> usize {
        let acted = |r: &Ring| r.indices().filter(|&i| r.flags(i) & ACTED != 0).count();
        self.store.rings.iter().map(acted).sum()
    }

    /// Whether nothing was pushed yet.
    pub fn is_empty(&self) -> bool {
        self.store.rings.iter().all(|r| r.written <= 1)
    }

    /// Bytes of the rows held.
    pub fn bytes(&self) -> usize {
        self.store.rings.iter().map(|r| r.held() * r.row_bytes()).sum()
    }

    /// `batch` transitions drawn uniformly with replacement, whatever the sampler.
    ///
    /// Every ring must hold at least `n_step + 3` rows (`Config::validate` sees to it), and one that has
    /// forgotten rows `n_step + 2 + frames` ([`Replay::check`]): then some row starts a whole
    /// n-step transition from a whole stack of frames and the search below ends.
    ///
    /// # Panics
    /// If nothing was pushed yet.
    pub fn sample(&mut self, batch: usize, rng: &mut Rng) -> Batch {
        self.store.batch(&mut Uniform, batch, rng)
    }

    /// `batch` transitions drawn by the sampler, for the update that follows `update` others.
    ///
    /// # Panics
    /// If nothing was pushed yet.
    pub fn draw(&mut self, batch: usize, update: u64, rng: &mut Rng) -> Batch {
        let b = self.store.batch(self.scheme.as_mut(), batch, rng);
        Batch { weights: self.weights(&b.rows, update), ..b }
    }

    /// `batch` sequences of up to `steps` steps, whose beginnings the sampler draws.
    ///
    /// # Panics
    /// If nothing was pushed yet.
    pub fn sequences(
        &mut self,
        batch: usize,
        steps: usize,
        update: u64,
        rng: &mut Rng,
    ) -> Sequences {
        let s = self.store.sequences(self.scheme.as_mut(), batch, steps, rng);
        Sequences { weights: self.weights(&s.rows, update), ..s }
    }

    fn weights(&self, rows: &[Row], update: u64) -> Option<Tensor> {
        let weights = self.scheme.weights(rows, update)?;
        Some(Tensor::from_slice(&weights).to_device(self.store.device))
    }

    /// Tells the sampler the errors of rows that were drawn; rows that were overwritten since are left
    /// out.
    ///
    /// # Panics
    /// If an error is not finite: the update should have failed.
    pub fn report(&mut self, rows: &[Row], errors: &[f64]) {
        for (row, &error) in rows.iter().zip(errors) {
            assert!(error.is_finite(), "an update reported an error of {error}");
            if self.store.rings[row.env].indices().contains(&row.number) {
                self.scheme.report(row.env, row.number, error);
            }
        }
    }

    fn held(&self) -> Vec<usize> {
        self.store.rings.iter().map(Ring::held).collect()
    }

    /// The columns of all rings and of the sampler, for a checkpoint.
    pub fn save(&self) -> (ReplayMeta, Vec<(String, Saved<'_>)>) {
        let rings = &self.store.rings;
        let meta = ReplayMeta { written: rings.iter().map(|r| r.written).collect() };
        let columns = rings.iter().enumerate().flat_map(|(i, r)| r.save(i));
        (meta, columns.chain(self.scheme.save(&self.held())).collect())
    }

    /// Takes the rows that [`Replay::save`] wrote; all are new to the sampler.
    ///
    /// # Errors
    /// When the file holds another number of environments, another capacity or other spaces.
    pub fn load(&mut self, meta: &ReplayMeta, file: &TensorFile) -> Result<(), String> {
        let rings = &mut self.store.rings;
        if meta.written.len() != rings.len() {
            return Err(format!(
                "the replay has {} environments where the configuration has {}",
                meta.written.len(),
                rings.len()
            ));
        }
        for (i, (ring, &written)) in rings.iter_mut().zip(&meta.written).enumerate() {
            ring.load(i, written, file)?;
        }
        self.scheme.clear();
        self.tell_all();
        Ok(())
    }

    /// Reverse of [`Replay::save`]: the rows, and what the sampler knew of them.
    ///
    /// # Errors
    /// As [`Replay::load`], and when another kind of sampler wrote the file.
    pub fn resume(&mut self, meta: &ReplayMeta, file: &TensorFile) -> Result<(), String> {
        self.load(meta, file)?;
        self.scheme.load(&self.held(), file)
    }
}
