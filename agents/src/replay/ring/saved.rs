//! The columns of a ring in a checkpoint.

use super::{ACTED, ActionColumn, ObsColumn, Ring};
use crate::storage::tensor_file::{Saved, TensorFile};

impl Ring {
    /// Only the rows held are saved, in storage order.
    pub(crate) fn save(&self, i: usize) -> Vec<(String, Saved<'_>)> {
        let n = self.held();
        let name = |column: &str| format!("env_{i}/{column}");
        let obs = match &self.obs {
            ObsColumn::F32(v) => Saved::f32(&[n, self.frame_dim], &v[..n * self.frame_dim]),
            ObsColumn::U8(v) => Saved::u8(&[n, self.frame_dim], &v[..n * self.frame_dim]),
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
            ObsColumn::F32(v) => file.read_f32(&name("obs"), &mut v[..n * self.frame_dim])?,
            ObsColumn::U8(v) => file.read_u8(&name("obs"), &mut v[..n * self.frame_dim])?,
        }
        match &mut self.action {
            ActionColumn::Discrete(v) => file.read_u32(&name("action"), &mut v[..n])?,
            ActionColumn::Continuous(v) => {
                file.read_f32(&name("action"), &mut v[..n * self.action_dim])?;
            }
        }
        file.read_f32(&name("reward"), &mut self.reward[..n])?;
        file.read_u8(&name("flags"), &mut self.flags[..n])?;
        let newest = self.written.saturating_sub(1);
        let idle = self.indices().filter(|&row| row < newest && self.flags(row) & ACTED == 0);
        self.idle = idle.collect();
        Ok(())
    }
}
