//! Figures with one row for each method: final performance, and what is gained over the baseline.

use maud::{Markup, html};

use super::scene::Scene;
use crate::{
    report::{
        drawing::plot::{Frame, Words},
        drawing::scale::Scale,
        drawing::svg::{Drawing, disc, fitted, line, polygon, text, width_of},
        looks::best_first,
        words::{Gain, decimals, end, ends, gain_of, with_interval},
    },
    study::Anchor,
    summary::Interval,
};

const ROW: f64 = 30.0;

/// Width of the column of names.
fn names(scene: Scene<'_>) -> f64 {
    let longest = scene.study.methods.iter().map(|m| width_of(&m.name, 13.5));
    longest.fold(0.0, f64::max).clamp(60.0, if scene.narrow { 120.0 } else { 210.0 }) + 24.0
}

/// Final performance of each method, best first.
pub(super) fn last(scene: Scene<'_>) -> Option<Drawing> {
    let all: Vec<usize> = (0..scene.study.methods.len()).collect();
    let rows: Vec<(usize, Interval)> = best_first(scene.study, scene.summary, &all)
        .into_iter()
        .filter_map(|i| Some((i, end(scene.summary, i).filter(|v| v.point.is_finite())?)))
        .collect();
    if rows.is_empty() {
        return None;
    }
    let seeds = |i: usize| ends(scene.study, i);
    let anchor = |i: usize| scene.study.methods[i].anchor;
    let shown = rows.iter().flat_map(|(i, v)| {
        let anchors =
            anchor(*i).into_iter().flat_map(|a| [a.mean - 1.96 * a.se, a.mean + 1.96 * a.se]);
        [v.point, v.low, v.high].into_iter().chain(seeds(*i)).chain(anchors)
    });
    let numbers = if scene.narrow { 14.0 } else { 190.0 };
    let frame = Frame {
        left: names(scene),
        top: 12.0,
        width: scene.width() - names(scene) - numbers,
        height: ROW * rows.len() as f64,
        x: Scale::around(shown, if scene.narrow { 4 } else { 7 }),
        y: Scale::exact(0.0, rows.len() as f64, 1),
    };
    let places = decimals(rows.iter().map(|(_, v)| v.point));
    let baseline =
        rows.iter().find(|(i, _)| scene.study.methods[*i].baseline).map(|(_, v)| v.point);
    let body = html! {
        (stripes(&frame, rows.len(), scene.width()))
        (upright(&frame, Words { x: &scene.metric(), ..Words::default() }))
        @if let Some(value) = baseline { (ruler(&frame, value, "beneath")) }
        @for (row, (i, value)) in rows.iter().enumerate() {
            @let y = middle(&frame, row);
            g class=(scene.looks[*i].class) {
                title { (scene.study.methods[*i].name) ": " (with_interval(*value, places)) }
                (label(scene, *i, y))
                @for seed in seeds(*i) {
                    @let x = frame.across(seed);
                    (line("seed", (x, y + 5.0), (x, y + 10.0)))
                }
                (whisker(&frame, "whisker", *value, y))
                (disc("mark", (frame.across(value.point), y), 5.0))
                @if let Some(anchor) = anchor(*i) { (diamond(&frame, anchor, y - 8.0)) }
                @if !scene.narrow {
                    (text(frame.left + frame.width + 14.0, y + 4.0, "small", &with_interval(*value, places)))
                }
            }
        }
    };
    Some(scene.drawing(frame.top + frame.height + 48.0, body))
}

/// Gains and probabilities of improvement: three panels, beside each other where there is room.
pub(super) fn gains(scene: Scene<'_>) -> Option<Drawing> {
    let all: Vec<usize> = (0..scene.study.methods.len()).collect();
    let rows: Vec<usize> = best_first(scene.study, scene.summary, &all)
        .into_iter()
        .filter(|i| scene.summary.methods.get(*i).is_some_and(|m| m.final_gain.is_some()))
        .collect();
    if rows.is_empty() {
        return None;
    }
    let pick =
        |f: fn(&crate::summary::MethodSummary) -> Option<Interval>| -> Vec<Option<Interval>> {
            rows.iter().map(|i| f(&scene.summary.methods[*i])).collect()
        };
    let panels = [
        ("final performance, gain", 0.0, pick(|m| m.final_gain)),
        ("average performance, gain", 0.0, pick(|m| m.average_gain)),
        ("probability to end better", 0.5, pick(|m| m.improvement)),
    ];
    let height = ROW * rows.len() as f64;
    let left = names(scene);
    let (width, across, down) = if scene.narrow {
        (scene.width() - left - 14.0, 0.0, height + 78.0)
    } else {
        let width = (scene.width() - left - 14.0 - 2.0 * 26.0) / 3.0;
        (width, width + 26.0, 0.0)
    };
    let panel = |(k, (head, none, values)): (usize, &(&str, f64, Vec<Option<Interval>>))| {
        let shown = values.iter().flatten().flat_map(|v| [v.point, v.low, v.high]).chain([*none]);
        let x = if *none == 0.5 {
            Scale::exact(0.0, 1.0, 4)
        } else {
            Scale::around(shown.chain(whole(values)), 4)
        };
        let y = Scale::exact(0.0, rows.len() as f64, 1);
        let top = 30.0 + down * k as f64;
        let frame = Frame { left: left + across * k as f64, top, width, height, x, y };
        html! {
            @if k == 0 || scene.narrow { (stripes(&frame, rows.len(), scene.width())) }
            (upright(&frame, Words { head, ..Words::default() }))
            (ruler(&frame, *none, "zero"))
            @for (row, (i, value)) in rows.iter().zip(values).enumerate() {
                @let y = middle(&frame, row);
                @if k == 0 || scene.narrow {
                    g class=(scene.looks[*i].class) { (label(scene, *i, y)) }
                }
                @if let Some(value) = value { (verdict(scene, &frame, *i, *value, *none, y)) }
            }
        }
    };
    let body = html! { @for panel in panels.iter().enumerate().map(panel) { (panel) } };
    let count = if scene.narrow { 3.0 } else { 1.0 };
    Some(scene.drawing(30.0 + height + down * (count - 1.0) + 32.0, body))
}

/// Values that make an axis of gains reach as far to one side as a sixth of the other.
fn whole(values: &[Option<Interval>]) -> Vec<f64> {
    let finite = values.iter().flatten().flat_map(|v| [v.low, v.high]).filter(|v| v.is_finite());
    let (low, high) = finite.fold((0f64, 0f64), |(l, h), v| (l.min(v), h.max(v)));
    vec![low.min(-high / 6.0), high.max(-low / 6.0)]
}

fn verdict(
    scene: Scene<'_>,
    frame: &Frame,
    method: usize,
    value: Interval,
    none: f64,
    y: f64,
) -> Markup {
    let (x, gain) = (frame.across(value.point), gain_of(scene.study, method, value, none));
    let class = gain.class();
    html! {
        g {
            title { (scene.study.methods[method].name) ": " (with_interval(value, decimals([value.point]))) }
            (whisker(frame, class, value, y))
            @match gain {
                Gain::Better => { (polygon(class, &[(x, y - 6.0), (x + 6.0, y + 5.0), (x - 6.0, y + 5.0)])) }
                Gain::Worse => { (polygon(class, &[(x, y + 6.0), (x + 6.0, y - 5.0), (x - 6.0, y - 5.0)])) }
                Gain::Unsure => { (disc(class, (x, y), 4.5)) }
            }
        }
    }
}

fn middle(frame: &Frame, row: usize) -> f64 {
    frame.top + ROW * (row as f64 + 0.5)
}

/// Every second row has another ground, so that eyes find the way.
fn stripes(frame: &Frame, rows: usize, width: f64) -> Markup {
    html! {
        @for row in (0..rows).step_by(2) {
            rect class="row" x="0" y=(frame.top + ROW * row as f64) width=(width) height=(ROW) {}
        }
    }
}

/// Axes without a y axis.
fn upright(frame: &Frame, words: Words<'_>) -> Markup {
    let (top, bottom) = (frame.top, frame.top + frame.height);
    let mut bare = Frame { x: frame.x.clone(), y: frame.y.clone(), ..*frame };
    bare.y.ticks.clear();
    html! {
        @for tick in &frame.x.ticks {
            @let x = frame.across(*tick);
            (line("grid", (x, top), (x, bottom)))
        }
        (bare.axes(words))
    }
}

fn ruler(frame: &Frame, value: f64, class: &str) -> Markup {
    let x = frame.across(value);
    line(class, (x, frame.top), (x, frame.top + frame.height))
}

fn label(scene: Scene<'_>, method: usize, y: f64) -> Markup {
    let Some(named) = scene.study.methods.get(method) else { return Markup::default() };
    let words = fitted(&named.name, 13.5, names(scene) - 24.0);
    html! {
        (disc("mark", (12.0, y), 4.0))
        (text(22.0, y + 4.0, if named.baseline { "name-of-baseline" } else { "" }, &words))
        title { (named.name) @if named.baseline { " (baseline)" } }
    }
}

fn whisker(frame: &Frame, class: &str, value: Interval, y: f64) -> Markup {
    html! {
        @if value.low.is_finite() && value.high.is_finite() {
            (line(class, (frame.across(value.low), y), (frame.across(value.high), y)))
        }
    }
}

fn diamond(frame: &Frame, anchor: Anchor, y: f64) -> Markup {
    let [low, x, high] = [-1.96, 0.0, 1.96].map(|n| frame.across(anchor.mean + n * anchor.se));
    html! {
        (line("anchorline", (low, y), (high, y)))
        (polygon("anchor", &[(x, y - 4.5), (x + 4.5, y), (x, y + 4.5), (x - 4.5, y)]))
    }
}
