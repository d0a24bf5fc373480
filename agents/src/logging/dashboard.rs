//! The dashboard under TensorBoard's tab "Custom Scalars": which charts there are, and in which order.

use super::descriptor::{Descriptor, Line};

/// Categories and the titles of their charts, top to bottom. What a chart shows is what descriptors say of
/// themselves. A chart that is not listed here comes last in [`OTHERS`].
const ORDER: &[(&str, &[&str])] = &[
    (
        "Learning",
        &[
            "Return",
            "Loss",
            "Value",
            "Value above what greedy episodes got",
            "Disagreement of critics",
            "Policy",
        ],
    ),
    (
        OTHERS,
        &[
            "Dormant and dead units, whole networks",
            "Dormant and dead units by layer",
            "Effective rank",
            "Weight norm",
            "Gradient norm",
            "Dormant gradients",
            "Distance from the first weights",
            "Churn of policy and values in one update",
            "Refitting random targets, loss beside a fresh network's",
            "Units replaced",
            "Sharpness",
            "Rank of the tangent kernel",
        ],
    ),
    (
        "Learning rate and steps",
        &["Learning rate", "Rotation of the weights", "Relative size of an update"],
    ),
    ("Tasks", &["Task"]),
    ("Speed", &["Speed"]),
];

const OTHERS: &str = "Plasticity";

/// One chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chart {
    /// What it is called.
    pub title: &'static str,
    /// Regular expressions of the tags it shows, each of a whole tag.
    pub tags: Vec<String>,
}

/// Categories with their charts, top to bottom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dashboard(pub Vec<(&'static str, Vec<Chart>)>);

impl Dashboard {
    /// The charts that these descriptors name, each showing them in their order.
    pub fn of<'a>(descriptors: impl IntoIterator<Item = &'a Descriptor>) -> Dashboard {
        let lines = |d: &'a Descriptor| d.charts.iter().map(move |line| (d, *line));
        let mut charts: Vec<Chart> = Vec::new();
        for (descriptor, line) in descriptors.into_iter().flat_map(lines) {
            let (title, tag) = (line.title(), descriptor.pattern(matches!(line, Line::Whole(_))));
            match charts.iter_mut().find(|chart| chart.title == title) {
                Some(chart) => chart.tags.push(tag),
                None => charts.push(Chart { title, tags: vec![tag] }),
            }
        }
        let mut take = |wanted: &str| {
            let found = charts.iter().position(|chart| chart.title == wanted);
            found.map(|i| charts.remove(i))
        };
        let mut categories: Vec<(&'static str, Vec<Chart>)> = ORDER
            .iter()
            .map(|(category, titles)| (*category, titles.iter().filter_map(|t| take(t)).collect()))
            .collect();
        if let Some((_, others)) = categories.iter_mut().find(|(category, _)| *category == OTHERS) {
            others.append(&mut charts);
        }
        categories.retain(|(_, charts)| !charts.is_empty());
        Dashboard(categories)
    }
}
