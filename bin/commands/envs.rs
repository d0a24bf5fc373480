//! `supple envs`: a table, read off the environments themselves.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Result;
use envs::{ActionSpace, Env, Kwargs, Registry, Space};

use crate::output::print;

const HEADER: [&str; 5] = ["ID", "OBSERVATION", "ACTION", "TIME LIMIT", "KWARGS"];

pub(super) fn run(registry: &Registry) -> Result<ExitCode> {
    let mut rows = vec![HEADER.map(str::to_owned)];
    rows.extend(registry.ids().map(|id| row(registry, id)));
    let widths: [usize; 5] =
        std::array::from_fn(|i| rows.iter().map(|r| r[i].chars().count()).max().unwrap_or(0));
    let lines: Vec<String> = rows
        .iter()
        .map(|[id, obs, action, steps, kwargs]| {
            let [a, b, c, d, _] = widths;
            let line = format!("{id:a$}  {obs:b$}  {action:c$}  {steps:>d$}  {kwargs}");
            line.trim_end().to_owned()
        })
        .collect();
    let mut missing: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (id, reason) in registry.missing() {
        missing.entry(reason).or_default().push(id);
    }
    let missing =
        missing.iter().map(|(reason, ids)| format!("\nmissing, as {reason}:\n  {}", ids.join(" ")));
    print(&lines.into_iter().chain(missing).collect::<Vec<_>>().join("\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// What the environment says of itself; of one that cannot be made (a missing installation, say),
/// why not.
fn row(registry: &Registry, id: &str) -> [String; 5] {
    match registry.make(id, &Kwargs::new()) {
        Ok(mut env) => {
            let spec = env.spec();
            let steps = spec.time_limit.map_or("-".to_owned(), |n| n.to_string());
            let kwargs = kwargs(registry, id, env.as_mut());
            [id.to_owned(), observation(&spec.obs), action(&spec.action), steps, kwargs]
        }
        Err(error) => {
            let dash = || "-".to_owned();
            let text = error.to_string();
            let why = text.lines().next().unwrap_or_default();
            [id.to_owned(), dash(), dash(), dash(), format!("cannot be made: {why}")]
        }
    }
}

fn observation(space: &Space) -> String {
    match space.shape.as_slice() {
        [1] => "1 number".to_owned(),
        [n] => format!("{n} numbers"),
        shape => shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x "),
    }
}

fn action(space: &ActionSpace) -> String {
    match space {
        ActionSpace::Discrete(1) => "1 choice".to_owned(),
        ActionSpace::Discrete(n) => format!("{n} choices"),
        ActionSpace::Box { low, .. } if low.len() == 1 => "1 number".to_owned(),
        ActionSpace::Box { low, .. } => format!("{} numbers", low.len()),
    }
}

/// Constants with their values, then what else the constructor takes.
fn kwargs(registry: &Registry, id: &str, env: &mut dyn Env) -> String {
    let mut words = Vec::new();
    if let Some(params) = env.params() {
        for name in params.names() {
            let value = params.get(name).map_or("?".to_owned(), |value| value.to_string());
            words.push(format!("{name}={value}"));
        }
    }
    words.extend(registry.kwargs(id).unwrap_or_default().iter().cloned());
    words.join(" ")
}
