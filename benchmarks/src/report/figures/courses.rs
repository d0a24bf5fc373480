//! Figures of lines: curves, means of tasks, plasticity measures, profiles.

use maud::{Markup, html};

use super::scene::Scene;
use crate::report::{
    drawing::plot::{Course, Frame, Series, Style, Words, courses, lines},
    drawing::scale::Scale,
    drawing::svg::Drawing,
    looks::best_first,
};

/// Mean performance over steps.
pub(super) fn curves(scene: Scene<'_>) -> Option<Drawing> {
    let height = if scene.narrow { 330.0 } else { 470.0 };
    let words = Words { y: &scene.metric(), x: "steps", ..Words::default() };
    one(
        scene,
        "curves",
        &courses::of_curves(scene.study, &scene.summary.curves),
        height,
        words,
        None,
    )
}

/// Mean performance over tasks.
pub(super) fn tasks(scene: Scene<'_>) -> Option<Drawing> {
    let courses = courses::of_tasks(&scene.summary.tasks);
    let count = courses.iter().map(Vec::len).max().filter(|n| *n > 1)?;
    let mut x = Scale::exact(0.5, count as f64 + 0.5, if scene.narrow { 6 } else { 15 });
    x.ticks.retain(|t| t.fract() == 0.0);
    let height = if scene.narrow { 300.0 } else { 400.0 };
    let words = Words { y: &scene.metric(), x: "task", ..Words::default() };
    one(scene, "tasks", &courses, height, words, Some((x, None)))
}

/// Share of runs above each level.
pub(super) fn profile(scene: Scene<'_>) -> Option<Drawing> {
    let courses = courses::of_profiles(scene.summary);
    let levels = &scene.summary.levels;
    let (low, high) = (*levels.first()?, *levels.last()?);
    let axes = (Scale::exact(low, high, 10), Some(Scale::exact(0.0, 1.0, 5)));
    let height = if scene.narrow { 300.0 } else { 400.0 };
    let words =
        Words { y: "share of seeds above", x: "normalised final performance", ..Words::default() };
    one(scene, "profile", &courses, height, words, Some(axes))
}

fn one(
    scene: Scene<'_>,
    id: &str,
    courses: &[Course],
    height: f64,
    words: Words<'_>,
    axes: Option<(Scale, Option<Scale>)>,
) -> Option<Drawing> {
    if courses.iter().all(Vec::is_empty) {
        return None;
    }
    let (x, y) = axes.map_or((None, None), |(x, y)| (Some(x), y));
    let over_steps = x.is_none();
    let frame = Frame {
        left: scene.left(),
        top: 30.0,
        width: scene.width() - scene.left() - scene.names().max(14.0),
        height: height - 78.0,
        x: x.unwrap_or_else(|| over(scene, courses)),
        y: y.unwrap_or_else(|| values(scene, courses)),
    };
    // Profiles all end at the bottom, so their names are a list.
    let everybody: Vec<usize> = (0..courses.len()).collect();
    let order = best_first(scene.study, scene.summary, &everybody);
    let style = Style {
        id: &scene.id(id),
        data: id,
        dots: id == "tasks" && courses.iter().all(|c| c.len() <= 20),
        names: scene.names(),
        order: (id == "profile").then_some(order.as_slice()),
    };
    Some(scene.drawing(
        height,
        html! {
            (frame.axes(words))
            @if over_steps { (changes(scene, &frame)) }
            (lines(&frame, &series(scene, courses), style))
        },
    ))
}

/// Performance and, on the same x axis, each of the measures beside it.
pub(super) fn beside(scene: Scene<'_>) -> Option<Drawing> {
    let measured = scene.beside;
    if measured.is_empty() {
        return None;
    }
    let curves = courses::of_curves(scene.study, &scene.summary.curves);
    let (first, other, gap) =
        if scene.narrow { (170.0, 120.0, 40.0) } else { (230.0, 150.0, 42.0) };
    let all: Vec<&Course> = curves.iter().chain(measured.iter().flat_map(|(_, c)| c)).collect();
    let x = over(scene, all);
    let panels = std::iter::once((scene.study.score.metric.as_str(), &curves))
        .chain(measured.iter().map(|(tag, courses)| (tag.as_str(), courses)));
    let count = measured.len() + 1;
    let mut top = 28.0;
    let mut panel = |(i, (tag, courses)): (usize, (&str, &Vec<Course>))| {
        let height = if i == 0 { first } else { other };
        let frame = Frame {
            left: scene.left(),
            top,
            width: scene.width() - scene.left() - scene.names().max(14.0),
            height,
            x: x.clone(),
            y: values(scene, courses),
        };
        top += height + gap;
        let last = i + 1 == count;
        let words = Words {
            head: tag,
            x: if last { "steps" } else { "" },
            bare_x: !last,
            ..Words::default()
        };
        let data = format!("beside{i}");
        let style = Style {
            id: &scene.id(&data),
            data: &data,
            dots: false,
            names: scene.names(),
            order: None,
        };
        html! {
            (frame.axes(words))
            (changes(scene, &frame))
            (lines(&frame, &series(scene, courses), style))
        }
    };
    let body: Vec<Markup> = panels.enumerate().map(&mut panel).collect();
    let height = top - gap + 48.0;
    Some(scene.drawing(height, html! { @for panel in &body { (panel) } }))
}

fn series<'a>(scene: Scene<'a>, courses: &[Course]) -> Vec<Series<'a>> {
    let named = scene.looks.iter().zip(&scene.study.methods).zip(courses);
    named
        .map(|((look, method), points)| Series { look, name: &method.name, points: points.clone() })
        .collect()
}

fn changes(scene: Scene<'_>, frame: &Frame) -> Markup {
    html! {
        @if scene.study.score.task_steps > 0 { (frame.changes(scene.study.score.task_steps as f64)) }
    }
}

/// The axis of steps: from 0 to the last point.
fn over<'a>(scene: Scene<'_>, courses: impl IntoIterator<Item = &'a Course>) -> Scale {
    let ends = courses.into_iter().filter_map(|c| c.last()).map(|(x, _)| *x);
    Scale::exact(0.0, ends.fold(0.0, f64::max), if scene.narrow { 4 } else { 8 })
}

/// The axis of values: all means, and the intervals of methods that are highlighted.
fn values(scene: Scene<'_>, courses: &[Course]) -> Scale {
    let shown = scene.looks.iter().zip(courses).flat_map(|(look, course)| {
        course.iter().flat_map(
            |(_, v)| {
                if look.on { [v.point, v.low, v.high] } else { [v.point; 3] }
            },
        )
    });
    Scale::around(shown, if scene.narrow { 4 } else { 5 })
}
