//! [`tolerance`], which most rewards of the suite are made of.

/// How a reward falls off beyond its bounds. The number is what it has fallen to at the margin.
#[derive(Clone, Copy)]
pub(super) enum Sigmoid {
    Gaussian(f64),
    /// Reaches zero, unless that is beyond the margin.
    Linear(f64),
    /// Reaches zero, as a parabola does.
    Quadratic(f64),
    /// Falls as one over the distance.
    Reciprocal(f64),
}

impl Sigmoid {
    /// `distance` in margins.
    fn at(self, distance: f64) -> f64 {
        match self {
            Self::Gaussian(value) => {
                let scaled = distance * (-2.0 * value.ln()).sqrt();
                (-0.5 * (scaled * scaled)).exp()
            }
            Self::Linear(value) => {
                let scaled = distance * (1.0 - value);
                if scaled.abs() < 1.0 { 1.0 - scaled } else { 0.0 }
            }
            Self::Quadratic(value) => {
                let scaled = distance * (1.0 - value).sqrt();
                if scaled.abs() < 1.0 { 1.0 - scaled * scaled } else { 0.0 }
            }
            Self::Reciprocal(value) => 1.0 / (distance.abs() * (1.0 / value - 1.0) + 1.0),
        }
    }
}

/// The usual one.
pub(super) const GAUSSIAN: Sigmoid = Sigmoid::Gaussian(0.1);

/// One between the bounds, which are part of it; beyond them it falls towards zero over `margin`.
/// `dm_control/utils/rewards.py`.
pub(super) fn tolerance(x: f64, [low, high]: [f64; 2], margin: f64, sigmoid: Sigmoid) -> f64 {
    if low <= x && x <= high {
        return 1.0;
    }
    sigmoid.at(if x < low { low - x } else { x - high } / margin)
}

/// [`tolerance`] without a margin: one or zero.
pub(super) fn within(x: f64, [low, high]: [f64; 2]) -> f64 {
    if low <= x && x <= high { 1.0 } else { 0.0 }
}

/// Mean of one for no control that falls to zero for a full one.
pub(super) fn small_controls(controls: &[f64]) -> f64 {
    let one = |control| tolerance(control, [0.0; 2], 1.0, Sigmoid::Quadratic(0.0));
    crate::suites::mujoco::numpy::sum(controls, one) / controls.len() as f64
}

#[cfg(test)]
mod tests {
    use super::{GAUSSIAN, Sigmoid, tolerance, within};

    const INF: f64 = f64::INFINITY;

    /// `dm_control.utils.rewards.tolerance` of `dm_control` 1.0.50.
    #[test]
    fn rewards_are_dm_controls() {
        let cases = [
            (0.3, [0.0, 0.0], 2.0, GAUSSIAN, 0.949_510_999_202_198_2),
            (-1.7, [0.0, 0.5], 2.0, GAUSSIAN, 0.189_452_351_435_659_2),
            (1.9, [2.0, INF], 1.0, Sigmoid::Linear(0.5), 0.95),
            (0.1, [2.0, INF], 1.0, Sigmoid::Linear(0.5), 0.050_000_000_000_000_044),
            (-1.0, [2.0, INF], 1.0, Sigmoid::Linear(0.5), 0.0),
            (4.0, [10.0, INF], 10.0, Sigmoid::Linear(0.0), 0.4),
            (70.0, [123.0, INF], 123.0, Sigmoid::Linear(0.9), 0.956_910_569_105_691_1),
            (-0.3, [0.0, 0.0], 1.0, Sigmoid::Quadratic(0.0), 0.91),
            (1.2, [0.0, 0.0], 1.0, Sigmoid::Quadratic(0.0), 0.0),
            (0.9, [0.0, 0.25], 2.0, Sigmoid::Reciprocal(0.1), 0.254_777_070_063_694_27),
            (0.25, [0.0, 0.25], 2.0, Sigmoid::Reciprocal(0.1), 1.0),
        ];
        for (x, bounds, margin, sigmoid, expected) in cases {
            let ours = tolerance(x, bounds, margin, sigmoid);
            assert!((ours - expected).abs() <= 1e-15, "{x} in {bounds:?}: {ours}, not {expected}");
        }
        for (x, expected) in [(0.5, 0.0), (0.6, 1.0), (0.7, 1.0), (2.0, 1.0), (2.1, 0.0)] {
            assert_eq!(within(x, [0.6, 2.0]), expected, "{x}");
        }
    }
}
