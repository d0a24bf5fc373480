//! What can be logged, and a line of the record.

use std::collections::BTreeMap;

use networks::model::StepStats;
use serde::{Deserialize, Serialize};

use crate::logging::histogram::Histogram;

/// One line of `metrics.jsonl`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Environment steps over all actors.
    pub step: u64,
    /// Seconds since the run began, resumed parts added up.
    pub wall_s: f64,
    /// Tag and value, in the order they were logged. `null` is NaN or infinite.
    pub metrics: serde_json::Map<String, serde_json::Value>,
    /// Histograms by tag.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub histograms: BTreeMap<String, Histogram>,
    /// Texts in Markdown by tag.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub texts: BTreeMap<String, String>,
}

impl Row {
    /// The line of a record; values become a histogram.
    pub fn new(step: u64, wall_s: f64, record: Record) -> Row {
        let mut row = Row { step, wall_s, ..Row::default() };
        match record {
            Record::Scalars(values) => {
                row.metrics = values.into_iter().map(|(tag, value)| (tag, value.into())).collect();
            }
            Record::Histogram { tag, values } => {
                row.histograms.insert(tag, Histogram::of(&values));
            }
            Record::Text { tag, text } => {
                row.texts.insert(tag, text);
            }
        }
        row
    }
}

/// What can be logged of one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Record {
    /// Tag and value of each number.
    Scalars(Vec<(String, f64)>),
    /// Values of which only their distribution is kept.
    Histogram {
        /// Under which name.
        tag: String,
        /// In any order; what is not finite is left out.
        values: Vec<f32>,
    },
    /// A remark.
    Text {
        /// Under which name.
        tag: String,
        /// Markdown.
        text: String,
    },
}

/// The numbers of one update, collected by the agent.
#[derive(Debug, Default)]
pub struct Scalars {
    values: Vec<(String, f64)>,
}

impl Scalars {
    /// One number under a TensorBoard tag.
    pub fn scalar(&mut self, tag: &str, value: f64) {
        self.values.push((tag.to_owned(), value));
    }

    /// The standard numbers of a gradient step on `model`.
    pub fn step(&mut self, model: &str, stats: &StepStats, lr: f64) {
        self.scalar(&format!("loss/{model}"), stats.loss);
        self.scalar(&format!("lr/{model}"), lr);
        for (kind, term) in &stats.terms {
            self.scalar(&format!("loss/{model}/{kind}"), *term);
        }
        if let Some(norm) = stats.grad_norm {
            self.scalar(&format!("grad_norm/{model}"), norm);
        }
    }

    /// What a gradient step did to the layers of a network, if it was measured.
    pub fn layers(&mut self, net: &str, stats: &StepStats) {
        for m in &stats.layers {
            self.scalar(&plasticity_tag(net, &m.layer, m.measure), m.value);
        }
    }

    /// The collected numbers, leaving none.
    pub fn take(&mut self) -> Vec<(String, f64)> {
        std::mem::take(&mut self.values)
    }
}

/// `plasticity/<net>/<layer>/<measure>`
pub fn plasticity_tag(net: &str, layer: &str, measure: &str) -> String {
    format!("plasticity/{net}/{layer}/{measure}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_taken_once() {
        let mut scalars = Scalars::default();
        scalars.step(
            "q",
            &StepStats {
                loss: 2.0,
                terms: vec![("parseval", 0.5)],
                grad_norm: Some(3.0),
                layers: vec![],
            },
            0.1,
        );
        scalars.scalar("x", 4.0);
        let tags: Vec<_> = scalars.take().into_iter().collect();
        let want = [
            ("loss/q", 2.0),
            ("lr/q", 0.1),
            ("loss/q/parseval", 0.5),
            ("grad_norm/q", 3.0),
            ("x", 4.0),
        ];
        assert_eq!(tags, want.map(|(tag, value)| (tag.to_owned(), value)));
        assert!(scalars.take().is_empty());
    }
}
