//! How a method is drawn, the same in all figures.

use super::drawing::palette::SERIES;
use crate::{study::Study, summary::Summary};

/// Methods beside the baseline and fresh agents that are highlighted when there are too many for colours.
const HIGHLIGHTED: usize = 6;

/// The look of one method.
#[derive(Clone, Debug)]
pub(super) struct Look {
    /// Class of its elements: `m3`.
    pub(super) class: String,
    /// The variable with its colour: `s0`, `ink`.
    pub(super) colour: String,
    /// `stroke-dasharray` of its lines.
    pub(super) dash: &'static str,
    /// Whether it is highlighted before anybody chooses.
    pub(super) on: bool,
}

/// Of each method, in the order of the study. Up to eight methods take colours in that order; of more, the
/// best at the end take the colours and are highlighted, and the rest share colours by their dashes.
pub(super) fn looks(study: &Study, summary: &Summary) -> Vec<Look> {
    let plain: Vec<usize> = (0..study.methods.len())
        .filter(|&i| !study.methods[i].baseline && !study.methods[i].fresh)
        .collect();
    let few = plain.len() <= SERIES;
    let places = if few { plain } else { best_first(study, summary, &plain) };
    let look = |(i, method): (usize, &crate::study::Method)| {
        let place = places.iter().position(|p| *p == i);
        let (colour, dash) = match place {
            Some(place) => (
                format!("s{}", place % SERIES),
                ["none", "7 3", "2 2.5", "9 3 2 3"][place / SERIES % 4],
            ),
            None if method.baseline => ("ink".to_owned(), "6 3"),
            None => ("muted".to_owned(), "1.5 3"),
        };
        Look {
            class: format!("m{i}"),
            colour,
            dash,
            on: few || place.is_none_or(|place| place < HIGHLIGHTED),
        }
    };
    study.methods.iter().enumerate().map(look).collect()
}

/// `methods`, from the best at the end to the worst, those without a run last.
pub(super) fn best_first(study: &Study, summary: &Summary, methods: &[usize]) -> Vec<usize> {
    let sign = if study.score.lower_is_better { 1.0 } else { -1.0 };
    let rank = |i: usize| {
        let last = super::words::end(summary, i).map(|end| end.point).filter(|p| p.is_finite());
        last.map_or(f64::INFINITY, |p| sign * p)
    };
    let mut sorted = methods.to_vec();
    sorted.sort_by(|a, b| rank(*a).total_cmp(&rank(*b)));
    sorted
}

/// Rules for a figure without a script: what is not highlighted is in the background.
pub(super) fn still_css(looks: &[Look]) -> String {
    let off = looks.iter().filter(|l| !l.on).map(|look| background(&format!(".{}", look.class)));
    looks.iter().map(foreground).chain(off).collect()
}

/// Rules for a page on which the box `on-m3` highlights method 3.
pub(super) fn page_css(looks: &[Look]) -> String {
    let off = looks.iter().map(|Look { class, .. }| {
        background(&format!("body:has(#on-{class}:not(:checked)) .{class}"))
    });
    looks.iter().map(foreground).chain(off).collect()
}

fn foreground(look: &Look) -> String {
    let Look { class, colour, dash, .. } = look;
    format!(
        ".{class} .line,.{class} .mean,.{class} .run,.{class} .whisker{{stroke:var(--{colour})}}\
         .{class} .line{{stroke-dasharray:{dash}}}\
         .{class} .band,.{class} .mark,.{class} .name{{fill:var(--{colour})}}"
    )
}

fn background(method: &str) -> String {
    format!(
        "{method} .line{{stroke:var(--faint);stroke-width:1;stroke-dasharray:none}}\
         {method} .whisker{{stroke:var(--muted)}}{method} .mark{{fill:var(--muted)}}\
         {method} .band,{method} .name,{method} .lead,{method} .dot{{display:none}}\
         {method}.swatch{{background:var(--muted)}}"
    )
}
