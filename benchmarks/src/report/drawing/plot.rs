//! What most figures are made of: a frame with axes, lines with bands, and names at the ends of lines.

use maud::{Markup, html};

use super::{
    scale::Scale,
    svg::{disc, fitted, line, polygon, polyline, px, text},
};
use crate::{report::looks::Look, summary::Interval};

pub(in crate::report) mod courses;

/// Points of one line.
pub(in crate::report) type Course = Vec<(f64, Interval)>;

/// A place with two axes.
pub(in crate::report) struct Frame {
    pub(in crate::report) left: f64,
    pub(in crate::report) top: f64,
    pub(in crate::report) width: f64,
    pub(in crate::report) height: f64,
    pub(in crate::report) x: Scale,
    pub(in crate::report) y: Scale,
}

/// What is written at a frame.
#[derive(Clone, Copy, Default)]
pub(in crate::report) struct Words<'a> {
    /// Above.
    pub(in crate::report) head: &'a str,
    /// Below the x axis.
    pub(in crate::report) x: &'a str,
    /// Above the y axis.
    pub(in crate::report) y: &'a str,
    /// Whether the x axis has no numbers.
    pub(in crate::report) bare_x: bool,
    /// Whether the y axis has none.
    pub(in crate::report) bare_y: bool,
}

impl Frame {
    /// The place of a value on both axes.
    pub(in crate::report) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (self.across(x), self.top + self.height * (1.0 - self.y.share(y)))
    }

    /// The place of a value on the x axis.
    pub(in crate::report) fn across(&self, x: f64) -> f64 {
        self.left + self.width * self.x.share(x)
    }

    /// Grid, numbers and words.
    pub(in crate::report) fn axes(&self, words: Words<'_>) -> Markup {
        let (right, bottom) = (self.left + self.width, self.top + self.height);
        html! {
            @for tick in &self.y.ticks {
                @let (_, y) = self.at(self.x.low, *tick);
                (line("grid", (self.left, y), (right, y)))
                @if !words.bare_y {
                    (text(self.left - 7.0, y + 4.0, "tick end", &self.y.label(*tick)))
                }
            }
            (line("base", (self.left, bottom), (right, bottom)))
            @for tick in &self.x.ticks {
                @let x = self.across(*tick);
                (line("base", (x, bottom), (x, bottom + 4.0)))
                @if !words.bare_x {
                    (text(x, bottom + 17.0, "tick mid", &self.x.label(*tick)))
                }
            }
            @if !words.head.is_empty() {
                (text(self.left, self.top - 9.0, "head", &fitted(words.head, 13.5, self.width)))
            }
            @if !words.y.is_empty() {
                (text(self.left - 40.0, self.top - 10.0, "axis", &fitted(words.y, 12.0, self.width)))
            }
            @if !words.x.is_empty() {
                (text(self.left + self.width / 2.0, bottom + 36.0, "axis mid", words.x))
            }
        }
    }

    /// Vertical lines where the task changes: at multiples of `every`. None if they would be nearer than
    /// five pixels.
    pub(in crate::report) fn changes(&self, every: f64) -> Markup {
        let gap = every / (self.x.high - self.x.low) * self.width;
        let last = (self.x.high / every - 1e-6).floor();
        let count = if gap >= 5.0 { last as usize } else { 0 };
        html! {
            @for k in 1..=count {
                @let x = self.across(k as f64 * every);
                (line("change", (x, self.top), (x, self.top + self.height)))
            }
        }
    }

    /// Attributes for the script that shows values: where the frame is, and what its x axis spans.
    pub(in crate::report) fn place(&self) -> String {
        let Frame { left, top, width, height, x, .. } = self;
        format!("{} {} {} {} {} {}", px(*left), px(*top), px(*width), px(*height), x.low, x.high)
    }
}

/// One method in a frame.
pub(in crate::report) struct Series<'a> {
    pub(in crate::report) look: &'a Look,
    pub(in crate::report) name: &'a str,
    /// Places on the x axis, and the values there.
    pub(in crate::report) points: Vec<(f64, Interval)>,
}

/// How lines are drawn.
#[derive(Clone, Copy)]
pub(in crate::report) struct Style<'a> {
    /// A name that no other part of the page has, of the area outside of which nothing is drawn.
    pub(in crate::report) id: &'a str,
    /// Which of the page's data the script shows here.
    pub(in crate::report) data: &'a str,
    /// Whether each value has a dot.
    pub(in crate::report) dots: bool,
    /// Room for names at the right; none without room.
    pub(in crate::report) names: f64,
    /// The order of names from the top, where lines end in the same place; else names are at those ends.
    pub(in crate::report) order: Option<&'a [usize]>,
}

/// Lines with their bands, those in the background below the others.
pub(in crate::report) fn lines(frame: &Frame, all: &[Series<'_>], style: Style<'_>) -> Markup {
    let mut order: Vec<&Series> = all.iter().collect();
    order.sort_by_key(|s| s.look.on);
    html! {
        clipPath id=(style.id) {
            rect x=(px(frame.left)) y=(px(frame.top - 2.0)) width=(px(frame.width + 2.0))
                height=(px(frame.height + 4.0)) {}
        }
        g class="panel" data-key=(style.data) data-place=(frame.place())
            clip-path=(format!("url(#{})", style.id)) {
            @for series in &order { (drawn(frame, series, style.dots)) }
        }
        @if style.names > 0.0 { (names(frame, all, style)) }
    }
}

fn drawn(frame: &Frame, series: &Series<'_>, dots: bool) -> Markup {
    let finite: Vec<&(f64, Interval)> =
        series.points.iter().filter(|(_, v)| v.point.is_finite()).collect();
    let middle: Vec<(f64, f64)> = finite.iter().map(|(x, v)| frame.at(*x, v.point)).collect();
    let sides: Vec<&&(f64, Interval)> =
        finite.iter().filter(|(_, v)| v.low.is_finite() && v.high.is_finite()).collect();
    let above = sides.iter().map(|(x, v)| frame.at(*x, v.high));
    let below = sides.iter().rev().map(|(x, v)| frame.at(*x, v.low));
    let band: Vec<(f64, f64)> = above.chain(below).collect();
    let has_band = sides.len() > 1 && sides.iter().any(|(_, v)| v.high > v.low);
    html! {
        g class=(series.look.class) {
            @if has_band { (polygon("band", &band)) }
            @if middle.len() > 1 { (polyline("line", &middle)) }
            @if dots || middle.len() == 1 {
                @for place in &middle { (disc("mark dot", *place, 3.2)) }
            }
        }
    }
}

/// Names at the ends of lines, pushed apart where they would overlap. Those in the background are there too,
/// for the script.
fn names(frame: &Frame, all: &[Series<'_>], style: Style<'_>) -> Markup {
    let last = |s: &Series| s.points.iter().rev().find(|(_, v)| v.point.is_finite()).copied();
    let place = |i: usize, end: f64| match style.order {
        Some(order) => {
            frame.top + NAME_GAP * (order.iter().position(|o| *o == i).unwrap_or(0) as f64 + 1.0)
        }
        None => end,
    };
    let ends: Vec<(&Series, f64)> = all
        .iter()
        .enumerate()
        .filter_map(|(i, s)| last(s).map(|(x, v)| (s, place(i, frame.at(x, v.point).1))))
        .map(|(s, y)| (s, y.clamp(frame.top, frame.top + frame.height)))
        .collect();
    let highlighted: Vec<f64> = ends.iter().filter(|(s, _)| s.look.on).map(|(_, y)| *y).collect();
    let mut spread =
        spread(&highlighted, NAME_GAP, frame.top, frame.top + frame.height).into_iter();
    let right = frame.left + frame.width;
    html! {
        g class="names" data-gap=(NAME_GAP)
            data-range=(format!("{} {}", px(frame.top), px(frame.top + frame.height))) {
            @for (series, end) in &ends {
                @let y = if series.look.on { spread.next().unwrap_or(*end) } else { *end };
                g class=(series.look.class) data-y=(px(*end)) {
                    @if style.order.is_none() { polyline class="lead"
                        points=(format!("{},{} {},{}", px(right + 2.0), px(*end), px(right + 12.0), px(y))) {} }
                    (text(right + 15.0, y + 4.0, "name", &fitted(series.name, 14.0, style.names - 15.0)))
                }
            }
        }
    }
}

const NAME_GAP: f64 = 15.0;

/// Places near `wanted` that are at least `gap` apart and between `low` and `high` as far as they fit, in the
/// order of `wanted`.
pub(in crate::report) fn spread(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]));
    // Groups of neighbours that touch, each around the mean of what its members want.
    let mut groups: Vec<(f64, Vec<usize>)> = Vec::new();
    for i in order {
        let mut group = (wanted[i], vec![i]);
        loop {
            let half = gap * (group.1.len() - 1) as f64 / 2.0;
            group.0 = group.0.min(high - half).max(low + half);
            let Some((centre, mut members)) = groups.pop() else { break };
            if group.0 - centre >= gap * (members.len() + group.1.len()) as f64 / 2.0 {
                groups.push((centre, members));
                break;
            }
            members.append(&mut group.1);
            group =
                (members.iter().map(|i| wanted[*i]).sum::<f64>() / members.len() as f64, members);
        }
        groups.push(group);
    }
    let mut places = wanted.to_vec();
    for (centre, members) in groups {
        let first = centre - gap * (members.len() - 1) as f64 / 2.0;
        for (k, i) in members.into_iter().enumerate() {
            places[i] = first + gap * k as f64;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_near_their_lines_and_do_not_overlap() {
        assert_eq!(spread(&[50.0, 20.0], 15.0, 0.0, 100.0), [50.0, 20.0]);
        assert_eq!(spread(&[50.0, 50.0], 10.0, 0.0, 100.0), [45.0, 55.0]);
        assert_eq!(spread(&[52.0, 50.0, 100.0], 10.0, 0.0, 100.0), [56.0, 46.0, 100.0]);
        for wanted in [vec![1.0, 2.0, 3.0, 4.0, 99.0, 98.0], vec![0.0; 7]] {
            let mut places = spread(&wanted, 15.0, 0.0, 100.0);
            assert!(places.iter().all(|p| (-1e-9..=100.0 + 1e-9).contains(p)), "{places:?}");
            places.sort_by(f64::total_cmp);
            assert!(places.windows(2).all(|w| w[1] - w[0] >= 15.0 - 1e-9), "{places:?}");
        }
    }
}
