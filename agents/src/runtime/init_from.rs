//! A new run that starts from another run's weights: networks that fit, and running statistics.
//!
//! What belongs to the other run's course stays behind: optimiser moments, step counts, ages of units, the
//! returns of its unfinished episodes. What an intervention recorded of its first weights comes along, so that
//! a pull towards them (L2-init) pulls to where the other run's did.

use std::collections::{BTreeMap, BTreeSet};

use networks::params::StateDict;

use crate::agent::Agent;

/// What became of each part of an agent: `actor`, `critic`, `target`, `normalize/obs`, ...
#[derive(Debug, Default, PartialEq, Eq)]
pub struct InitReport {
    /// Parts that were taken over.
    pub taken: Vec<String>,
    /// Parts that keep their own start, with the reason.
    pub left: Vec<(String, String)>,
}

/// Gives `agent` every part of `source` that fits it.
///
/// # Errors
/// One sentence with the reasons when no part fits, or what the agent refuses.
pub fn init_from(agent: &mut dyn Agent, source: &StateDict) -> Result<InitReport, String> {
    let mut state = StateDict::new();
    agent.save(&mut state);
    let mut parts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for name in state.keys().chain(source.keys()).filter(|name| is_kept(name)) {
        parts.entry(part_of(name)).or_default().insert(name.clone());
    }
    let mut report = InitReport::default();
    for (part, names) in parts {
        if let Some(why) = names.iter().find_map(|name| misfit(name, &state, source)) {
            report.left.push((part, why));
            continue;
        }
        for name in names {
            let value = source[&name].shallow_clone();
            state.insert(name, value);
        }
        report.taken.push(part);
    }
    if report.taken.iter().all(|part| part.starts_with("normalize/")) {
        let why: Vec<String> =
            report.left.iter().map(|(part, why)| format!("{part}: {why}")).collect();
        return Err(format!("no network of it fits this configuration ({})", why.join("; ")));
    }
    agent.load(&state).map_err(|e| e.to_string())?;
    Ok(report)
}

/// Values and what interventions recorded of them, but no moments, counts or births (`#`).
fn is_kept(name: &str) -> bool {
    !name.contains('#') && !name.ends_with("/returns")
}

/// The part of the agent that must fit as a whole.
fn part_of(name: &str) -> String {
    let depth = if name.starts_with("normalize/") { 2 } else { 1 };
    name.split('/').take(depth).collect::<Vec<_>>().join("/")
}

/// Why an array cannot be taken over.
fn misfit(name: &str, state: &StateDict, source: &StateDict) -> Option<String> {
    match (state.get(name), source.get(name)) {
        (Some(own), Some(other)) if own.size() == other.size() => None,
        (Some(own), Some(other)) => {
            Some(format!("`{name}` is {:?} there and {:?} here", other.size(), own.size()))
        }
        (Some(_), None) => Some(format!("`{name}` is not there")),
        _ => Some(format!("`{name}` is not here")),
    }
}
