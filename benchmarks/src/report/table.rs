//! Tables, for pages and for Markdown.

use maud::{Markup, html};

use super::{
    looks::Look,
    words::{self, Gain, bounds, decimals, gain_of, number, of_measure, signed},
};
use crate::{
    study::{Anchor, Study},
    summary::{Interval, Measure, MethodSummary, Summary},
};

/// Rows of methods, columns of numbers.
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Row>,
}

struct Column {
    head: String,
    help: String,
    cells: Vec<Cell>,
}

struct Row {
    name: String,
    note: &'static str,
    class: String,
}

#[derive(Clone)]
enum Cell {
    Nothing,
    Count(usize),
    Number { value: Interval, places: usize },
    Gain { value: Interval, places: usize, gain: Gain, signed: bool },
    Anchor { anchor: Anchor, found: Option<(f64, f64)>, places: usize },
}

type Pick = fn(&MethodSummary) -> Option<Interval>;

/// Performance, and what was gained over the baseline.
pub(super) fn performance(study: &Study, summary: &Summary, looks: &[Look]) -> Table {
    let rows = summary.methods.iter().take(study.methods.len());
    let mut columns = vec![Column {
        head: "seeds".to_owned(),
        help: "finished runs".to_owned(),
        cells: rows.clone().map(|m| Cell::Count(m.runs)).collect(),
    }];
    for measure in [Measure::Final, Measure::Average, Measure::Iqm, Measure::OptimalityGap] {
        columns.extend(of(study, summary, measure));
    }
    let gains: [(&str, &str, f64, Pick); 3] = [
        (
            "final gain",
            "final performance against the baseline's on the same seeds; above 0 is better",
            0.0,
            |m| m.final_gain,
        ),
        ("average gain", "the same of average performance", 0.0, |m| m.average_gain),
        (
            "P(better)",
            "probability that a run of this method ends better than one of the baseline; 0.5 is no difference",
            0.5,
            |m| m.improvement,
        ),
    ];
    for (head, help, none, pick) in gains {
        let values: Vec<Option<Interval>> = rows.clone().map(pick).collect();
        let places = decimals(values.iter().flatten().flat_map(|v| [v.point, v.low, v.high]));
        let places = if none == 0.5 { 2 } else { places };
        let cell = |(i, value): (usize, &Option<Interval>)| match value {
            Some(v) if v.point.is_finite() => Cell::Gain {
                value: *v,
                places,
                gain: gain_of(study, i, *v, none),
                signed: none == 0.0,
            },
            _ => Cell::Nothing,
        };
        push(&mut columns, head, help, values.iter().enumerate().map(cell).collect());
    }
    let anchors: Vec<Option<Anchor>> = study.methods.iter().map(|m| m.anchor).collect();
    let places = decimals(anchors.iter().flatten().map(|a| a.mean));
    let cell = |(anchor, row): (&Option<Anchor>, &MethodSummary)| match anchor {
        Some(anchor) => Cell::Anchor { anchor: *anchor, found: row.anchor, places },
        None => Cell::Nothing,
    };
    let help = "what others found (mean ± standard error), and how far final performance is from it in standard \
                errors of the difference, above 0 if better";
    push(&mut columns, "anchor", help, anchors.iter().zip(rows).map(cell).collect());
    Table { columns, rows: names(study, looks) }
}

/// The measures of continual learning. `None` if there is none of them.
pub(super) fn continual(study: &Study, summary: &Summary, looks: &[Look]) -> Option<Table> {
    let measures = [
        Measure::Recovery,
        Measure::Slope,
        Measure::PlasticityGap,
        Measure::Forgetting,
        Measure::BackwardTransfer,
        Measure::ForwardTransfer,
    ];
    let columns: Vec<Column> = measures.into_iter().filter_map(|m| of(study, summary, m)).collect();
    (!columns.is_empty()).then(|| Table { columns, rows: names(study, looks) })
}

fn of(study: &Study, summary: &Summary, measure: Measure) -> Option<Column> {
    let values: Vec<Option<Interval>> =
        (0..study.methods.len()).map(|i| words::measure(summary, i, measure)).collect();
    let places = decimals(values.iter().flatten().map(|v| v.point));
    let cell = |value: &Option<Interval>| match value {
        Some(v) if v.point.is_finite() => Cell::Number { value: *v, places },
        _ => Cell::Nothing,
    };
    let cells: Vec<Cell> = values.iter().map(cell).collect();
    let (head, help) = of_measure(measure);
    let mut columns = Vec::new();
    push(&mut columns, head, help, cells);
    columns.pop()
}

/// Adds a column if anything is in it.
fn push(columns: &mut Vec<Column>, head: &str, help: &str, cells: Vec<Cell>) {
    if cells.iter().any(|c| !matches!(c, Cell::Nothing)) {
        columns.push(Column { head: head.to_owned(), help: help.to_owned(), cells });
    }
}

fn names(study: &Study, looks: &[Look]) -> Vec<Row> {
    let row = |(method, look): (&crate::study::Method, &Look)| Row {
        name: method.name.clone(),
        note: match (method.baseline, method.fresh) {
            (true, _) => "baseline",
            (_, true) => "fresh",
            _ => "",
        },
        class: look.class.clone(),
    };
    study.methods.iter().zip(looks).map(row).collect()
}

impl Table {
    /// The element of a page. The script sorts by `data-sort`.
    pub(super) fn html(&self) -> Markup {
        html! {
            div class="scroll" tabindex="0" {
                table class="sortable" {
                    thead { tr {
                        th scope="col" { "method" }
                        @for column in &self.columns {
                            th scope="col" class="number" title=(column.help) { (column.head) }
                        }
                    } }
                    tbody {
                        @for (i, row) in self.rows.iter().enumerate() {
                            tr class=[(row.note == "baseline").then_some("is-baseline")] {
                                th scope="row" {
                                    span class={ "swatch " (row.class) } {}
                                    (row.name)
                                    @if !row.note.is_empty() { " " span class="tag" { (row.note) } }
                                }
                                @for column in &self.columns { (column.cells[i].html()) }
                            }
                        }
                    }
                }
            }
        }
    }

    /// What each column means.
    pub(super) fn legend(&self) -> impl Iterator<Item = (&str, &str)> {
        self.columns.iter().map(|c| (c.head.as_str(), c.help.as_str()))
    }

    /// The table in Markdown.
    pub(super) fn markdown(&self) -> String {
        let heads = self.columns.iter().map(|c| markdown_text(&c.head));
        let mut text = row(std::iter::once("method".to_owned()).chain(heads));
        text +=
            &row(std::iter::once("---".to_owned())
                .chain(self.columns.iter().map(|_| "---:".to_owned())));
        for (i, Row { name, note, .. }) in self.rows.iter().enumerate() {
            let note = if note.is_empty() { String::new() } else { format!(" ({note})") };
            let first = format!("{}{note}", markdown_text(name));
            text +=
                &row(std::iter::once(first).chain(self.columns.iter().map(|c| c.cells[i].text())));
        }
        text
    }
}

impl Cell {
    fn html(&self) -> Markup {
        let cell = |sort: f64, class: &str, main: &str, beside: &str| {
            html! {
                td class={ "number " (class) } data-sort=(sort) {
                    span class="main" { (main) }
                    @if !beside.is_empty() { " " span class="beside" { (beside) } }
                }
            }
        };
        match self {
            Cell::Nothing => html! { td class="number nothing" { "–" } },
            Cell::Count(n) => cell(*n as f64, "", &n.to_string(), ""),
            Cell::Number { value, places } => {
                cell(value.point, "", &number(value.point, *places), &bounds(*value, *places))
            }
            Cell::Gain { value, places, gain, .. } => cell(
                value.point,
                gain.class(),
                &format!("{} {}", gain.sign(), self.gained(value.point)),
                &bounds(*value, *places),
            ),
            Cell::Anchor { anchor, found, places } => cell(
                found.map_or(f64::MIN, |(_, distance)| distance),
                "",
                &found.map_or("–".to_owned(), |(_, distance)| {
                    format!("{} SE", signed(distance, 1))
                }),
                &format!("{} ± {}", number(anchor.mean, *places), number(anchor.se, *places)),
            ),
        }
    }

    fn gained(&self, value: f64) -> String {
        match self {
            Cell::Gain { places, signed: true, .. } => signed(value, *places),
            Cell::Gain { places, .. } => number(value, *places),
            _ => String::new(),
        }
    }

    fn text(&self) -> String {
        match self {
            Cell::Nothing => "–".to_owned(),
            Cell::Count(n) => n.to_string(),
            Cell::Number { value, places } => words::with_interval(*value, *places),
            Cell::Gain { value, places, gain, .. } => {
                format!("{} {} {}", gain.sign(), self.gained(value.point), bounds(*value, *places))
            }
            Cell::Anchor { anchor, found, places } => {
                let distance =
                    found.map_or("–".to_owned(), |(_, d)| format!("{} SE", signed(d, 1)));
                format!(
                    "{distance} from {} ± {} ({})",
                    number(anchor.mean, *places),
                    number(anchor.se, *places),
                    words::count(anchor.seeds as usize, "seed")
                )
            }
        }
    }
}

/// A line of a table in Markdown.
pub(super) fn row(cells: impl IntoIterator<Item = String>) -> String {
    let cells: Vec<String> = cells.into_iter().collect();
    format!("| {} |\n", cells.join(" | "))
}

/// `words` that mean nothing to Markdown or HTML, on one line.
pub(super) fn markdown_text(words: &str) -> String {
    let mut text = String::with_capacity(words.len());
    for c in words.chars() {
        match c {
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '&' => text.push_str("&amp;"),
            '|' | '\\' | '`' | '*' | '[' | ']' | '#' => text.extend(['\\', c]),
            c if c.is_whitespace() => text.push(' '),
            c if c.is_control() => {}
            c => text.push(c),
        }
    }
    text.trim().to_owned()
}
