//! One environment's part of the replay: columns of rows in a ring.

use envs::{Action, ActionSpace, Actions, Dtype, EnvSpec};

use crate::tensor_file::{Saved, TensorFile};

/// The row has an action: it starts a transition.
pub(crate) const ACTED: u8 = 1;
/// That transition ended the episode for good.
pub(crate) const TERMINATED: u8 = 2;
/// That transition was the last one for an outside reason.
pub(crate) const TRUNCATED: u8 = 4;

/// Buffers reused between samples.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) obs: Vec<f32>,
    pub(crate) next_obs: Vec<f32>,
    pub(crate) obs_u8: Vec<u8>,
    pub(crate) next_obs_u8: Vec<u8>,
    pub(crate) action: Vec<f32>,
    pub(crate) choice: Vec<i64>,
    pub(crate) reward: Vec<f32>,
    pub(crate) discount: Vec<f32>,
}

impl Scratch {
    pub(crate) fn clear(&mut self) {
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
pub(crate) struct Ring {
    rows: usize,
    pub(crate) written: u64,
    obs_dim: usize,
    action_dim: usize,
    obs: ObsColumn,
    action: ActionColumn,
    reward: Vec<f32>,
    flags: Vec<u8>,
}

impl Ring {
    pub(crate) fn new(spec: &EnvSpec, rows: usize) -> Self {
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

    pub(crate) fn held(&self) -> usize {
        self.written.min(self.rows as u64) as usize
    }

    pub(crate) fn oldest(&self) -> u64 {
        self.written - self.held() as u64
    }

    pub(crate) fn indices(&self) -> std::ops::Range<u64> {
        self.oldest()..self.written
    }

    pub(crate) fn at(&self, row: u64) -> usize {
        (row % self.rows as u64) as usize
    }

    pub(crate) fn flags(&self, row: u64) -> u8 {
        self.flags[self.at(row)]
    }

    pub(crate) fn row_bytes(&self) -> usize {
        let obs = match self.obs {
            ObsColumn::F32(_) => 4,
            ObsColumn::U8(_) => 1,
        };
        self.obs_dim * obs + self.action_dim * 4 + 4 + 1
    }

    /// Appends a row with an observation and no action yet.
    pub(crate) fn open_row(&mut self, obs: &[f32]) {
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
    pub(crate) fn close_row(&mut self, actions: &Actions, i: usize, reward: f32, flags: u8) {
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
    pub(crate) fn continues_with(&self, obs: &[f32]) -> bool {
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
    pub(crate) fn cut(&mut self) {
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
    pub(crate) fn n_step(&self, row: u64, discounts: &[f32]) -> Option<(f32, f32, u64)> {
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

    pub(crate) fn gather(&self, row: u64, next: u64, s: &mut Scratch) {
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
    pub(crate) fn save(&self, i: usize) -> Vec<(String, Saved<'_>)> {
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

    pub(crate) fn load(&mut self, i: usize, written: u64, file: &TensorFile) -> Result<(), String> {
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
