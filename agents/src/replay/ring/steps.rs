//! What follows from the order of a ring's rows: the age of a transition, and when one can be drawn.

use std::ops::Range;

use super::{ACTED, Ring, TERMINATED, TRUNCATED};

impl Ring {
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
