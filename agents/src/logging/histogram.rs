//! Many numbers as a few counts.

use serde::{Deserialize, Serialize};

/// Most buckets of a [`Histogram`]: what TensorBoard draws.
const BUCKETS: usize = 30;

/// How many values lie where.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// `[N + 1]` ends of the `N` buckets, ascending: the smallest value first, the largest last.
    /// Empty where there was no value.
    pub edges: Vec<f64>,
    /// `[N]` values in each; one that lies on an edge counts above it, the largest below.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// Values in 30 buckets of equal width, or in one without width if all are equal. What is not
    /// finite is left out.
    pub fn of(values: &[f32]) -> Histogram {
        let finite = || values.iter().map(|v| f64::from(*v)).filter(|v| v.is_finite());
        let (low, high) =
            (finite().fold(f64::INFINITY, f64::min), finite().fold(-f64::INFINITY, f64::max));
        if low > high {
            return Histogram::default();
        }
        let n = if low < high { BUCKETS } else { 1 };
        // An f64 has room for thirty steps between any two f32, so that edges differ.
        let mut edges: Vec<f64> =
            (0..n).map(|i| low + (high - low) * (i as f64 / n as f64)).collect();
        edges.push(high);
        let mut counts = vec![0; n];
        for value in finite() {
            counts[edges[1..n].partition_point(|edge| *edge <= value)] += 1;
        }
        Histogram { edges, counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(values: &[f32]) {
        let Histogram { edges, counts } = Histogram::of(values);
        let finite: Vec<f64> =
            values.iter().filter(|v| v.is_finite()).map(|v| f64::from(*v)).collect();
        assert_eq!(counts.iter().sum::<u64>(), finite.len() as u64);
        if finite.is_empty() {
            assert!(edges.is_empty());
            return;
        }
        let (low, high) = (edges[0], *edges.last().unwrap());
        assert!(finite.contains(&low) && finite.contains(&high));
        assert!(finite.iter().all(|v| (low..=high).contains(v)));
        assert_eq!(edges.len(), counts.len() + 1);
        if low == high {
            assert_eq!(counts, [finite.len() as u64]);
            return;
        }
        assert_eq!(counts.len(), BUCKETS);
        let width = (high - low) / BUCKETS as f64;
        for (i, pair) in edges.windows(2).enumerate() {
            assert!(pair[0] < pair[1], "{edges:?}");
            assert!((pair[1] - pair[0] - width).abs() < 1e-9 * low.abs().max(high.abs()));
            let last = i + 1 == BUCKETS;
            let inside = |v: &&f64| **v >= pair[0] && (**v < pair[1] || last && **v == high);
            assert_eq!(counts[i], finite.iter().filter(inside).count() as u64, "bucket {i}");
        }
    }

    proptest! {
        #[test]
        fn every_finite_value_is_counted_where_it_lies(
            values in prop::collection::vec(any::<f32>(), 0..200),
            scaled in prop::collection::vec(-3.0f32..3.0, 0..200),
        ) {
            check(&values);
            check(&scaled);
        }
    }

    #[test]
    fn corners() {
        check(&[]);
        check(&[f32::NAN, f32::INFINITY, -f32::INFINITY]);
        check(&[0.1, f32::NAN, 0.1]);
        check(&[f32::MIN, f32::MAX]);
        check(&[1.0, 1.0f32.next_up()]);
        check(&[0.0, f32::from_bits(1)]);
        let grid: Vec<f32> = (0..=30).map(|i| i as f32).collect();
        let want: Vec<u64> = [vec![1; 29], vec![2]].concat();
        assert_eq!(Histogram::of(&grid).counts, want, "an edge belongs to the bucket above it");
    }
}
