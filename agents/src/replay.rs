//! Experience replay: one ring of rows per environment, each observation stored once.
//!
//! A row is an observation and, once it is known, what was done there: action, reward, and whether
//! the episode ended. The next observation is simply the next row; an episode's true last
//! observation is a row without an action. n-step returns are summed when sampling, from rows, so
//! nothing is stored twice and `n` and `gamma` can differ between runs on the same data.

use envs::{Action, ActionSpace, Actions, Dtype, EnvSpec};
use networks::random::Rng;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::{
    agent::Batch,
    message::Experience,
    tensor_file::{Saved, TensorFile},
};

/// The row has an action: it starts a transition.
const ACTED: u8 = 1;
/// That transition ended the episode for good.
const TERMINATED: u8 = 2;
/// That transition was the last one for an outside reason.
const TRUNCATED: u8 = 4;

/// All environments' rings.
pub struct Replay {
    rings: Vec<Ring>,
    obs_dim: usize,
    /// Powers of gamma: `discounts[k] = gamma^k`, `k` up to `n_step`.
    discounts: Vec<f32>,
    device: Device,
    scratch: Scratch,
}

/// What a checkpoint needs besides the columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplayMeta {
    /// Rows ever written, per ring.
    pub written: Vec<u64>,
}

impl Replay {
    /// `envs` rings that together hold `capacity` environment steps.
    pub fn new(
        spec: &EnvSpec,
        envs: usize,
        capacity: usize,
        n_step: usize,
        gamma: f64,
        device: Device,
    ) -> Self {
        let rows = capacity.div_ceil(envs) + 1; // the newest row has no action yet
        Replay {
            rings: (0..envs).map(|_| Ring::new(spec, rows)).collect(),
            obs_dim: spec.obs.size(),
            discounts: (0..=n_step).map(|k| gamma.powi(k as i32) as f32).collect(),
            device,
            scratch: Scratch::default(),
        }
    }

    /// Whether the system would give the memory of such a replay. It is asked for and handed back
    /// untouched; without this a mistyped capacity would abort the process.
    ///
    /// # Errors
    /// One sentence with the number of bytes.
    pub fn check_memory(spec: &EnvSpec, envs: usize, capacity: usize) -> Result<(), String> {
        let bytes = (capacity.div_ceil(envs) + 1)
            .checked_mul(Ring::new(spec, 1).row_bytes())
            .and_then(|ring| ring.checked_mul(envs));
        let granted = bytes.is_some_and(|n| Vec::<u8>::new().try_reserve_exact(n).is_ok());
        if granted {
            return Ok(());
        }
        let size = bytes
            .map_or("more than 2^64 bytes".to_owned(), |n| format!("{:.1} GB", n as f64 / 1e9));
        Err(format!(
            "replay.capacity is {capacity}, which takes {size} with this environment's              observations, more than the system gives; lower it"
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
    /// Every ring must hold at least `n_step + 3` rows (`Config::validate` sees to it): then some
    /// row starts a whole n-step transition and the search below ends.
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
            s.reward.push(reward);
            s.discount.push(discount);
            ring.gather(row, next, &mut s);
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

/// Buffers reused between samples.
#[derive(Default)]
struct Scratch {
    obs: Vec<f32>,
    next_obs: Vec<f32>,
    obs_u8: Vec<u8>,
    next_obs_u8: Vec<u8>,
    action: Vec<f32>,
    choice: Vec<i64>,
    reward: Vec<f32>,
    discount: Vec<f32>,
}

impl Scratch {
    fn clear(&mut self) {
        let Scratch { obs, next_obs, obs_u8, next_obs_u8, action, choice, reward, discount } = self;
        for v in [obs, next_obs, action, reward, discount] {
            v.clear();
        }
        obs_u8.clear();
        next_obs_u8.clear();
        choice.clear();
    }
}

enum ObsColumn {
    F32(Vec<f32>),
    U8(Vec<u8>),
}

enum ActionColumn {
    Discrete(Vec<u32>),
    Continuous(Vec<f32>),
}

/// The rows of one environment. Row number `i` (counted from the first ever) sits at `i % rows`.
/// The columns are zeroed lazily by the system, so memory grows with what is held.
struct Ring {
    rows: usize,
    written: u64,
    obs_dim: usize,
    action_dim: usize,
    obs: ObsColumn,
    action: ActionColumn,
    reward: Vec<f32>,
    flags: Vec<u8>,
}

impl Ring {
    fn new(spec: &EnvSpec, rows: usize) -> Self {
        let obs_dim = spec.obs.size();
        let action_dim = match &spec.action {
            ActionSpace::Discrete(_) => 1,
            ActionSpace::Box { low, .. } => low.len(),
        };
        Ring {
            rows,
            written: 0,
            obs_dim,
            action_dim,
            obs: match spec.obs.dtype {
                Dtype::F32 => ObsColumn::F32(vec![0.0; rows * obs_dim]),
                Dtype::U8 => ObsColumn::U8(vec![0; rows * obs_dim]),
            },
            action: match &spec.action {
                ActionSpace::Discrete(_) => ActionColumn::Discrete(vec![0; rows]),
                ActionSpace::Box { .. } => ActionColumn::Continuous(vec![0.0; rows * action_dim]),
            },
            reward: vec![0.0; rows],
            flags: vec![0; rows],
        }
    }

    fn held(&self) -> usize {
        self.written.min(self.rows as u64) as usize
    }

    fn oldest(&self) -> u64 {
        self.written - self.held() as u64
    }

    fn indices(&self) -> std::ops::Range<u64> {
        self.oldest()..self.written
    }

    fn at(&self, row: u64) -> usize {
        (row % self.rows as u64) as usize
    }

    fn flags(&self, row: u64) -> u8 {
        self.flags[self.at(row)]
    }

    fn row_bytes(&self) -> usize {
        let obs = match self.obs {
            ObsColumn::F32(_) => 4,
            ObsColumn::U8(_) => 1,
        };
        self.obs_dim * obs + self.action_dim * 4 + 4 + 1
    }

    /// Appends a row with an observation and no action yet.
    fn open_row(&mut self, obs: &[f32]) {
        let at = self.at(self.written);
        let span = at * self.obs_dim..(at + 1) * self.obs_dim;
        match &mut self.obs {
            ObsColumn::F32(column) => column[span].copy_from_slice(obs),
            ObsColumn::U8(column) => {
                for (byte, &x) in column[span].iter_mut().zip(obs) {
                    *byte = x as u8;
                }
            }
        }
        self.flags[at] = 0;
        self.written += 1;
    }

    /// Completes the newest row.
    fn close_row(&mut self, actions: &Actions, i: usize, reward: f32, flags: u8) {
        let at = self.at(self.written - 1);
        match (&mut self.action, actions.row(i)) {
            (ActionColumn::Discrete(column), Action::Discrete(choice)) => {
                column[at] = choice as u32;
            }
            (ActionColumn::Continuous(column), Action::Continuous(action)) => {
                column[at * self.action_dim..(at + 1) * self.action_dim].copy_from_slice(action);
            }
            _ => unreachable!("VecEnv checked the kind of action"),
        }
        self.reward[at] = reward;
        self.flags[at] = flags;
    }

    /// Whether the newest row is this observation, waiting for an action (an exact resume).
    fn continues_with(&self, obs: &[f32]) -> bool {
        if self.written == 0 || self.flags(self.written - 1) != 0 {
            return false;
        }
        let at = self.at(self.written - 1) * self.obs_dim;
        match &self.obs {
            ObsColumn::F32(column) => column[at..at + self.obs_dim] == *obs,
            ObsColumn::U8(column) => {
                column[at..at + self.obs_dim].iter().zip(obs).all(|(&b, &x)| f32::from(b) == x)
            }
        }
    }

    /// The environment restarted in the middle of an episode (a resume without environment state):
    /// the last step becomes a truncation.
    fn cut(&mut self) {
        if self.held() >= 2 {
            let at = self.at(self.written - 2);
            if self.flags[at] == ACTED {
                self.flags[at] |= TRUNCATED;
            }
        }
    }

    /// `(reward, discount, row of the next observation)` of the n-step transition from `row`, or
    /// `None` if `row` starts none or it is not complete.
    ///
    /// reward = sum over k of `gamma^k r_k` until the n steps or the episode are over; discount is
    /// `gamma^steps`, or 0 after a termination.
    fn n_step(&self, row: u64, discounts: &[f32]) -> Option<(f32, f32, u64)> {
        let mut reward = 0.0;
        for (k, gamma_k) in discounts[..discounts.len() - 1].iter().enumerate() {
            let here = row + k as u64;
            let flags = self.flags(here);
            if flags & ACTED == 0 {
                return None;
            }
            reward += gamma_k * self.reward[self.at(here)];
            if flags & TERMINATED != 0 {
                return Some((reward, 0.0, here + 1));
            }
            if flags & TRUNCATED != 0 {
                return Some((reward, discounts[k + 1], here + 1));
            }
        }
        let n = discounts.len() - 1;
        Some((reward, discounts[n], row + n as u64))
    }

    fn gather(&self, row: u64, next: u64, s: &mut Scratch) {
        let (at, next) = (self.at(row), self.at(next));
        let d = self.obs_dim;
        match &self.obs {
            ObsColumn::F32(column) => {
                s.obs.extend_from_slice(&column[at * d..(at + 1) * d]);
                s.next_obs.extend_from_slice(&column[next * d..(next + 1) * d]);
            }
            ObsColumn::U8(column) => {
                s.obs_u8.extend_from_slice(&column[at * d..(at + 1) * d]);
                s.next_obs_u8.extend_from_slice(&column[next * d..(next + 1) * d]);
            }
        }
        match &self.action {
            ActionColumn::Discrete(column) => s.choice.push(i64::from(column[at])),
            ActionColumn::Continuous(column) => {
                let a = self.action_dim;
                s.action.extend_from_slice(&column[at * a..(at + 1) * a]);
            }
        }
    }

    /// Only the rows held are saved, in storage order.
    fn save(&self, i: usize) -> Vec<(String, Saved<'_>)> {
        let n = self.held();
        let name = |column: &str| format!("env_{i}/{column}");
        let obs = match &self.obs {
            ObsColumn::F32(v) => Saved::f32(&[n, self.obs_dim], &v[..n * self.obs_dim]),
            ObsColumn::U8(v) => Saved::u8(&[n, self.obs_dim], &v[..n * self.obs_dim]),
        };
        let action = match &self.action {
            ActionColumn::Discrete(v) => Saved::u32(&[n], &v[..n]),
            ActionColumn::Continuous(v) => {
                Saved::f32(&[n, self.action_dim], &v[..n * self.action_dim])
            }
        };
        vec![
            (name("obs"), obs),
            (name("action"), action),
            (name("reward"), Saved::f32(&[n], &self.reward[..n])),
            (name("flags"), Saved::u8(&[n], &self.flags[..n])),
        ]
    }

    fn load(&mut self, i: usize, written: u64, file: &TensorFile) -> Result<(), String> {
        self.written = written;
        let n = self.held();
        let name = |column: &str| format!("env_{i}/{column}");
        match &mut self.obs {
            ObsColumn::F32(v) => file.read_f32(&name("obs"), &mut v[..n * self.obs_dim])?,
            ObsColumn::U8(v) => file.read_u8(&name("obs"), &mut v[..n * self.obs_dim])?,
        }
        match &mut self.action {
            ActionColumn::Discrete(v) => file.read_u32(&name("action"), &mut v[..n])?,
            ActionColumn::Continuous(v) => {
                file.read_f32(&name("action"), &mut v[..n * self.action_dim])?;
            }
        }
        file.read_f32(&name("reward"), &mut self.reward[..n])?;
        file.read_u8(&name("flags"), &mut self.flags[..n])
    }
}
