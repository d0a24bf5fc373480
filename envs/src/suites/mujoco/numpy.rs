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

#[cfg(test)]
mod tests {
    use super::sum;

    /// `numpy.sum(numpy.sqrt(1 / numpy.arange(1, n + 1)))` of `NumPy` 2.4.6.
    #[test]
    fn sums_are_numpys_bit_for_bit() {
        for (n, bits) in [
            (0, 0x0),
            (7, 0x4010_1250_0749_2efd),
            (8, 0x4011_7c59_edb1_22ba),
            (20, 0x401e_618a_8889_9913),
            (128, 0x4035_3613_07f3_2ef7),
            (129, 0x4035_4c9d_2774_0610),
            (300, 0x4040_9ad1_96b0_37b4),
            (1000, 0x404e_e687_7489_43b7),
        ] {
            let numbers: Vec<f64> = (1..=n).map(|i| (1.0 / f64::from(i)).sqrt()).collect();
            assert_eq!(sum(&numbers, |x| x).to_bits(), bits, "{n} numbers");
        }
    }
}
