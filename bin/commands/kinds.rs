//! `supple kinds`: what a configuration can name by `kind`, with source and keys.

use std::process::ExitCode;

use agents::algorithms::AlgorithmSettings;
use anyhow::Result;
use networks::{
    init::InitSettings,
    interventions::InterventionSettings,
    layers::{activation::Activation, norm::NormSettings, reparam::ReparamSettings},
    network::ArchSettings,
    optim::OptimSettings,
    registry::{Entry, Open, Registries},
};

use crate::output::{print, wrapped};

/// Prints all families, for people or as a page of the documentation.
pub(super) fn run(markdown: bool) -> Result<ExitCode> {
    let registries = Registries::current();
    print(&if markdown { page(&registries) } else { listing(&registries) })?;
    Ok(ExitCode::SUCCESS)
}

/// One part of any family.
struct Row {
    kind: &'static str,
    summary: &'static str,
    source: &'static str,
    keys: &'static [&'static str],
}

fn row<T: ?Sized>(entry: &Entry<T>) -> Row {
    Row { kind: entry.kind, summary: entry.summary, source: entry.source, keys: entry.keys }
}

/// A family under its key in a configuration, its parts in the order of the alphabet.
fn family<T: Open + ?Sized>(
    key: &'static str,
    registries: &Registries,
) -> (&'static str, Vec<Row>) {
    (key, registries.family::<T>().entries().map(row).collect())
}

/// Each family.
fn families(registries: &Registries) -> Vec<(&'static str, Vec<Row>)> {
    vec![
        family::<dyn AlgorithmSettings>("agent", registries),
        family::<dyn ArchSettings>("agent.*.arch", registries),
        family::<dyn Activation>("agent.*.arch.activation", registries),
        family::<dyn NormSettings>("agent.*.arch.norm", registries),
        family::<dyn InitSettings>("agent.*.arch.init", registries),
        family::<dyn ReparamSettings>("agent.*.arch.weight", registries),
        family::<dyn OptimSettings>("agent.*.optim", registries),
        family::<dyn InterventionSettings>("agent.*.interventions", registries),
    ]
}

fn listing(registries: &Registries) -> String {
    let families = families(registries);
    let kinds = families.iter().flat_map(|(_, rows)| rows).map(|row| row.kind.len());
    let width = kinds.max().unwrap_or(0);
    let mut blocks = Vec::new();
    for (family, rows) in &families {
        let mut lines = vec![(*family).to_owned()];
        for Row { kind, summary, source, keys } in rows {
            let keys =
                if keys.is_empty() { String::new() } else { format!("keys: {}", keys.join(", ")) };
            let texts = [*summary, *source, &keys];
            let texts = texts.iter().flat_map(|text| wrapped(text, 96));
            for (first, line) in texts.enumerate() {
                let kind = if first == 0 { kind } else { "" };
                lines.push(format!("  {kind:width$}  {line}"));
            }
        }
        blocks.push(lines.join("\n"));
    }
    blocks.join("\n\n")
}

fn page(registries: &Registries) -> String {
    let mut lines = vec![
        "# Kinds\n".to_owned(),
        "What a configuration can name by `kind`, as `supple kinds` lists it; a program of your own adds to it."
            .to_owned(),
        "Made by `supple kinds --markdown`.".to_owned(),
    ];
    for (family, rows) in families(registries) {
        lines.push(format!("\n## `{family}`\n"));
        lines.push("| kind | what it does | source | keys |".to_owned());
        lines.push("| --- | --- | --- | --- |".to_owned());
        for Row { kind, summary, source, keys } in rows {
            let summary = summary.replace('|', "\\|");
            let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
            lines.push(format!("| `{kind}` | {summary} | {source} | {} |", keys.join(", ")));
        }
    }
    lines.join("\n")
}
