//! Several steps of one episode in a row.

use super::{ACTED, ActionColumn, Ring, Scratch, TERMINATED};

impl Ring {
    /// Adds `steps` steps from `row` on: `steps + 1` observations, and for each step its action,
    /// reward, discount and a mask of 1; or nothing if `row` has no action or lost its frames.
    ///
    /// A sequence stops where the episode does, and where the newest step is. The steps after that
    /// are the last observation again, with zeros for everything else.
    pub(crate) fn gather_sequence(
        &self,
        row: u64,
        steps: usize,
        gamma: f32,
        s: &mut Scratch,
    ) -> bool {
        if self.flags(row) & ACTED == 0 || self.stack(row).is_none() {
            return false;
        }
        let mut here = row;
        for _ in 0..steps {
            self.add_frames(self.stack(here).into_iter().flatten(), &mut s.obs, &mut s.obs_u8);
            let flags = self.flags(here);
            if flags & ACTED == 0 {
                match self.action {
                    ActionColumn::Discrete(_) => s.choice.push(0),
                    ActionColumn::Continuous(_) => {
                        s.action.extend(std::iter::repeat_n(0.0, self.action_dim));
                    }
                }
                for column in [&mut s.reward, &mut s.discount, &mut s.mask] {
                    column.push(0.0);
                }
                continue;
            }
            self.add_action(here, s);
            s.reward.push(self.reward[self.at(here)]);
            s.discount.push(if flags & TERMINATED != 0 { 0.0 } else { gamma });
            s.mask.push(1.0);
            here += 1; // at the end of an episode, a row without an action
        }
        self.add_frames(self.stack(here).into_iter().flatten(), &mut s.obs, &mut s.obs_u8);
        true
    }
}
