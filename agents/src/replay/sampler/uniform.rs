//! Every transition alike, with replacement.

use networks::random::Rng;
use rand::RngExt;

use super::scheme::Scheme;
use crate::replay::ring::Ring;

/// The scheme of `kind = "uniform"`.
pub(in crate::replay) struct Uniform;

impl Scheme for Uniform {
    fn propose(&mut self, rings: &[Ring], _k: usize, _batch: usize, rng: &mut Rng) -> (usize, u64) {
        row(rings, rng)
    }
}

/// A row of any kind.
pub(super) fn row(rings: &[Ring], rng: &mut Rng) -> (usize, u64) {
    let total: usize = rings.iter().map(Ring::held).sum();
    let mut index = rng.random_range(0..total);
    let (env, ring) = rings
        .iter()
        .enumerate()
        .find(|(_, r)| {
            let inside = index < r.held();
            index -= if inside { 0 } else { r.held() };
            inside
        })
        .expect("index below the sum of rows");
    (env, ring.oldest() + index as u64)
}
