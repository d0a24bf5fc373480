//! Numbers as people read them, and what they mean.

use crate::{
    measures,
    score::Score,
    study::{Method, Study},
    summary::{Interval, Measure, Summary},
};

/// What an interval says about a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gain {
    /// All of it is better than no difference.
    Better,
    /// All of it is worse.
    Worse,
    /// It contains no difference, or there are too few seeds for one.
    Unsure,
}

impl Gain {
    /// The class of its elements.
    pub(super) fn class(self) -> &'static str {
        match self {
            Gain::Better => "better",
            Gain::Worse => "worse",
            Gain::Unsure => "unsure",
        }
    }

    /// A sign beside numbers, for those who see no colours.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Gain::Better => "▲",
            Gain::Worse => "▼",
            Gain::Unsure => "○",
        }
    }
}

/// What `value` says of a method, where `none` is no difference from the baseline.
pub(super) fn gain_of(study: &Study, method: usize, value: Interval, none: f64) -> Gain {
    match value {
        _ if shared_seeds(study, method) < 2 => Gain::Unsure,
        Interval { low, .. } if low > none => Gain::Better,
        Interval { high, .. } if high < none => Gain::Worse,
        _ => Gain::Unsure,
    }
}

/// The method that others are compared with.
pub(super) fn baseline(study: &Study) -> Option<&Method> {
    study.methods.iter().find(|m| m.baseline)
}

/// Seeds on which both this method and the baseline have a run.
pub(super) fn shared_seeds(study: &Study, method: usize) -> usize {
    let others = baseline(study).map_or(&[][..], |m| &m.runs);
    let has = |seed: u64| others.iter().any(|r| r.seed == seed && !r.curve.is_empty());
    study.methods[method].runs.iter().filter(|r| !r.curve.is_empty() && has(r.seed)).count()
}

/// Final performance of a method.
pub(super) fn end(summary: &Summary, method: usize) -> Option<Interval> {
    measure(summary, method, Measure::Final)
}

/// One measure of a method.
pub(super) fn measure(summary: &Summary, method: usize, wanted: Measure) -> Option<Interval> {
    let measures = &summary.methods.get(method)?.measures;
    measures.iter().find(|(m, _)| *m == wanted).and_then(|(_, value)| *value)
}

/// Final performance of each run of a method.
pub(super) fn ends(study: &Study, method: usize) -> Vec<f64> {
    let curves = study.methods[method].runs.iter().map(|r| r.curve.as_slice());
    curves
        .filter(|curve| !curve.is_empty())
        .map(|curve| measures::final_performance(curve, study.score.final_share))
        .filter(|end| end.is_finite())
        .collect()
}

/// `more is better` or its opposite.
pub(super) fn higher(score: &Score) -> &'static str {
    if score.lower_is_better { "less is better" } else { "more is better" }
}

/// Head of a column, and what it means.
pub(super) fn of_measure(measure: Measure) -> (&'static str, &'static str) {
    match measure {
        Measure::Average => ("average", "mean of the whole curve"),
        Measure::Final => ("final", "mean of the last part of the curve"),
        Measure::Iqm => (
            "IQM",
            "interquartile mean of normalised final performance: without the best and the worst quarter of seeds",
        ),
        Measure::OptimalityGap => (
            "optimality gap",
            "how far normalised final performance stays below 1, on the average; less is better",
        ),
        Measure::TaskEnds => {
            ("ends of tasks", "mean over the last part of each task after the first")
        }
        Measure::AllTasks => {
            ("all tasks", "mean performance on all tasks at the end of everything")
        }
        Measure::Recovery => (
            "recovery",
            "steps until, after a change, 90 % of the end of the task before is reached again; less is better, but an \
             agent that had learned nothing has soon recovered it",
        ),
        Measure::Slope => (
            "slope",
            "change per task of the performance at the ends of tasks; below 0, later tasks are learned less well",
        ),
        Measure::PlasticityGap => (
            "plasticity gap",
            "what a fresh agent has more than this one, as a mean over each task after the first; less is better",
        ),
        Measure::Forgetting => (
            "forgetting",
            "performance on a task when it was just learned less that at the end of everything (or, without such \
             evaluations, at the start of its next visit); less is better",
        ),
        Measure::BackwardTransfer => (
            "backward transfer",
            "performance on a task at the end of everything less that when it was just learned",
        ),
        Measure::ForwardTransfer => (
            "forward transfer",
            "(AUC − AUC of a fresh agent) / (1 − AUC of a fresh agent) of normalised curves, averaged over tasks",
        ),
    }
}

/// Places behind the point for numbers that stand together: four digits of the largest, three if it is
/// below 1.
pub(super) fn decimals(values: impl IntoIterator<Item = f64>) -> usize {
    let largest =
        values.into_iter().filter(|v| v.is_finite()).fold(0.0, |l: f64, v| l.max(v.abs()));
    if largest == 0.0 {
        return 1;
    }
    let magnitude = largest.log10().floor() as i64;
    if magnitude < 0 { (2 - magnitude).min(9) as usize } else { (3 - magnitude).max(0) as usize }
}

/// A number with so many places: `1 234.5`, `−0.25`; a dash if it is none.
pub(super) fn number(value: f64, places: usize) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let digits = format!("{:.places$}", value.abs());
    let negative = value < 0.0 && digits.bytes().any(|b| (b'1'..=b'9').contains(&b));
    let (whole, part) =
        digits.split_once('.').map_or((digits.as_str(), None), |(w, p)| (w, Some(p)));
    let part = part.map_or(String::new(), |p| format!(".{p}"));
    format!("{}{}{part}", if negative { "\u{2212}" } else { "" }, grouped(whole))
}

/// A difference: with its sign.
pub(super) fn signed(value: f64, places: usize) -> String {
    let text = number(value, places);
    if value > 0.0 && value.is_finite() { format!("+{text}") } else { text }
}

/// `266.3 [250.1, 280.0]`, or the number alone if there is no width.
pub(super) fn with_interval(value: Interval, places: usize) -> String {
    if value.low == value.high {
        return number(value.point, places);
    }
    format!("{} {}", number(value.point, places), bounds(value, places))
}

/// `[250.1, 280.0]`.
pub(super) fn bounds(value: Interval, places: usize) -> String {
    format!("[{}, {}]", number(value.low, places), number(value.high, places))
}

/// `400 000`.
pub(super) fn steps(count: u64) -> String {
    grouped(&count.to_string())
}

/// `1 seed`, `3 seeds`.
pub(super) fn count(n: usize, of: &str) -> String {
    format!("{n} {of}{}", if n == 1 { "" } else { "s" })
}

/// Digits in threes, with narrow spaces that do not break, from five digits on.
fn grouped(digits: &str) -> String {
    if digits.len() < 5 {
        return digits.to_owned();
    }
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|g| std::str::from_utf8(g).ok()).collect();
    groups.join("\u{202f}")
}

/// Seconds as `42 s`, `3 min 10 s`, `2 h 5 min`.
pub(super) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "–".to_owned();
    }
    let s = seconds.round().max(0.0) as u64;
    match s {
        0..60 if seconds < 9.95 => format!("{seconds:.1} s"),
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(number(1234.56, 1), "1234.6");
        assert_eq!(number(-1_234_567.0, 0), "−1\u{202f}234\u{202f}567");
        assert_eq!(number(-0.04, 1), "0.0");
        assert_eq!(number(f64::NAN, 1), "–");
        assert_eq!(signed(0.5, 2), "+0.50");
        assert_eq!(signed(-0.5, 2), "−0.50");
        assert_eq!(steps(400_000), "400\u{202f}000");
        assert_eq!([3.0, 75.4, 7500.0].map(duration), ["3.0 s", "1 min 15 s", "2 h 5 min"]);
    }

    #[test]
    fn places_fit_the_largest_number() {
        let places = [
            [266.3, 1.0],
            [62.0, 0.5],
            [0.612, 0.2],
            [0.0123, 0.0],
            [12_345.0, 1.0],
            [0.0, f64::NAN],
        ];
        assert_eq!(places.map(decimals), [1, 2, 3, 4, 0, 1]);
    }
}
