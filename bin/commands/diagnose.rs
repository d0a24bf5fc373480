//! `supple diagnose`: what there is to say about the networks of a checkpoint.

pub(super) mod list;

use std::{collections::BTreeSet, path::Path, process::ExitCode};

use agents::{
    diagnostics::{config::DueTiers, diagnostic::Measure},
    runtime::{learner::Learner, session, streams},
    storage::{checkpoint, run_dir::RunDir},
};
use anyhow::{Result, anyhow, bail};
use envs::Registry;
use networks::{diagnostics::step::WHOLE, random};

use super::earlier_run::{find, same_modules};
use crate::output::print;

pub(super) fn run(
    registry: &Registry,
    path: &Path,
    probe: usize,
    deep: bool,
    json: bool,
) -> Result<ExitCode> {
    let (run, checkpoint) = find(path, true)?;
    let config = RunDir::config(&run)?;
    let spec = session::make_env(&config, registry)().map_err(|e| anyhow!(e))?.spec();
    same_modules(&run, registry)?;
    let mut rng = random::stream(config.seed, streams::INIT);
    let cpu = tch::Device::Cpu;
    let mut agent = config.build_agent(&spec, cpu, &mut rng).map_err(|e| anyhow!(e))?;
    if let Some(init) = checkpoint::read_init(&run)? {
        agent.load(&init.model)?; // distances are from where the run began
    }
    let mut learner = Learner::new(&config, &spec, agent, cpu)?;
    learner.restore(&checkpoint)?;
    let place = checkpoint.path.display();
    if learner.counters.updates == 0 {
        bail!("{place} has no update behind it yet, so there is nothing to diagnose; train on");
    }
    let found = learner.measures(probe, DueTiers { curvature: deep, refit: deep, ..DueTiers::ALL });
    if found.is_empty() {
        bail!("the agent of {place} shows no network to diagnose");
    }
    let counters = learner.counters;
    if json {
        let value = serde_json::json!({
            "checkpoint": place.to_string(),
            "steps": counters.env_steps,
            "updates": counters.updates,
            "probe_size": probe,
            "measures": found,
        });
        print(&value.to_string())?;
    } else {
        print(&format!(
            "{place}: {} updates, seen on {probe} transitions from its replay\n\n{}",
            counters.updates,
            tables(&found)
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// For each network a table of its layers' activations, one of their weights, and what there is to
/// say of the whole: a row for each layer, a column for each measure that some layer has.
fn tables(found: &[Measure]) -> String {
    let is_weight = |m: &&Measure| {
        m.measure.starts_with("weight_")
            || ["distance_from_init", "cosine_with_init"].contains(&m.measure)
    };
    let mut out = Vec::new();
    for net in in_order(found.iter().map(|m| m.net.as_str())) {
        let of_net = found.iter().filter(|m| m.net == net);
        let (whole, layers): (Vec<&Measure>, Vec<&Measure>) =
            of_net.partition(|m| m.layer == WHOLE);
        let (weights, units): (Vec<&Measure>, Vec<&Measure>) =
            layers.into_iter().partition(is_weight);
        for (title, list) in [("units", units), ("weights", weights)] {
            if !list.is_empty() {
                out.push(table(&format!("{net} {title}"), &list));
            }
        }
        let mut rows = vec![vec![format!("{net} as a whole"), String::new()]];
        rows.extend(whole.iter().map(|m| vec![m.measure.to_owned(), number(m.value)]));
        out.push(align(&rows));
    }
    out.join("\n\n")
}

fn table(title: &str, list: &[&Measure]) -> String {
    let columns = in_order(list.iter().map(|m| m.measure));
    // The table says already what it is about.
    let short = |column: &str| column.trim_start_matches("weight_").to_owned();
    let header = columns.iter().map(|c| short(c));
    let mut rows = vec![std::iter::once(title.to_owned()).chain(header).collect::<Vec<_>>()];
    for layer in in_order(list.iter().map(|m| m.layer.as_str())) {
        let cell = |column: &&str| {
            let value = list.iter().find(|m| m.layer == layer && m.measure == *column);
            value.map_or("-".to_owned(), |m| number(m.value))
        };
        rows.push(std::iter::once(layer.to_owned()).chain(columns.iter().map(cell)).collect());
    }
    align(&rows)
}

/// Each once, in the order of first appearance.
fn in_order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    names.filter(|name| seen.insert(*name)).collect()
}

/// Whole numbers as such, others to four significant digits or so.
fn number(x: f64) -> String {
    match x.abs() {
        _ if x == x.trunc() => format!("{x}"),
        size if size >= 1e6 || (size > 0.0 && size < 1e-3) => format!("{x:.2e}"),
        size if size >= 100.0 => format!("{x:.0}"),
        size if size >= 1.0 => format!("{x:.2}"),
        _ => format!("{x:.4}"),
    }
}

/// The first column to the left, the others to the right.
fn align(rows: &[Vec<String>]) -> String {
    let width = |i: usize| rows.iter().map(|row| row[i].len()).max().unwrap_or(0);
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(i, cell)| match i {
            0 => format!("{cell:<width$}", width = width(0)),
            _ => format!("{cell:>width$}", width = width(i)),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
