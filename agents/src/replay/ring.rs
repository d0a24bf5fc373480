//! One environment's part of the replay: columns of rows in a ring.
//!
//! Where observations are stacks of `k` frames, a row holds the newest frame alone. The others are
//! those of the rows before it, back to the first row of the episode, whose frame stands for all that
//! there would be before it.

mod saved;
mod sequence;
mod steps;

use std::{collections::VecDeque, ops::Range};

use envs::{Action, ActionSpace, Actions, Dtype, EnvSpec};

use crate::experience::Row;

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
    pub(crate) between: Vec<f32>,
    pub(crate) between_u8: Vec<u8>,
    pub(crate) between_discount: Vec<f32>,
    pub(crate) mask: Vec<f32>,
    pub(crate) rows: Vec<Row>,
}

impl Scratch {
    pub(crate) fn clear(&mut self) {
        let Scratch {
            obs,
            next_obs,
            action,
            reward,
            discount,
            between,
            between_discount,
            mask,
            ..
        } = self;
        for v in [obs, next_obs, action, reward, discount, between, between_discount, mask] {
            v.clear();
        }
        for v in [&mut self.obs_u8, &mut self.next_obs_u8, &mut self.between_u8] {
            v.clear();
        }
        self.choice.clear();
        self.rows.clear();
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
    /// Of a stack, oldest first.
    frames: usize,
    /// Components of one frame; of the whole observation where there is no stack.
    frame_dim: usize,
    action_dim: usize,
    obs: ObsColumn,
    action: ActionColumn,
    reward: Vec<f32>,
    flags: Vec<u8>,
    /// Rows that never get an action, oldest first: the last observations of episodes. It follows
    /// from the flags and is not saved.
    idle: VecDeque<u64>,
}

impl Ring {
    pub(crate) fn new(spec: &EnvSpec, rows: usize) -> Self {
        let frames = spec.obs.frames;
        let frame_dim = spec.obs.size() / frames;
        let action_dim = match &spec.action {
            ActionSpace::Discrete(_) => 1,
            ActionSpace::Box { low, .. } => low.len(),
        };
        Ring {
            rows,
            written: 0,
            frames,
            frame_dim,
            action_dim,
            obs: match spec.obs.dtype {
                Dtype::F32 => ObsColumn::F32(vec![0.0; rows * frame_dim]),
                Dtype::U8 => ObsColumn::U8(vec![0; rows * frame_dim]),
            },
            action: match &spec.action {
                ActionSpace::Discrete(_) => ActionColumn::Discrete(vec![0; rows]),
                ActionSpace::Box { .. } => ActionColumn::Continuous(vec![0.0; rows * action_dim]),
            },
            reward: vec![0.0; rows],
            flags: vec![0; rows],
            idle: VecDeque::new(),
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn held(&self) -> usize {
        self.written.min(self.rows as u64) as usize
    }

    pub(crate) fn oldest(&self) -> u64 {
        self.written - self.held() as u64
    }

    pub(crate) fn indices(&self) -> Range<u64> {
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
        self.frame_dim * obs + self.action_dim * 4 + 4 + 1
    }

    /// Where a row's frame is in its column.
    fn span(&self, row: u64) -> Range<usize> {
        let at = self.at(row) * self.frame_dim;
        at..at + self.frame_dim
    }

    /// The rows whose frames make up the observation of `row`, oldest first, or `None` if some of them
    /// were forgotten.
    fn stack(&self, row: u64) -> Option<impl Iterator<Item = u64> + use<>> {
        let (mut first, oldest, frames) = (row, self.oldest(), self.frames as u64);
        while row - first + 1 < frames {
            // What came before the oldest row is unknown, unless there was nothing.
            if first == oldest && oldest > 0 {
                return None;
            }
            if first == 0 || self.flags(first - 1) & ACTED == 0 {
                break; // the episode begins
            }
            first -= 1;
        }
        Some((0..frames).map(move |i| (row + 1 + i).saturating_sub(frames).max(first)))
    }

    /// Appends a row with an observation and no action yet.
    pub(crate) fn open_row(&mut self, obs: &[f32]) {
        if self.written > 0 && self.flags(self.written - 1) & ACTED == 0 {
            self.idle.push_back(self.written - 1);
        }
        let at = self.at(self.written);
        let span = self.span(self.written);
        let obs = &obs[obs.len() - self.frame_dim..]; // the newest frame
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
        let oldest = self.oldest();
        while self.idle.front().is_some_and(|&row| row < oldest) {
            self.idle.pop_front();
        }
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
        let Some(rows) = self.stack(self.written - 1) else { return false };
        let mut frames = rows.zip(obs.chunks_exact(self.frame_dim));
        frames.all(|(row, obs)| match &self.obs {
            ObsColumn::F32(column) => column[self.span(row)] == *obs,
            ObsColumn::U8(column) => {
                column[self.span(row)].iter().zip(obs).all(|(&b, &x)| f32::from(b) == x)
            }
        })
    }

    /// The environment restarted in the middle of an episode (a resume without environment state):
    /// the last step becomes a truncation, if it was none and did not end the episode.
    pub(crate) fn cut(&mut self) -> bool {
        if self.held() < 2 {
            return false;
        }
        let at = self.at(self.written - 2);
        let open = self.flags[at] == ACTED;
        if open {
            self.flags[at] |= TRUNCATED;
        }
        open
    }

    /// Adds the observations of both rows and the action of the first one to `s`, or nothing if a frame
    /// of theirs was forgotten.
    pub(crate) fn gather(&self, row: u64, next: u64, s: &mut Scratch) -> bool {
        let (Some(rows), Some(next_rows)) = (self.stack(row), self.stack(next)) else {
            return false;
        };
        self.add_frames(rows, &mut s.obs, &mut s.obs_u8);
        self.add_frames(next_rows, &mut s.next_obs, &mut s.next_obs_u8);
        self.add_action(row, s);
        true
    }

    /// Adds the frames of `rows` to the buffer of their element type.
    fn add_frames(
        &self,
        rows: impl Iterator<Item = u64>,
        floats: &mut Vec<f32>,
        bytes: &mut Vec<u8>,
    ) {
        match &self.obs {
            ObsColumn::F32(v) => rows.for_each(|r| floats.extend_from_slice(&v[self.span(r)])),
            ObsColumn::U8(v) => rows.for_each(|r| bytes.extend_from_slice(&v[self.span(r)])),
        }
    }

    fn add_action(&self, row: u64, s: &mut Scratch) {
        let at = self.at(row);
        match &self.action {
            ActionColumn::Discrete(column) => s.choice.push(i64::from(column[at])),
            ActionColumn::Continuous(column) => {
                let a = self.action_dim;
                s.action.extend_from_slice(&column[at * a..(at + 1) * a]);
            }
        }
    }

    /// Adds what lies between `row` and `next`, for `n` steps: an episode that ended earlier is filled up with its
    /// last observation and discounts of 0. `gather` has found the frames of `row`, so those after it are there.
    pub(crate) fn gather_between(&self, row: u64, next: u64, discounts: &[f32], s: &mut Scratch) {
        for (k, &gamma_k) in (1..).zip(&discounts[1..discounts.len() - 1]) {
            let rows = self.stack((row + k).min(next)).into_iter().flatten();
            self.add_frames(rows, &mut s.between, &mut s.between_u8);
            s.between_discount.push(if row + k < next { gamma_k } else { 0.0 });
        }
    }
}
