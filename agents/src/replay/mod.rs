//! Experience replay: one ring of rows per environment, each observation stored once.
//!
//! A row is an observation and, once it is known, what was done there: action, reward, and whether
//! the episode ended. The next observation is simply the next row; an episode's true last
//! observation is a row without an action. Of stacked frames ([`envs::Space::frames`]) a row holds the
//! newest one, and stacks are put together again when sampling. n-step returns are summed when
//! sampling, from rows, so nothing is stored twice and `n` and `gamma` can differ between runs on the
//! same data.

mod ring;

use envs::EnvSpec;
use networks::random::Rng;
use rand::RngExt;
use tch::{Device, Kind, Tensor};

use crate::storage::state::ReplayMeta;
use crate::{
    experience::{Batch, Between, Experience},
    replay::ring::{ACTED, Ring, Scratch, TERMINATED, TRUNCATED},
    storage::tensor_file::{Saved, TensorFile},
};

/// All environments' rings.
pub struct Replay {
    rings: Vec<Ring>,
    obs_dim: usize,
    /// Powers of gamma: `discounts[k] = gamma^k`, `k` up to `n_step`.
    discounts: Vec<f32>,
    /// Whether batches hold what lies between the ends of a transition.
    between: bool,
    device: Device,
    scratch: Scratch,
}

impl Replay {
    /// `envs` rings that together hold `capacity` environment steps.
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
        Ok(Replay {
            rings: (0..envs).map(|_| Ring::new(spec, rows)).collect(),
            obs_dim: spec.obs.size(),
            discounts: (0..=n_step).map(|k| gamma.powi(k as i32) as f32).collect(),
            between: false,
            device,
            scratch: Scratch::default(),
        })
    }

    /// Gives batches what lies between the ends of their transitions, if there is anything (n above 1).
    #[must_use]
    pub fn with_between(self, between: bool) -> Self {
        Replay { between: between && self.discounts.len() > 2, ..self }
    }

    /// Whether there can be such a replay: what it is for makes sense, a transition fits, and the system has the memory.
    ///
    /// # Errors
    /// One sentence about the first thing in the way.
    pub fn check(
        spec: &EnvSpec,
        envs: usize,
        capacity: usize,
        n_step: usize,
    ) -> Result<(), String> {
        spec.validate()?;
        if envs == 0 || n_step == 0 {
            return Err(format!(
                "a replay of {envs} environments with n_step {n_step} holds nothing; both must be at least 1"
            ));
        }
        Replay::check_rows(spec, envs, capacity, n_step)?;
        Replay::check_memory(spec, envs, capacity)
    }

    /// Whether rings of this capacity always hold a whole transition: `n_step + 3` rows, and as many
    /// more as a stack of frames reaches back.
    ///
    /// # Errors
    /// One sentence with the least capacity.
    fn check_rows(
        spec: &EnvSpec,
        envs: usize,
        capacity: usize,
        n_step: usize,
    ) -> Result<(), String> {
        let frames = spec.obs.frames;
        let least = n_step.saturating_add(2 + frames).saturating_mul(envs);
        if capacity >= least {
            return Ok(());
        }
        Err(format!(
            "replay.capacity is {capacity}; with {envs} environments, n_step {n_step} and \
             observations of {frames} frames it must be at least {least}"
        ))
    }

    /// Whether the system would give the memory of such a replay. It is asked for and handed back
    /// untouched; without this a mistyped capacity would abort the process.
    ///
    /// # Errors
    /// One sentence with the number of bytes.
    fn check_memory(spec: &EnvSpec, envs: usize, capacity: usize) -> Result<(), String> {
        let bytes = (capacity.div_ceil(envs).saturating_add(1))
            .checked_mul(Ring::new(spec, 1).row_bytes())
            .and_then(|ring| ring.checked_mul(envs));
        let granted = bytes.is_some_and(|n| Vec::<u8>::new().try_reserve_exact(n).is_ok());
        if granted {
            return Ok(());
        }
        let size = bytes
            .map_or("more than 2^64 bytes".to_owned(), |n| format!("{:.1} GB", n as f64 / 1e9));
        Err(format!(
            "replay.capacity is {capacity}, which takes {size} with this environment's \
             observations, more than the system gives; lower it"
        ))
    }

    /// First observations `[N * D]` of the environments from `first` on.
    pub fn start(&mut self, first: usize, obs: &[f32]) {
        for (ring, obs) in self.rings[first..].iter_mut().zip(obs.chunks_exact(self.obs_dim)) {
            if !ring.continues_with(obs) {
                ring.cut();
                ring.open_row(obs);
            }
        }
    }

    /// One step of the environments from `first` on.
    ///
    /// # Panics
    /// If the experience lacks a reset observation: a bug in the actor.
    pub fn push(&mut self, first: usize, e: &Experience) {
        let d = self.obs_dim;
        let mut resets = e.reset_obs.chunks_exact(d);
        for (i, outcome) in e.outcomes.iter().enumerate() {
            let ring = &mut self.rings[first + i];
            let flags = ACTED
                | if outcome.terminated { TERMINATED } else { 0 }
                | if outcome.truncated { TRUNCATED } else { 0 };
            ring.close_row(&e.actions, i, outcome.reward, flags);
            ring.open_row(&e.next_obs[i * d..(i + 1) * d]);
            if flags != ACTED {
                ring.open_row(resets.next().expect("one reset observation per ended episode"));
            }
        }
    }

    /// Transitions held: rows with an action.
    pub fn len(&self) -> usize {
        self.rings.iter().map(|r| r.indices().filter(|&i| r.flags(i) & ACTED != 0).count()).sum()
    }

    /// Whether nothing was pushed yet.
    pub fn is_empty(&self) -> bool {
        self.rings.iter().all(|r| r.written <= 1)
    }

    /// Bytes of the rows held.
    pub fn bytes(&self) -> usize {
        self.rings.iter().map(|r| r.held() * r.row_bytes()).sum()
    }

    /// `batch` transitions drawn uniformly with replacement.
    ///
    /// Every ring must hold at least `n_step + 3` rows (`Config::validate` sees to it), and one that has
    /// forgotten rows `n_step + 2 + frames` ([`Replay::check`]): then some row starts a whole
    /// n-step transition from a whole stack of frames and the search below ends.
    ///
    /// # Panics
    /// If nothing was pushed yet.
    pub fn sample(&mut self, batch: usize, rng: &mut Rng) -> Batch {
        let total: usize = self.rings.iter().map(Ring::held).sum();
        let mut s = std::mem::take(&mut self.scratch);
        s.clear();
        while s.reward.len() < batch {
            let mut index = rng.random_range(0..total);
            let ring = self
                .rings
                .iter()
                .find(|r| {
                    let inside = index < r.held();
                    index -= if inside { 0 } else { r.held() };
                    inside
                })
                .expect("index below the sum of rows");
            let row = ring.oldest() + index as u64;
            let Some((reward, discount, next)) = ring.n_step(row, &self.discounts) else {
                continue; // an episode's last observation, or the n steps are not over yet
            };
            if !ring.gather(row, next, &mut s) {
                continue; // the oldest of its frames were forgotten
            }
            if self.between {
                ring.gather_between(row, next, &self.discounts, &mut s);
            }
            s.reward.push(reward);
            s.discount.push(discount);
        }
        let out = self.tensors(&s, batch as i64);
        self.scratch = s;
        out
    }

    fn tensors(&self, s: &Scratch, batch: i64) -> Batch {
        let to = |t: Tensor| t.to_device(self.device);
        let obs = |f: &[f32], u: &[u8]| {
            let t = if u.is_empty() { Tensor::from_slice(f) } else { Tensor::from_slice(u) };
            to(t).to_kind(Kind::Float).view([batch, -1])
        };
        let action = if s.choice.is_empty() {
            to(Tensor::from_slice(&s.action)).view([batch, -1])
        } else {
            to(Tensor::from_slice(&s.choice)).view([batch, 1])
        };
        Batch {
            obs: obs(&s.obs, &s.obs_u8),
            action,
            reward: to(Tensor::from_slice(&s.reward)),
            discount: to(Tensor::from_slice(&s.discount)),
            next_obs: obs(&s.next_obs, &s.next_obs_u8),
            between: self.between.then(|| Between {
                obs: obs(&s.between, &s.between_u8).view([batch, -1, self.obs_dim as i64]),
                discount: to(Tensor::from_slice(&s.between_discount)).view([batch, -1]),
            }),
        }
    }

    /// The columns of all rings, for a checkpoint.
    pub fn save(&self) -> (ReplayMeta, Vec<(String, Saved<'_>)>) {
        let meta = ReplayMeta { written: self.rings.iter().map(|r| r.written).collect() };
        let columns = self.rings.iter().enumerate().flat_map(|(i, r)| r.save(i)).collect();
        (meta, columns)
    }

    /// Reverse of [`Replay::save`].
    ///
    /// # Errors
    /// When the file holds another number of environments, another capacity or other spaces.
    pub fn load(&mut self, meta: &ReplayMeta, file: &TensorFile) -> Result<(), String> {
        if meta.written.len() != self.rings.len() {
            return Err(format!(
                "the replay has {} environments where the configuration has {}",
                meta.written.len(),
                self.rings.len()
            ));
        }
        for (i, (ring, &written)) in self.rings.iter_mut().zip(&meta.written).enumerate() {
            ring.load(i, written, file)?;
        }
        Ok(())
    }
}
