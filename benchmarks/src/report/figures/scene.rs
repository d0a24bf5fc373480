//! [`Scene`]: what figures are drawn from.

use maud::Markup;

use crate::{
    report::{
        drawing::{
            plot::Course,
            svg::{Drawing, width_of},
        },
        looks::Look,
        words::higher,
    },
    study::Study,
    summary::Summary,
};

/// What figures are drawn from.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) study: &'a Study,
    pub(super) summary: &'a Summary,
    pub(super) looks: &'a [Look],
    pub(super) beside: &'a [(String, Vec<Course>)],
    pub(super) narrow: bool,
}

impl Scene<'_> {
    pub(super) fn width(self) -> f64 {
        if self.narrow { 400.0 } else { 1000.0 }
    }

    /// Room for the numbers of the y axis.
    pub(super) fn left(self) -> f64 {
        if self.narrow { 46.0 } else { 54.0 }
    }

    /// Room for names at the ends of lines; narrow pages have none, and a legend instead.
    pub(super) fn names(self) -> f64 {
        let longest = self.study.methods.iter().map(|m| width_of(&m.name, 14.0));
        if self.narrow { 0.0 } else { longest.fold(0.0, f64::max).clamp(40.0, 190.0) + 20.0 }
    }

    /// An id that the other version of the figure does not have.
    pub(super) fn id(self, name: &str) -> String {
        format!("{name}-{}", if self.narrow { "narrow" } else { "wide" })
    }

    pub(super) fn drawing(self, height: f64, body: Markup) -> Drawing {
        Drawing { width: self.width(), height, body }
    }

    /// `train/episode_return, more is better`.
    pub(super) fn metric(self) -> String {
        let score = &self.study.score;
        format!("{} ({})", score.metric, higher(score))
    }
}
