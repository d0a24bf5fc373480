//! What a way of choosing transitions has to say.

use networks::random::Rng;

use crate::{
    experience::Row,
    replay::ring::Ring,
    storage::tensor_file::{Saved, TensorFile},
};

/// A way of choosing transitions. Rows are named by environment and number; a transition can be drawn
/// from [`Scheme::complete`] to [`Scheme::forget`].
pub(in crate::replay) trait Scheme: Send {
    /// Environment and row of the `k`-th of `batch` transitions. Replay asks again when no whole
    /// transition starts there.
    fn propose(&mut self, rings: &[Ring], k: usize, batch: usize, rng: &mut Rng) -> (usize, u64);

    /// Importance weights of rows drawn after `update` updates, the largest of them 1; none if all
    /// count alike.
    fn weights(&self, _rows: &[Row], _update: u64) -> Option<Vec<f32>> {
        None
    }

    /// A transition can be drawn from now on; it may be told again.
    fn complete(&mut self, _env: usize, _row: u64) {}

    /// Whatever is where this row is or will be cannot be drawn any more.
    fn forget(&mut self, _env: usize, _row: u64) {}

    /// The error that an update found for a row that is still held.
    fn report(&mut self, _env: usize, _row: u64, _error: f64) {}

    /// Forgets everything.
    fn clear(&mut self) {}

    /// What a checkpoint needs, where each environment holds so many rows.
    fn save(&self, _held: &[usize]) -> Vec<(String, Saved<'_>)> {
        Vec::new()
    }

    /// Reverse of [`Scheme::save`].
    ///
    /// # Errors
    /// When an array is missing or does not fit.
    fn load(&mut self, _held: &[usize], _file: &TensorFile) -> Result<(), String> {
        Ok(())
    }
}
