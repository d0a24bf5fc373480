//! The figures of a report, each in a wide and in a narrow version.

mod bars;
mod courses;
mod panels;
mod scene;

use super::{content::Report, drawing::svg::Drawing, words::steps};
use scene::Scene;

/// A figure with what is said about it.
pub(super) struct Figure {
    /// Name of its files, and of its place on the page.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// How to read it.
    pub(super) caption: String,
    /// For wide pages and for files.
    pub(super) wide: Drawing,
    /// For telephones.
    pub(super) narrow: Drawing,
}

/// Names of all figures that there can be, in their order.
pub(super) const IDS: [&str; 8] =
    ["final", "gains", "curves", "tasks", "beside", "profile", "seeds", "matrix"];

type Draw = fn(Scene<'_>) -> Option<Drawing>;

/// All figures for which there are numbers.
pub(super) fn all(report: &Report) -> Vec<Figure> {
    let Report { study, summary, looks, beside, .. } = report;
    let score = &study.score;
    let changes = match score.task_steps {
        0 => String::new(),
        every => format!(" Dotted lines: the task changes, every {} steps.", steps(every)),
    };
    let list: [(&'static str, String, Draw); 8] = [
        (
            "Final performance",
            format!(
                "Mean over seeds of the last {:.0} % of each run, with its 95 % interval; ticks are single seeds. \
                 Best first; the vertical line is the baseline.{}",
                100.0 * score.final_share,
                if study.methods.iter().any(|m| m.anchor.is_some()) {
                    " Diamonds are anchors, numbers found by others, with 1.96 standard errors to each side."
                } else {
                    ""
                }
            ),
            bars::last,
        ),
        (
            "Compared with the baseline",
            "Gains are positive where a method is better than the baseline on the same seeds. Filled: the 95 % \
             interval leaves out no difference, upwards (▲) or downwards (▼). Hollow: it does not."
                .to_owned(),
            bars::gains,
        ),
        (
            "Learning curves",
            format!(
                "Mean over seeds in bins of {} steps, with 95 % intervals of the mean.{changes}",
                steps(score.bin)
            ),
            courses::curves,
        ),
        (
            "Each task",
            "Mean performance over each task, in the order in which they came, with 95 % intervals over seeds. \
             A line that falls where the fresh agent's does not is plasticity that is lost."
                .to_owned(),
            courses::tasks,
        ),
        (
            "Plasticity beside performance",
            format!(
                "Performance on top; below it, over the same steps, what was measured inside the networks. Means \
                 over seeds with 95 % intervals.{changes}"
            ),
            courses::beside,
        ),
        (
            "Performance profile",
            "Share of seeds whose normalised final performance is above a level, with 95 % intervals. Higher is \
             better everywhere; lines that cross mean that neither method is better throughout."
                .to_owned(),
            courses::profile,
        ),
        (
            "Every seed",
            "Thin lines are single runs, the thick one is their mean, and the dashed one the baseline's. All \
             panels have the same axes."
                .to_owned(),
            panels::seeds,
        ),
        (
            "What is remembered",
            "Performance on each task (columns) after each task was learned (rows), means over seeds; the \
             stronger the colour, the better. Numbers below the diagonal that grow weaker downwards are \
             forgotten."
                .to_owned(),
            panels::matrix,
        ),
    ];
    let figure = |(id, (title, caption, draw)): (_, (_, _, Draw))| {
        let scene = Scene { study, summary, looks, beside, narrow: false };
        let wide = draw(scene)?;
        let narrow = draw(Scene { narrow: true, ..scene })?;
        Some(Figure { id, title, caption, wide, narrow })
    };
    IDS.into_iter().zip(list).filter_map(figure).collect()
}
