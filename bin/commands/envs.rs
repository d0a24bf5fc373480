//! `supple envs`: a table, read off the environments themselves, and what is missing for the rest.

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::Result;
use envs::{ActionSpace, Env, Kwargs, Registry, Space};

use crate::output::print;

const HEADER: [&str; 5] = ["ID", "OBSERVATION", "ACTION", "TIME LIMIT", "KWARGS"];

pub(super) fn run(registry: &Registry) -> Result<ExitCode> {
    print(&listing(registry))?;
    Ok(ExitCode::SUCCESS)
}

/// A block of lines for each namespace, then a line for each reason why some cannot be made.
fn listing(registry: &Registry) -> String {
    let mut groups: BTreeMap<&str, Vec<[String; 5]>> = BTreeMap::new();
    let mut missing: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for id in registry.ids() {
        match row(registry, id) {
            Ok(row) => groups.entry(namespace(id)).or_default().push(row),
            Err(why) => missing.entry(why).or_default().push(id),
        }
    }
    for (id, why) in registry.missing() {
        missing.entry(why.to_owned()).or_default().push(id);
    }
    for prefix in registry.families() {
        let row = [format!("{prefix}..."), dash(), dash(), dash(), String::new()];
        groups.entry(namespace(prefix)).or_default().push(row);
    }

    let header = HEADER.map(str::to_owned);
    let rows = || groups.values().flatten().chain([&header]);
    let widths: [usize; 5] =
        std::array::from_fn(|i| rows().map(|row| row[i].chars().count()).max().unwrap_or(0));
    let mut lines = vec![line(&header, widths)];
    for (i, group) in groups.values().enumerate() {
        lines.extend((i > 0).then(String::new));
        lines.extend(group.iter().map(|row| line(row, widths)));
    }
    if !missing.is_empty() {
        lines.extend([String::new(), "cannot be made here:".to_owned()]);
    }
    lines.extend(missing.iter().map(|(why, ids)| format!("  {}: {why}", ids.join(", "))));
    lines.join("\n")
}

/// What comes before the first `/` or `:`; nothing for environments of Gymnasium's own names.
fn namespace(id: &str) -> &str {
    id.split_once(['/', ':']).map_or("", |(namespace, _)| namespace)
}

fn line([id, obs, action, steps, kwargs]: &[String; 5], [a, b, c, d, _]: [usize; 5]) -> String {
    let line = format!("{id:a$}  {obs:b$}  {action:c$}  {steps:>d$}  {kwargs}");
    line.trim_end().to_owned()
}

fn dash() -> String {
    "-".to_owned()
}

/// What the environment says of itself, or why it cannot be made (a missing installation, say).
fn row(registry: &Registry, id: &str) -> Result<[String; 5], String> {
    let mut env = registry.make(id, &Kwargs::new()).map_err(|error| {
        let text = error.to_string();
        let why = text.lines().next().unwrap_or_default();
        why.strip_prefix(&format!("environment '{id}': ")).unwrap_or(why).to_owned()
    })?;
    let spec = env.spec();
    let steps = spec.time_limit.map_or_else(dash, |n| n.to_string());
    let kwargs = kwargs(registry, id, env.as_mut());
    Ok([id.to_owned(), observation(&spec.obs), action(&spec.action), steps, kwargs])
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

/// Constants with their values, those of a group together, then what else the constructor takes.
fn kwargs(registry: &Registry, id: &str, env: &mut dyn Env) -> String {
    let mut words = Vec::new();
    if let Some(params) = env.params() {
        for name in params.names() {
            // Bodies and actuators of a robot are many.
            let word = if let Some((group, _)) = name.split_once('/') {
                format!("{group}/...")
            } else {
                let value = params.get(name).map_or("?".to_owned(), |value| value.to_string());
                format!("{name}={value}")
            };
            if words.last() != Some(&word) {
                words.push(word);
            }
        }
    }
    words.extend(registry.kwargs(id).unwrap_or_default().iter().cloned());
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use envs::{CartPole, EnvError, Pendulum};

    use super::*;

    #[test]
    fn namespaces_families_and_what_is_missing() {
        let mut registry = Registry::default();
        registry.insert("zoo/b", || Ok(CartPole::default()));
        registry.insert("zoo/a", || Ok(Pendulum::default()));
        registry.insert("Plain-v0", || Ok(CartPole::default()));
        for id in ["Ant", "zoo/ant"] {
            registry.insert(id, || Err::<Pendulum, EnvError>("no ants here\nat all".into()));
        }
        registry.insert("Bee", || Err::<Pendulum, EnvError>("no bees here".into()));
        registry.insert_family("python:", |_, _| Err("never made".into()));

        let text = listing(&registry);
        let firsts: Vec<&str> =
            text.lines().map(|line| line.split("  ").next().unwrap_or_default()).collect();
        assert_eq!(firsts[..8], ["ID", "Plain-v0", "", "python:...", "", "zoo/a", "zoo/b", ""]);
        let rest: Vec<&str> = text.lines().skip(8).collect();
        let missing =
            ["cannot be made here:", "  Ant, zoo/ant: no ants here", "  Bee: no bees here"];
        assert_eq!(rest, missing, "{text}");
    }
}
