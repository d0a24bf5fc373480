//! Softmax of a row.

use std::cell::Cell;

use super::simd::{Isa, Kernel, LANES, Lanes, Real, math};

/// `probs = softmax(logits)`; gives `log sum exp(logits)`.
///
/// # Panics
/// If they differ in length.
pub fn softmax_row<T: Real>(isa: Isa, logits: &[Cell<T>], probs: &[Cell<T>]) -> T {
    assert_eq!(logits.len(), probs.len(), "a probability for every logit");
    let logits_at = logits.as_ptr().cast::<T>();
    // `Cell` allows writing through a shared reference.
    let probs_at = probs.as_ptr().cast::<T>().cast_mut();
    isa.run(Softmax { logits: logits_at, probs: probs_at, n: logits.len() })
}

struct Softmax<T> {
    logits: *const T,
    probs: *mut T,
    n: usize,
}

impl<T: Real> Kernel<T> for Softmax<T> {
    type Output = T;

    #[inline(always)]
    fn run<L: Lanes<T>>(self) -> T {
        // SAFETY: `n` numbers each.
        unsafe {
            let mut largest = *self.logits;
            for i in 1..self.n {
                let x = *self.logits.add(i);
                // In this order NaN stays NaN, and becomes the result's.
                largest = if largest > x { largest } else { x };
            }
            let shift = L::splat(largest);
            let mut sum = L::splat(T::of(0.0));
            for c in (0..self.n).step_by(LANES) {
                let n = (self.n - c).min(LANES);
                let e = math::exp(L::load_first(self.logits.add(c), n).sub(shift));
                e.store_first(self.probs.add(c), n);
                sum = sum.add(L::load_first(self.probs.add(c), n));
            }
            let sum = sum.sum();
            let factor = L::splat(T::of(1.0) / sum);
            for c in (0..self.n).step_by(LANES) {
                let n = (self.n - c).min(LANES);
                L::load_first(self.probs.add(c), n).mul(factor).store_first(self.probs.add(c), n);
            }
            largest + math::log(sum)
        }
    }
}
