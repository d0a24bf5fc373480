//! Random numbers as a function of where they are used, so that none depends on what was drawn
//! before.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Who draws; the numbers are part of every published result with them.
#[derive(Clone, Copy)]
pub(super) enum Use {
    PermuteObs = 1,
    MaskObs = 2,
    ShiftObs = 3,
    RemapActions = 4,
    Walk = 5,
    Noise = 6,
}

/// A generator whose key is all three numbers: one of its own for each.
pub(super) fn rng(of: Use, seed: u64, index: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (bytes, number) in key.chunks_exact_mut(8).zip([of as u64, seed, index]) {
        bytes.copy_from_slice(&number.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}
