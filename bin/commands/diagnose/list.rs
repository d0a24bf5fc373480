//! `supple diagnose --list`: what runs log and diagnostics measure, from their descriptors.

use std::process::ExitCode;

use agents::{
    diagnostics::registry::Diagnostics,
    logging::{
        catalog::METRICS,
        descriptor::{Descriptor, Tier},
    },
};
use anyhow::Result;

use crate::output::{print, wrapped};

/// Prints all of them, for people or as a page of the documentation.
pub(in crate::commands) fn run(markdown: bool) -> Result<ExitCode> {
    let diagnostics = Diagnostics::current();
    let groups = groups(&diagnostics);
    print(&if markdown { page(&groups) } else { listing(&groups) })?;
    Ok(ExitCode::SUCCESS)
}

/// A title in Markdown and its descriptors: those of every run, then those of each tier.
fn groups(diagnostics: &Diagnostics) -> Vec<(String, Vec<&Descriptor>)> {
    let mut out = vec![("Every run".to_owned(), METRICS.iter().collect())];
    for tier in Tier::ALL {
        let of_tier = diagnostics.descriptors().filter(|d| d.tier() == Some(tier)).collect();
        out.push((format!("Diagnostics, every `{}`", tier.key()), of_tier));
    }
    out
}

fn unit(d: &Descriptor) -> String {
    if d.is_histogram { format!("{}, histogram", d.unit) } else { d.unit.to_owned() }
}

/// Titles of the dashboard's charts.
fn charts(d: &Descriptor) -> Vec<&'static str> {
    d.charts.iter().map(|line| line.title()).collect()
}

fn listing(groups: &[(String, Vec<&Descriptor>)]) -> String {
    let mut blocks = Vec::new();
    for (title, descriptors) in groups {
        let mut lines = vec![title.replace('`', "")];
        for d in descriptors {
            let when = if d.tier().is_some() { String::new() } else { format!("; {}", d.when) };
            lines.push(format!("  {} [{}{}]", d.tag, unit(d), when.replace('`', "")));
            let text = d.meaning.replace('`', "");
            lines.extend(wrapped(&text, 100).into_iter().map(|line| format!("      {line}")));
            if !d.source.is_empty() {
                lines.push(format!("      {}", d.source));
            }
        }
        blocks.push(lines.join("\n"));
    }
    blocks.join("\n\n")
}

fn page(groups: &[(String, Vec<&Descriptor>)]) -> String {
    let mut lines = vec![
        "# Metrics\n".to_owned(),
        "What a run writes to `metrics.jsonl` and TensorBoard. Capitals in a tag stand for names: MODEL and NET are".to_owned(),
        "`actor` and `critic` for SAC and `q` for DQN, LAYER is a layer such as `q0/hidden_1`, KIND the kind of an".to_owned(),
        "intervention, J a number. In place of a LAYER, `_global` is the whole network. A chart is one of the dashboard".to_owned(),
        "under TensorBoard's tab \"Custom Scalars\". `[diagnostics]` in [configuration.md](configuration.md) says when".to_owned(),
        "diagnostics are due.\n".to_owned(),
        "Made by `supple diagnose --list --markdown`; a program of your own adds to it.".to_owned(),
    ];
    for (title, descriptors) in groups {
        let has_when = descriptors.iter().any(|d| d.tier().is_none());
        let (head, rule) = if has_when { ("when | ", "--- | ") } else { ("", "") };
        lines.push(format!("\n## {title}\n"));
        lines.push(format!("| tag | {head}unit | meaning | source | charts |"));
        lines.push(format!("| --- | {rule}--- | --- | --- | --- |"));
        for d in descriptors {
            let when = if has_when { format!("{} | ", d.when) } else { String::new() };
            let meaning = d.meaning.replace('|', "\\|");
            let (unit, charts) = (unit(d), charts(d).join("; "));
            lines.push(format!(
                "| `{}` | {when}{unit} | {meaning} | {} | {charts} |",
                d.tag, d.source
            ));
        }
    }
    lines.join("\n")
}
