//! What can be logged, described once: the listing, the documentation and the dashboard are made of this.

use std::fmt::{Display, Formatter};

/// A group of diagnostics that cost about as much and are due together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Units, weights, one update.
    Units,
    /// Singular values.
    Ranks,
    /// Single gradients, tangent kernel, Hessian: many backward passes.
    Curvature,
    /// Copies that are trained.
    Refit,
}

impl Tier {
    /// From the cheapest to the most expensive.
    pub const ALL: [Tier; 4] = [Tier::Units, Tier::Ranks, Tier::Curvature, Tier::Refit];

    /// The key of the configuration that says when it is due.
    pub const fn key(self) -> &'static str {
        match self {
            Tier::Units => "diagnostics.every_updates",
            Tier::Ranks => "diagnostics.rank_every_updates",
            Tier::Curvature => "diagnostics.curvature_every_updates",
            Tier::Refit => "diagnostics.refit_every_updates",
        }
    }
}

/// When something is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At the end of every training episode.
    Episode,
    /// At the first step, and where a task begins.
    Task,
    /// Every `log_every_updates`.
    Update,
    /// With every evaluation.
    Evaluation,
    /// With every checkpoint.
    Checkpoint,
    /// When the tier is due.
    Diagnostics(Tier),
}

impl Display for When {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            When::Episode => f.write_str("an episode ends"),
            When::Task => f.write_str("the first step; a task begins"),
            When::Update => f.write_str("every `log_every_updates`"),
            When::Evaluation => f.write_str("every `eval.every_steps`"),
            When::Checkpoint => f.write_str("every checkpoint"),
            When::Diagnostics(tier) => write!(f, "every `{}`", tier.key()),
        }
    }
}

/// A line of the dashboard, by the title of its chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Every tag.
    All(&'static str),
    /// The tag of the whole network only.
    Whole(&'static str),
}

impl Line {
    /// Of its chart.
    pub const fn title(self) -> &'static str {
        match self {
            Line::All(title) | Line::Whole(title) => title,
        }
    }
}

/// One tag, or the tags that differ in a name only.
///
/// In [`tag`](Descriptor::tag), capitals stand for names: NET and MODEL for a network, LAYER for one of its layers, KIND
/// for the kind of an intervention, J for a number. A LAYER measure may also be logged with `_global` in place of the
/// layer, for the whole network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Descriptor {
    /// `plasticity/NET/LAYER/dead`
    pub tag: &'static str,
    /// When it is logged.
    pub when: When,
    /// Of the number: `fraction`, `radians`, `steps`.
    pub unit: &'static str,
    /// What it is, in Markdown.
    pub meaning: &'static str,
    /// Where it comes from: authors, year, arXiv number. Empty for what needs no source.
    pub source: &'static str,
    /// Whether it is logged as a histogram instead of a number.
    pub is_histogram: bool,
    /// Where the dashboard shows it.
    pub charts: &'static [Line],
}

impl Descriptor {
    /// A number without source and chart.
    pub const fn new(
        tag: &'static str,
        when: When,
        unit: &'static str,
        meaning: &'static str,
    ) -> Self {
        let (source, is_histogram, charts): (_, _, &[Line]) = ("", false, &[]);
        Descriptor { tag, when, unit, meaning, source, is_histogram, charts }
    }

    /// A number that a diagnostic measures, by [`plasticity_tag`](crate::logging::record::plasticity_tag).
    pub const fn diagnostic(
        tag: &'static str,
        tier: Tier,
        unit: &'static str,
        meaning: &'static str,
    ) -> Self {
        Descriptor::new(tag, When::Diagnostics(tier), unit, meaning)
    }

    /// With authors, year and arXiv number.
    #[must_use]
    pub const fn source(self, source: &'static str) -> Self {
        Descriptor { source, ..self }
    }

    /// On these charts of the dashboard.
    #[must_use]
    pub const fn charts(self, charts: &'static [Line]) -> Self {
        Descriptor { charts, ..self }
    }

    /// As a histogram.
    #[must_use]
    pub const fn histogram(self) -> Self {
        Descriptor { is_histogram: true, ..self }
    }

    /// The tier, if it is a diagnostic.
    pub const fn tier(&self) -> Option<Tier> {
        match self.when {
            When::Diagnostics(tier) => Some(tier),
            _ => None,
        }
    }

    /// A regular expression of its whole tags; with `whole` of those of whole networks only.
    pub fn pattern(&self, whole: bool) -> String {
        let tag = if whole { self.tag.replace("LAYER", "_global") } else { self.tag.to_owned() };
        tag.replace('.', r"\.")
            .replace("NET/LAYER", ".*")
            .replace("NET", ".*")
            .replace("MODEL", "[^/]+")
            .replace("KIND", "[^/]+")
            .replace("task_J", "task_[0-9]+")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_by_hand() {
        let pattern = |tag, whole| Descriptor::new(tag, When::Update, "", "").pattern(whole);
        let dormant = "plasticity/NET/LAYER/dormant_0.025";
        assert_eq!(pattern(dormant, false), r"plasticity/.*/dormant_0\.025");
        assert_eq!(pattern(dormant, true), r"plasticity/.*/_global/dormant_0\.025");
        let churn = "plasticity/NET/_global/value_churn";
        assert_eq!(pattern(churn, false), "plasticity/.*/_global/value_churn");
        assert_eq!(pattern("loss/MODEL/KIND", false), "loss/[^/]+/[^/]+");
        assert_eq!(pattern("eval/task_J/return_mean", false), "eval/task_[0-9]+/return_mean");
    }
}
