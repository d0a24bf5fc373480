//! The report as one page that needs nothing else.
//!
//! What can be done without a script is: colours by day and night and the choice of methods are CSS, so
//! the page can be read without one. The script shows values, sorts tables and moves names.

mod parts;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    content::Report,
    data,
    drawing::palette::{DARK, LIGHT},
    drawing::scale::minus,
    drawing::svg::FIGURE_CSS,
    figures::Figure,
    looks::page_css,
    table::{continual, performance},
    words::steps,
};

/// Nothing may be loaded: also not by what a name or a configuration smuggles in.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

/// The whole page.
pub(super) fn document(report: &Report, figures: &[Figure]) -> String {
    let Report { study, summary, looks, .. } = report;
    let table = performance(study, summary, looks);
    let measures = continual(study, summary, looks);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (study.title) }
                style { (PreEscaped(css(report))) }
            }
            body {
                (parts::top())
                main {
                    (head(report))
                    (parts::verdict(report))
                    (parts::failures(study))
                    section id="methods" {
                        h2 { "Methods" }
                        (table.html())
                        (meanings(table.legend()))
                    }
                    @if let Some(table) = &measures {
                        section id="measures" {
                            h2 { "Measures of continual learning" }
                            (table.html())
                            (meanings(table.legend()))
                        }
                    }
                    section id="figures" {
                        h2 { "Figures" }
                        (parts::legend(study, looks))
                        @for figure in figures { (parts::figure(figure)) }
                    }
                    (parts::runs(report))
                    (parts::configurations(report))
                    (parts::made_with(report))
                }
                div id="tip" hidden {}
                script type="application/json" id="data" { (PreEscaped(data::for_script(report))) }
                script { (PreEscaped(include_str!("page.js"))) }
            }
        }
    };
    page.into_string()
}

fn css(report: &Report) -> String {
    let (day, night) = (LIGHT.variables(), DARK.variables());
    let looks = &report.looks;
    let swatches =
        looks.iter().map(|l| format!(".swatch.{}{{background:var(--{})}}", l.class, l.colour));
    format!(
        ":root{{color-scheme:light;{day}}}\
         @media(prefers-color-scheme:dark){{:root{{color-scheme:dark;{night}}}}}\
         :root:has(#by-day:checked){{color-scheme:light;{day}}}\
         :root:has(#by-night:checked){{color-scheme:dark;{night}}}\
         {}{FIGURE_CSS}{}{}",
        include_str!("page.css"),
        swatches.collect::<String>(),
        page_css(looks),
    )
}

fn head(report: &Report) -> Markup {
    let study = report.study;
    let runs: usize = study.methods.iter().map(|m| m.runs.len()).sum();
    let seeds = study.methods.iter().map(|m| m.runs.len()).max().unwrap_or(0);
    let bins = study.methods.iter().flat_map(|m| &m.runs).map(|r| r.curve.len()).max().unwrap_or(0);
    let length = bins as u64 * study.score.bin;
    let facts = [
        Some(("methods", study.methods.len().to_string())),
        Some(("seeds", seeds.to_string())),
        Some(("finished runs", runs.to_string())),
        Some(("failed runs", study.failures.len().to_string())),
        Some(("steps of each run", steps(length))),
        length
            .checked_div(study.score.task_steps)
            .map(|tasks| ("tasks in a row", tasks.to_string())),
    ];
    let story = [
        ("What is done", &study.about),
        ("From", &study.source),
        ("What was found there", &study.expected),
    ];
    html! {
        header {
            p class="suite" { (study.name) }
            h1 { (study.title) }
            dl class="facts" {
                @for (name, value) in facts.into_iter().flatten() {
                    div { dt { (name) } dd { (value) } }
                }
            }
            dl class="story" {
                @for (name, words) in story.into_iter().filter(|(_, words)| !words.trim().is_empty()) {
                    div { dt { (name) } dd { (words) } }
                }
                div {
                    dt { "Performance" }
                    dd {
                        code { (study.score.metric) } ", " (super::words::higher(&study.score))
                        "; normalised with 0 at " (minus(&study.score.low.to_string())) " and 1 at "
                        (minus(&study.score.high.to_string()))
                    }
                }
            }
        }
    }
}

fn meanings<'a>(columns: impl Iterator<Item = (&'a str, &'a str)>) -> Markup {
    html! {
        details class="meanings" {
            summary { "What the columns mean" }
            p { "Numbers in brackets are 95 % bootstrap intervals over seeds." }
            dl { @for (name, help) in columns { div { dt { (name) } dd { (help) } } } }
        }
    }
}
