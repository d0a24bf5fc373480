//! Tables, for pages and for Markdown.

use maud::{Markup, html};

use super::{
    looks::Look,
    words::{self, bounds, decimals, gain_of, number, of_measure, shared_seeds, signed},
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

/// `None` where there is nothing to say.
type Cell = Option<Value>;

struct Value {
    sort: f64,
    main: String,
    /// The interval, or what it is compared with.
    beside: String,
    class: &'static str,
}

impl Value {
    /// A number of a method with so many runs: one run has no interval.
    fn of(value: Interval, places: usize, runs: usize) -> Value {
        let beside = if runs > 1 { bounds(value, places) } else { String::new() };
        Value { sort: value.point, main: number(value.point, places), beside, class: "" }
    }
}

type Pick = fn(&MethodSummary) -> Option<Interval>;

/// Performance, and what was gained over the baseline.
pub(super) fn performance(study: &Study, summary: &Summary, looks: &[Look]) -> Table {
    let rows = summary.methods.iter().take(study.methods.len());
    let mut columns = vec![Column {
        head: "seeds".to_owned(),
        help: "finished runs".to_owned(),
        cells: rows.clone().map(|m| Some(seeds(m.runs))).collect(),
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
        let cell = |(i, value): (usize, &Option<Interval>)| {
            let gain = gain_of(study, i, (*value)?, none);
            let plain = Value::of((*value)?, places, shared_seeds(study, i));
            let point = if none == 0.0 { signed(plain.sort, places) } else { plain.main };
            let main = format!("{} {point}", gain.sign());
            Some(Value { main, class: gain.class(), ..plain })
        };
        push(&mut columns, head, help, values.iter().enumerate().map(cell).collect());
    }
    let anchors: Vec<Option<Anchor>> = study.methods.iter().map(|m| m.anchor).collect();
    let places = decimals(anchors.iter().flatten().map(|a| a.mean));
    let cell = |(anchor, row): (&Option<Anchor>, &MethodSummary)| {
        let Anchor { mean, se, seeds } = (*anchor)?;
        let distance = row.anchor.map(|(_, distance)| distance);
        Some(Value {
            sort: distance.unwrap_or(f64::MIN),
            main: distance.map_or("–".to_owned(), |d| format!("{} SE", signed(d, 1))),
            beside: format!(
                "{} ± {} ({})",
                number(mean, places),
                number(se, places),
                words::count(seeds as usize, "seed")
            ),
            class: "",
        })
    };
    let help = "what others found (mean ± standard error), and how far final performance is from it in standard \
                errors of the difference, above 0 if better";
    push(&mut columns, "anchor", help, anchors.iter().zip(rows).map(cell).collect());
    Table { columns, rows: names(study, looks) }
}

/// The measures of continual learning. `None` if there is none of them.
pub(super) fn continual(study: &Study, summary: &Summary, looks: &[Look]) -> Option<Table> {
    let measures = [
        Measure::TaskEnds,
        Measure::AllTasks,
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
    let rows = values.iter().zip(&summary.methods);
    let cells = rows.map(|(value, row)| Some(Value::of((*value)?, places, row.runs))).collect();
    let (head, help) = of_measure(measure);
    let mut columns = Vec::new();
    push(&mut columns, head, help, cells);
    columns.pop()
}

/// Adds a column if anything is in it.
fn push(columns: &mut Vec<Column>, head: &str, help: &str, cells: Vec<Cell>) {
    if cells.iter().any(Option::is_some) {
        columns.push(Column { head: head.to_owned(), help: help.to_owned(), cells });
    }
}

fn names(study: &Study, looks: &[Look]) -> Vec<Row> {
    let row = |(method, look): (&crate::study::Method, &Look)| Row {
        name: method.name.clone(),
        note: match (method.baseline, method.fresh) {
            (true, _) => "baseline",
            (_, true) if method.name != "fresh" => "fresh",
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
                                @for column in &self.columns { (html_of(&column.cells[i])) }
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
                &row(std::iter::once(first)
                    .chain(self.columns.iter().map(|c| markdown_of(&c.cells[i]))));
        }
        text
    }
}

fn seeds(runs: usize) -> Value {
    Value { sort: runs as f64, main: runs.to_string(), beside: String::new(), class: "" }
}

fn html_of(cell: &Cell) -> Markup {
    let Some(Value { sort, main, beside, class }) = cell else {
        return html! { td class="number nothing" { "–" } };
    };
    html! {
        td class={ "number " (class) } data-sort=(sort) {
            span class="main" { (main) }
            @if !beside.is_empty() { " " span class="beside" { (beside) } }
        }
    }
}

fn markdown_of(cell: &Cell) -> String {
    cell.as_ref()
        .map_or("–".to_owned(), |v| format!("{} {}", v.main, v.beside).trim_end().to_owned())
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
