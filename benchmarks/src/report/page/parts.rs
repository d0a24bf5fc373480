//! Parts of the page.

use maud::{Markup, html};

use crate::{
    report::{
        content::Report,
        figures::Figure,
        looks::Look,
        markdown::group,
        settings::Change,
        verdict::Finding,
        words::{count, decimals, duration, ends, number},
    },
    study::Study,
};

/// Where to go, and the choice of day or night.
pub(super) fn top() -> Markup {
    let places = [
        ("verdict", "Verdict"),
        ("methods", "Methods"),
        ("figures", "Figures"),
        ("runs", "Runs"),
        ("configurations", "Configurations"),
    ];
    html! {
        nav {
            div class="places" { @for (id, name) in places { a href={ "#" (id) } { (name) } } }
            fieldset class="light" {
                legend { "Colours" }
                @for (id, name) in [("by-system", "auto"), ("by-day", "light"), ("by-night", "dark")] {
                    input type="radio" name="light" id=(id) checked[id == "by-system"];
                    label for=(id) { (name) }
                }
            }
        }
    }
}

/// More methods than this are named, and their numbers can be opened.
const MANY: usize = 8;

pub(super) fn verdict(report: &Report) -> Markup {
    let Report { study, verdict, .. } = report;
    let name = |finding: &Finding| study.methods[finding.method].name.clone();
    let names = |findings: &[Finding]| findings.iter().map(name).collect::<Vec<_>>().join(", ");
    let list = |findings: &[Finding]| {
        html! {
            ul {
                @for finding in findings {
                    li { b { (name(finding)) } @for words in &finding.words { " " span { (words) } } }
                }
            }
        }
    };
    html! {
        section id="verdict" {
            h2 { "Verdict" }
            p class="headline" { (verdict.headline) }
            @for (gain, findings) in &verdict.groups {
                div class={ "group " (gain.class()) } {
                    h3 { span aria-hidden="true" { (gain.sign()) } " " (group(*gain)) " " (of(findings.len(), "method")) }
                    @if findings.len() > MANY {
                        p { (names(findings)) }
                        details { summary { "their gains" } (list(findings)) }
                    } @else { (list(findings)) }
                }
            }
            @for note in &verdict.notes { p class="note" { (note) } }
        }
    }
}

pub(super) fn failures(study: &Study) -> Markup {
    html! {
        @if !study.failures.is_empty() {
            section id="failures" {
                h2 { "Runs left out" }
                details open[study.failures.len() <= 6] {
                    summary { (of(study.failures.len(), "run")) " missing from all that follows" }
                    div class="scroll" tabindex="0" {
                        table {
                            thead { tr { th { "method" } th { "seed" } th { "why" } } }
                            tbody {
                                @for failure in &study.failures {
                                    tr {
                                        th scope="row" { (failure.method) }
                                        td { (failure.seed) }
                                        td class="words" { (failure.what) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A box for each method: which are highlighted.
pub(super) fn legend(study: &Study, looks: &[Look]) -> Markup {
    html! {
        fieldset class="legend" {
            legend { "Highlighted methods" }
            div class="boxes" {
                @for (method, look) in study.methods.iter().zip(looks) {
                    label title=(method.about) {
                        input type="checkbox" id={ "on-" (look.class) } checked[look.on]
                            data-default=[look.on.then_some("on")];
                        svg class="sample" viewBox="0 0 26 10" aria-hidden="true" {
                            line x1="0" y1="5" x2="26" y2="5" style=(format!(
                                "stroke:var(--{});stroke-width:2.5;stroke-dasharray:{}", look.colour, look.dash
                            )) {}
                        }
                        span { (method.name) }
                    }
                }
            }
            div class="choices" {
                @for (choice, name) in [("all", "all"), ("none", "none"), ("default", "as at first")] {
                    button type="button" data-choice=(choice) { (name) }
                }
            }
        }
    }
}

pub(super) fn figure(figure: &Figure) -> Markup {
    let Figure { id, title, caption, wide, narrow } = figure;
    html! {
        figure id={ "figure-" (id) } {
            h3 { (title) }
            (wide.inline("wide", title))
            (narrow.inline("narrow", title))
            figcaption {
                (caption) " "
                span class="files" {
                    a href={ "figures/" (id) ".svg" } { "SVG" } " " a href={ "figures/" (id) ".png" } { "PNG" }
                }
            }
        }
    }
}

/// Links to all runs.
pub(super) fn runs(report: &Report) -> Markup {
    let Report { study, links, .. } = report;
    html! {
        section id="runs" {
            h2 { "Runs" }
            @for (i, (method, links)) in study.methods.iter().zip(links).enumerate() {
                details {
                    summary {
                        b { (method.name) } " " (of(method.runs.len(), "run")) " "
                        span class="count" { (duration(method.runs.iter().map(|r| r.wall_s).sum())) " in all" }
                    }
                    div class="scroll" tabindex="0" {
                        table {
                            thead { tr {
                                th { "seed" } th class="number" { "final" } th class="number" { "took" }
                                th { "folder" }
                            } }
                            tbody {
                                @let places = decimals(ends(study, i));
                                @for (run, link) in method.runs.iter().zip(links) {
                                    @let last = crate::measures::final_performance;
                                    tr {
                                        th scope="row" { (run.seed) }
                                        td class="number" {
                                            @if run.curve.is_empty() { "–" }
                                            @else { (number(last(&run.curve, study.score.final_share), places)) }
                                        }
                                        td class="number" { (duration(run.wall_s)) }
                                        td { a href=(link) { (run.dir.display()) } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn configurations(report: &Report) -> Markup {
    let Report { study, changes, .. } = report;
    html! {
        section id="configurations" {
            h2 { "Configurations" }
            @for (method, changes) in study.methods.iter().zip(changes) {
                details {
                    summary {
                        b { (method.name) } " "
                        @if method.baseline { span class="count" { "baseline" } }
                        @if let Some(changes) = changes { (of(changes.len(), "difference")) " " span class="count" { "to the baseline" } }
                    }
                    @if !method.about.is_empty() { p { (method.about) } }
                    @if let Some(changes) = changes { @if !changes.is_empty() { (differences(changes)) } }
                    pre tabindex="0" { code { (method.config) } }
                }
            }
        }
    }
}

fn differences(changes: &[Change]) -> Markup {
    let value = |value: &Option<String>| {
        html! {
            td { @match value { Some(value) => code { (value) }, None => span class="nothing" { "–" } } }
        }
    };
    html! {
        div class="scroll" tabindex="0" {
            table class="changes" {
                thead { tr { th { "key" } th { "baseline" } th { "this method" } } }
                tbody {
                    @for (key, base, own) in changes {
                        tr { th scope="row" { code { (key) } } (value(base)) (value(own)) }
                    }
                }
            }
        }
    }
}

pub(super) fn made_with(report: &Report) -> Markup {
    let files = [
        ("data/curves.csv", "every point of every curve"),
        ("data/runs.csv", "every number of every run"),
        ("data/summary.json", "tables and intervals"),
        ("data/study.json", "all this was made from"),
        ("report.md", "this report as Markdown"),
    ];
    html! {
        footer {
            dl class="story" {
                @for (name, value) in report.about.listed() { div { dt { (name) } dd { (value) } } }
            }
            ul class="files" { @for (file, what) in files { li { a href=(file) { (file) } " " (what) } } }
            noscript { p { "Without scripts, tables cannot be sorted and no values are shown under the pointer." } }
        }
    }
}

/// `3 methods` and the like, for summaries of what can be opened.
fn of(n: usize, what: &str) -> Markup {
    html! { span class="count" { (count(n, what)) } }
}
