//! A run folder before its curve is loaded: its configuration, and what it recorded.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use agents::config::Config;

use super::load;

/// A configuration: values by dotted keys, without seeds.
pub(super) type Settings = BTreeMap<String, String>;

/// A run before it is loaded.
pub(super) struct Folder {
    pub(super) dir: PathBuf,
    pub(super) seed: u64,
    pub(super) text: String,
    /// Keys and values without seeds and checkpoints: equal for the runs of one method.
    pub(super) config: Settings,
    pub(super) tags: BTreeSet<String>,
    pub(super) last_step: u64,
    pub(super) total_steps: Option<u64>,
    pub(super) eval_every: Option<u64>,
    /// Why it is not in the study.
    pub(super) fault: Option<String>,
}

impl Folder {
    /// Of a run that is looked at up to step `most`.
    pub(super) fn read(dir: PathBuf, most: u64) -> Result<Folder, String> {
        let load::Config { text, table, steps } = load::Config::read(&dir)?;
        let total_steps = steps.map(|steps| steps.min(most));
        let number = |value: Option<&toml::Value>| {
            value.and_then(toml::Value::as_integer).and_then(|n| u64::try_from(n).ok())
        };
        let seed = number(table.get("seed")).unwrap_or(0);
        let eval_every = number(table.get("eval").and_then(|eval| eval.get("every_steps")));
        let mut config = Settings::new();
        flatten("", &toml::Value::Table(whole(&text).unwrap_or(table)), &mut config);
        config.retain(|key, _| !is_seed(key) && !key.starts_with("checkpoint."));

        let (mut tags, mut last_step) = (BTreeSet::new(), 0);
        let read = load::rows(&dir, |_, row| {
            last_step = last_step.max(row.step);
            if row.step > most {
                return Ok(());
            }
            for tag in row.metrics.keys() {
                if !tags.contains(tag.0.as_ref()) {
                    tags.insert(tag.0.clone().into_owned());
                }
            }
            Ok(())
        });
        let whole = total_steps.is_none_or(|total| last_step >= total);
        let fault = if dir.join("result.json").exists() {
            read.err()
        } else if let Some(words) = load::failed(&dir).filter(|_| total_steps.is_none() || !whole) {
            Some(words)
        } else {
            let total = steps.unwrap_or(last_step);
            let unfinished = || {
                format!(
                    "{} did not finish: it is at step {last_step} of {total}; `supple resume` continues it",
                    dir.display()
                )
            };
            read.err().or_else(|| (!whole).then(unfinished))
        };
        Ok(Folder { dir, seed, text, config, tags, last_step, total_steps, eval_every, fault })
    }
}

/// The configuration of an agent with all its defaults, since what an older version wrote lacks newer keys.
fn whole(text: &str) -> Option<toml::Table> {
    Config::parse(text, &[]).ok()?.to_toml().ok()?.parse().ok()
}

/// `seed` and `env.drift.K.seed`.
fn is_seed(key: &str) -> bool {
    let drift = key.strip_prefix("env.drift.").and_then(|rest| rest.split_once('.'));
    key == "seed" || drift.is_some_and(|(_, rest)| rest == "seed")
}

/// Each value by its dotted key.
fn flatten(key: &str, value: &toml::Value, flat: &mut Settings) {
    let join = |part: &str| if key.is_empty() { part.to_owned() } else { format!("{key}.{part}") };
    match value {
        toml::Value::Table(table) => {
            table.iter().for_each(|(part, value)| flatten(&join(part), value, flat));
        }
        toml::Value::Array(values) if values.iter().any(toml::Value::is_table) => {
            for (i, value) in values.iter().enumerate() {
                flatten(&join(&i.to_string()), value, flat);
            }
        }
        toml::Value::String(text) => _ = flat.insert(key.to_owned(), text.clone()),
        other => _ = flat.insert(key.to_owned(), other.to_string()),
    }
}
