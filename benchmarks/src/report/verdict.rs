//! What the numbers say, in sentences: which methods differ from the baseline, and which do not.
//!
//! A method differs if the 95 % interval of its gain leaves out 0. With one seed there is no interval, so
//! nothing is said of it. Fresh agents are no method but what methods are measured by, and stand apart.

use super::words::{self, Gain, count, decimals, gain_of, shared_seeds, signed};
use crate::{
    grid::unequal,
    study::{Run, Study},
    summary::{Interval, Summary},
};

/// Fewer seeds than this make intervals that are too narrow.
const FEW_SEEDS: usize = 5;

/// Sentences about a study.
pub(super) struct Verdict {
    /// The first to be read.
    pub(super) headline: String,
    /// Methods that are better, worse, and neither, each with its numbers.
    pub(super) groups: Vec<(Gain, Vec<Finding>)>,
    /// What limits all this.
    pub(super) notes: Vec<String>,
}

/// One method against the baseline.
pub(super) struct Finding {
    pub(super) method: usize,
    /// What follows its name.
    pub(super) words: Vec<String>,
}

/// The verdict of a study.
pub(super) fn verdict(study: &Study, summary: &Summary) -> Verdict {
    let missing: Vec<&str> =
        study.methods.iter().filter(|m| m.runs.is_empty()).map(|m| m.name.as_str()).collect();
    let mut notes = Vec::new();
    if !missing.is_empty() {
        notes.push(format!("No finished run: {}.", missing.join(", ")));
    }
    let length =
        |runs: &[Run]| runs.iter().map(|r| r.curve.len()).max().map(|n| n as u64 * study.score.bin);
    let lengths: Vec<(&str, u64)> =
        study.methods.iter().filter_map(|m| Some((m.name.as_str(), length(&m.runs)?))).collect();
    notes.extend(unequal(&lengths));
    let Some(baseline) = words::baseline(study) else {
        let headline = "Nothing is compared: no method is marked as the baseline.".to_owned();
        return Verdict { headline, groups: Vec::new(), notes };
    };
    let name = &baseline.name;
    if baseline.runs.is_empty() {
        let headline = format!("Nothing is compared: the baseline, {name}, has no finished run.");
        return Verdict { headline, groups: Vec::new(), notes };
    }
    let (mut compared, mut single) = (Vec::new(), Vec::new());
    for (i, row) in summary.methods.iter().enumerate().take(study.methods.len()) {
        match row.final_gain {
            Some(_) if study.methods[i].fresh => {}
            Some(gain) if shared_seeds(study, i) > 1 => compared.push((i, gain)),
            Some(_) => single.push(study.methods[i].name.as_str()),
            None => {}
        }
    }
    let of = |wanted: Gain| -> Vec<(usize, Interval)> {
        compared.iter().copied().filter(|(i, v)| gain_of(study, *i, *v, 0.0) == wanted).collect()
    };
    let groups = [Gain::Better, Gain::Worse, Gain::Unsure].map(|gain| (gain, of(gain)));
    let headline =
        headline(name, study.methods.len(), compared.len(), groups[0].1.len(), groups[1].1.len());
    let reference = study.methods.iter().position(|m| m.fresh && !m.runs.is_empty());
    if let Some((i, gain)) = reference.and_then(|i| Some((i, summary.methods[i].final_gain?))) {
        let words = finding(study, summary, i, gain).join(", ");
        notes.push(format!(
            "For reference, a new agent for each task ({}) has {words}.",
            study.methods[i].name
        ));
    }
    if !single.is_empty() {
        notes.push(format!(
            "One seed in common with {name}, so no interval and no verdict: {}.",
            single.join(", ")
        ));
    }
    let fewest = compared.iter().map(|(i, _)| shared_seeds(study, *i)).min();
    if let Some(n) = fewest.filter(|n| *n < FEW_SEEDS) {
        notes.push(format!(
            "Intervals are from as few as {}; so few make them too narrow.",
            count(n, "seed")
        ));
    }
    if compared.len() > 3 {
        let luck = 0.05 * compared.len() as f64;
        notes.push(format!(
            "Of {} comparisons at 95 %, {luck:.2} would leave out 0 by luck alone.",
            compared.len()
        ));
    }
    let find = |(method, gain): (usize, Interval)| Finding {
        method,
        words: finding(study, summary, method, gain),
    };
    let groups = groups
        .into_iter()
        .filter(|(_, found)| !found.is_empty())
        .map(|(gain, found)| (gain, found.into_iter().map(find).collect()))
        .collect();
    Verdict { headline, groups, notes }
}

fn headline(baseline: &str, methods: usize, all: usize, better: usize, worse: usize) -> String {
    let are = |n: usize| if n == 1 { "is" } else { "are" };
    match (all, better, worse) {
        (0, ..) if methods == 1 => "There is one method, so nothing is compared.".to_owned(),
        (0, ..) => format!(
            "Nothing can be said against {baseline}: no other method has two seeds in common with it."
        ),
        (1, 0, 0) => format!("The one method compared does not differ from {baseline} at the end."),
        (_, 0, 0) => format!(
            "No method differs from {baseline} at the end: none of {all} intervals leaves out 0."
        ),
        _ => {
            let first = match better {
                0 => format!("No method is better than {baseline} at the end"),
                n => format!(
                    "{n} of {} {} better than {baseline} at the end",
                    count(all, "method"),
                    are(n)
                ),
            };
            let same = all - better - worse;
            let parts = [
                Some(first),
                (worse > 0).then(|| format!("{worse} {} worse", are(worse))),
                (same > 0).then(|| format!("{same} cannot be told from it")),
            ];
            format!("{}.", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
        }
    }
}

/// `+204.1 [+180.0, +230.2] at the end`, `+150.0 [+120.1, +181.3] on the average`, `10 seeds`.
fn finding(study: &Study, summary: &Summary, method: usize, gain: Interval) -> Vec<String> {
    let average = summary.methods[method].average_gain;
    let ends = [Some(gain), average].into_iter().flatten().flat_map(|v| [v.point, v.low, v.high]);
    let places = decimals(ends);
    let told = |v: Interval, when: &str| {
        let [point, low, high] = [v.point, v.low, v.high].map(|v| signed(v, places));
        format!("{point} [{low}, {high}] {when}")
    };
    let mut parts = vec![told(gain, "at the end")];
    parts.extend(average.map(|v| told(v, "on the average")));
    parts.push(count(shared_seeds(study, method), "seed"));
    parts
}
