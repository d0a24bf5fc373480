//! Axes: where values are, and how they are written.

/// A linear axis.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::report) struct Scale {
    /// The value at its start.
    pub(in crate::report) low: f64,
    /// The value at its end.
    pub(in crate::report) high: f64,
    /// Values with a label, in order, inside.
    pub(in crate::report) ticks: Vec<f64>,
    step: f64,
}

impl Scale {
    /// From `low` to `high` exactly, with about `count` round ticks.
    pub(in crate::report) fn exact(low: f64, high: f64, count: usize) -> Scale {
        let (low, high) = if high > low { (low, high) } else { widened(low) };
        let step = round_step((high - low) / count.max(1) as f64);
        let (first, last) =
            ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
        Scale { low, high, ticks: (first..=last).map(|i| i as f64 * step).collect(), step }
    }

    /// Around all finite `values`, with some room; from 0 to 1 without any.
    pub(in crate::report) fn around(values: impl IntoIterator<Item = f64>, count: usize) -> Scale {
        let finite = values.into_iter().filter(|v| v.is_finite());
        let (low, high) =
            finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        if low > high {
            return Scale::exact(0.0, 1.0, count);
        }
        let room = 0.04 * (high - low);
        // Errors and returns that are never negative get an axis that is not either.
        let start = if low >= 0.0 { (low - room).max(0.0) } else { low - room };
        Scale::exact(start, high + room, count)
    }

    /// Where `value` is, from 0 to 1.
    pub(in crate::report) fn share(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// A tick as it is written: `0.25`, `150`, `20k`, `1.5M`.
    pub(in crate::report) fn label(&self, tick: f64) -> String {
        let largest = self.low.abs().max(self.high.abs());
        let (unit, suffix) = match largest {
            l if l >= 1e9 => (1e9, "G"),
            l if l >= 1e6 => (1e6, "M"),
            l if l >= 1e4 => (1e3, "k"),
            _ => (1.0, ""),
        };
        if tick == 0.0 {
            return "0".to_owned();
        }
        if largest < 1e-4 {
            return format!("{tick:.1e}");
        }
        format!("{}{suffix}", minus(&format!("{:.*}", decimals(self.step / unit), tick / unit)))
    }
}

fn widened(value: f64) -> (f64, f64) {
    let half = if value == 0.0 { 0.5 } else { 0.1 * value.abs() };
    (value - half, value + half)
}

/// The smallest of 1, 2, 2.5, 5 times a power of ten that is not below `least`.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0]
        .map(|m| m * power)
        .into_iter()
        .find(|s| *s >= least * (1.0 - 1e-9))
        .unwrap_or(power)
}

/// Places behind the point that tell multiples of `step` apart.
fn decimals(step: f64) -> usize {
    (0..6).find(|d| ((step * 10f64.powi(*d)).fract() - 0.5).abs() > 0.499).unwrap_or(6) as usize
}

/// With a minus instead of a hyphen.
pub(in crate::report) fn minus(number: &str) -> String {
    number.replacen('-', "\u{2212}", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale) -> Vec<String> {
        scale.ticks.iter().map(|t| scale.label(*t)).collect()
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(labels(&Scale::exact(0.0, 400_000.0, 5)), ["0", "100k", "200k", "300k", "400k"]);
        assert_eq!(labels(&Scale::exact(0.0, 1.0, 5)), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&Scale::exact(-1.0, 1.0, 4)), ["−1.0", "−0.5", "0", "0.5", "1.0"]);
        assert_eq!(
            labels(&Scale::exact(0.0, 10.0, 4)),
            ["0.0", "2.5", "5.0", "7.5", "10.0"].map(|l| if l == "0.0" { "0" } else { l })
        );
        assert_eq!(
            labels(&Scale::exact(0.0, 2.5e6, 5)),
            ["0", "0.5M", "1.0M", "1.5M", "2.0M", "2.5M"]
        );
    }

    #[test]
    fn one_value_or_none_has_an_axis_too() {
        for scale in
            [Scale::around([3.0, 3.0], 5), Scale::around([], 5), Scale::around([f64::NAN, 0.0], 5)]
        {
            assert!(scale.high > scale.low && scale.ticks.len() > 1, "{scale:?}");
        }
        assert!(Scale::around([0.0, 10.0], 5).low == 0.0, "room below zero where nothing is");
        assert!(Scale::around([-1.0, 10.0], 5).low < -1.0);
    }
}
