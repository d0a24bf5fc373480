//! Names of methods in a study of plain run folders, which has no names of its own.

use std::{collections::BTreeSet, path::Path};

use super::folder::{Folder, Settings};

/// Most keys of the configuration in a name.
const KEYS_IN_NAME: usize = 3;

/// For each group the name its folders share without their numbers; where groups share one, or it says
/// nothing, with the keys that tell those apart.
pub(super) fn names(groups: &[Vec<Folder>]) -> Vec<String> {
    let stems: Vec<String> = groups.iter().map(|group| stem(group)).collect();
    let name = |(group, stem): (&Vec<Folder>, &String)| {
        let config = &group[0].config;
        let same = groups.iter().zip(&stems).filter(|(_, other)| *other == stem);
        let same: Vec<_> = same.map(|(group, _)| &group[0].config).collect();
        if same.len() > 1 {
            format!("{stem} {}", settings(config, &telling(&same))).trim().to_owned()
        } else if stem.is_empty() {
            config.get("agent.kind").map_or("runs", String::as_str).to_owned()
        } else {
            stem.clone()
        }
    };
    groups.iter().zip(&stems).map(name).collect()
}

/// The name of a group's folders without their numbers, or of the folder they are in if they only number
/// seeds, as in a grid; empty if there are several, or it says nothing.
fn stem(group: &[Folder]) -> String {
    let name = |dir: Option<&Path>| Some(dir?.file_name()?.to_string_lossy().into_owned());
    let stem = |folder: &Folder| {
        let own = name(Some(&folder.dir))?;
        match stem_and_number(&own) {
            ("seed", Some(_)) => name(folder.dir.parent()),
            ("run" | "task", Some(_)) => None,
            (stem, _) => Some(stem.to_owned()),
        }
    };
    let stems: BTreeSet<Option<String>> = group.iter().map(stem).collect();
    match stems.into_iter().collect::<Vec<_>>().as_slice() {
        [Some(stem)] => stem.clone(),
        _ => String::new(),
    }
}

/// The keys in which configurations differ; of many, the few that are enough to tell them apart, those
/// first that tell most.
fn telling(configs: &[&Settings]) -> Vec<String> {
    let mut left = differing(configs.iter().copied());
    if left.len() <= KEYS_IN_NAME {
        return left;
    }
    let classes = |keys: &[String]| {
        let values = configs.iter().map(|c| keys.iter().map(|k| c.get(k)).collect::<Vec<_>>());
        values.collect::<BTreeSet<_>>().len()
    };
    let mut keys: Vec<String> = Vec::new();
    while classes(&keys) < configs.len() {
        let with = |key: &String| classes(&[keys.as_slice(), std::slice::from_ref(key)].concat());
        // The last of equals is taken: turned round, that is the first by name.
        let Some(best) = (0..left.len()).rev().max_by_key(|&i| with(&left[i])) else { break };
        keys.push(left.remove(best));
    }
    keys
}

/// Keys that do not have the same value everywhere.
pub(super) fn differing<'a>(configs: impl Iterator<Item = &'a Settings>) -> Vec<String> {
    let configs: Vec<_> = configs.collect();
    let keys: BTreeSet<&String> = configs.iter().flat_map(|c| c.keys()).collect();
    let differs = |key: &&String| configs.iter().any(|c| c.get(*key) != configs[0].get(*key));
    keys.into_iter().filter(differs).cloned().collect()
}

/// `agent.gamma=0.9, agent.tau=0.01`; a key that is not there has no value.
pub(super) fn settings(config: &Settings, keys: &[String]) -> String {
    let setting = |key: &String| format!("{key}={}", config.get(key).map_or("", String::as_str));
    keys.iter().map(setting).collect::<Vec<_>>().join(", ")
}

/// `sac-Pendulum-3` is the third of `sac-Pendulum`.
pub(super) fn stem_and_number(name: &str) -> (&str, Option<u64>) {
    match name.rsplit_once('-').map(|(stem, number)| (stem, number.parse())) {
        Some((stem, Ok(number))) => (stem, Some(number)),
        _ => (name, None),
    }
}
