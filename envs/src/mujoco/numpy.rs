//! Sums in `NumPy`'s order, so that rewards are bitwise those of Gymnasium.

use std::ops::Add;

/// `numpy.sum` of what `map` makes of contiguous numbers (`pairwise_sum` in its
/// `loops_utils.h.src`): eight partial sums side by side, halves above 128 numbers.
pub(crate) fn sum<T: Copy + Default + Add<Output = T>>(
    numbers: &[T],
    map: impl Fn(T) -> T + Copy,
) -> T {
    if numbers.len() > 128 {
        let half = numbers.len() / 2;
        let (first, second) = numbers.split_at(half - half % 8);
        return sum(first, map) + sum(second, map);
    }
    let (eights, rest) = numbers.as_chunks::<8>();
    let Some((first, eights)) = eights.split_first() else {
        return rest.iter().fold(T::default(), |sum, &x| sum + map(x));
    };
    let mut r = first.map(map);
    for chunk in eights {
        for (r, &x) in r.iter_mut().zip(chunk) {
            *r = *r + map(x);
        }
    }
    let sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
    rest.iter().fold(sum, |sum, &x| sum + map(x))
}
