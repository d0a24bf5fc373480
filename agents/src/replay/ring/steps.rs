//! What follows from the order of a ring's rows: n-step returns, the age of a transition, and when one can
//! be drawn.

use std::ops::Range;

use super::{ACTED, Ring, TERMINATED, TRUNCATED};

impl Ring {
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

    /// Steps of this environment after the one from `row`, which has an action: 0 for the newest.
    pub(crate) fn steps_since(&self, row: u64) -> u64 {
        let idle = self.idle.len() - self.idle.partition_point(|&i| i <= row);
        let open = self.flags(self.written - 1) & ACTED == 0;
        self.written - 1 - row - idle as u64 - u64::from(open)
    }

    /// The rows whose transitions of `n` steps the newest step completed. To be asked after the row
    /// behind that step was opened and before another one is.
    pub(crate) fn completed(&self, n: u64) -> Range<u64> {
        let last = self.written - 2;
        let begin = self.idle.back().map_or(0, |&row| row + 1).max(self.oldest());
        let first = (last + 1).saturating_sub(n);
        if self.flags(last) & (TERMINATED | TRUNCATED) != 0 {
            return first.max(begin)..last + 1; // the end completes shorter ones too
        }
        if first >= begin && last + 1 >= n { first..first + 1 } else { 0..0 }
    }

    /// Rows still held whose stack of frames is not: the oldest ones.
    pub(crate) fn beheaded(&self) -> impl Iterator<Item = u64> {
        let oldest = self.oldest();
        let end = (oldest + self.frames as u64 - 1).min(self.written);
        (oldest..end).filter(|&row| self.stack(row).is_none())
    }

    /// Whether `row` starts a transition that can be drawn.
    pub(crate) fn is_drawable(&self, row: u64, discounts: &[f32]) -> bool {
        self.n_step(row, discounts).is_some() && self.stack(row).is_some()
    }
}
