//! The bridge's own keyword arguments, apart from the environment's.

use std::time::Duration;

use toml::{Table, Value};

use super::json::json;
use crate::registry::kwargs::{flag, integer, number, typed};
use crate::{EnvError, Kwargs};

/// Keyword arguments that do not reach the environment.
const OWN: [&str; 8] = [
    "python",
    "timeout_s",
    "restart",
    "path",
    "envs_per_worker",
    "atari_preprocessing",
    "wrappers",
    "obs_keys",
];

/// A worker may take this many times as long to start as to answer: it imports packages.
const START_FACTOR: u32 = 5;

/// How to start a worker, and how to treat it. Equal options may share one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Options {
    /// Interpreter: a path, or a name to look for in `PATH`.
    pub(super) python: String,
    /// Longest time of a reset, a step or a picture.
    pub(super) timeout: Duration,
    /// Replace a worker that died or hung?
    pub(super) restart: bool,
    pub(super) envs_per_worker: usize,
    /// What the worker is asked to make, as JSON.
    pub(super) request: String,
}

impl Options {
    /// `wrapping`: names of the arguments that are kept for the wrappers around the environment.
    pub(super) fn new(
        family: &str,
        id: &str,
        kwargs: &Kwargs,
        wrapping: &[&str],
    ) -> Result<Self, EnvError> {
        let (own, rest): (Kwargs, Kwargs) = kwargs
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .partition(|(key, _)| OWN.contains(&key.as_str()));
        let timeout = number(&own, "timeout_s")?.unwrap_or(60.0);
        // Up to ten years, so that sums stay within a Duration.
        if !(0.001..=3e8).contains(&timeout) {
            return Err(format!(
                "timeout_s = {timeout} is out of range; give seconds, 0.001 or more"
            )
            .into());
        }
        let per_worker = integer(&own, "envs_per_worker")?.unwrap_or(4);
        let envs_per_worker =
            usize::try_from(per_worker).ok().filter(|n| (1..=256).contains(n)).ok_or_else(
                || format!("envs_per_worker = {per_worker} is out of range; give 1 to 256"),
            )?;
        let list = |words: Vec<String>| Value::Array(words.into_iter().map(Value::from).collect());
        let mut request = Table::from_iter([
            ("family".to_owned(), family.into()),
            ("id".to_owned(), id.into()),
            ("given".to_owned(), list(own.keys().cloned().collect())),
            ("wrapping".to_owned(), list(wrapping.iter().map(|w| (*w).to_owned()).collect())),
            (
                "path".to_owned(),
                list(texts(&own, "path", "a folder or a list of folders")?.unwrap_or_default()),
            ),
            ("wrappers".to_owned(), wrappers(&own)?.into()),
            ("kwargs".to_owned(), rest.into()),
        ]);
        request.extend(obs_keys(&own)?.map(|keys| ("obs_keys".to_owned(), list(keys))));
        request.extend(atari(&own, id)?.map(|table| ("atari".to_owned(), table.into())));
        Ok(Self {
            python: typed(&own, "python", "the name or path of a Python", text)?
                .unwrap_or_else(interpreter),
            timeout: Duration::from_secs_f64(timeout),
            restart: flag(&own, "restart")?.unwrap_or(false),
            envs_per_worker,
            request: json(&Value::Table(request))?,
        })
    }

    pub(super) fn start_timeout(&self) -> Duration {
        self.timeout * START_FACTOR
    }
}

/// That of an active virtual environment, whatever `PATH` says.
fn interpreter() -> String {
    match std::env::var("VIRTUAL_ENV") {
        Ok(folder) if !folder.is_empty() => format!("{folder}/bin/python"),
        _ => "python3".to_owned(),
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Texts, one or several.
fn texts(own: &Kwargs, key: &str, kind: &str) -> Result<Option<Vec<String>>, EnvError> {
    let read = |value: &Value| match value {
        Value::Array(list) => list.iter().map(text).collect(),
        one => Some(vec![text(one)?]),
    };
    typed(own, key, kind, read)
}

/// Parts of a Dict observation, or none for all.
fn obs_keys(own: &Kwargs) -> Result<Option<Vec<String>>, EnvError> {
    let keys = texts(own, "obs_keys", "a list of keys, such as [\"image\", \"direction\"]")?;
    if keys.as_ref().is_some_and(Vec::is_empty) {
        return Err("obs_keys is empty; name at least one part of the observation".into());
    }
    Ok(keys)
}

/// Module, class and keyword arguments of each wrapper, the first one innermost.
fn wrappers(own: &Kwargs) -> Result<Vec<Table>, EnvError> {
    let read = |value: &Value| value.as_array()?.iter().map(wrapper).collect();
    let kind = "a list of \"MODULE:CLASS\" and { class = \"MODULE:CLASS\", kwargs = { ... } }";
    Ok(typed(own, "wrappers", kind, read)?.unwrap_or_default())
}

fn wrapper(value: &Value) -> Option<Table> {
    let none = || Value::Table(Table::new());
    let (name, kwargs) = match value {
        Value::Table(table) => {
            let known = |key: &String| key == "class" || key == "kwargs";
            let kwargs = table.get("kwargs").cloned().unwrap_or_else(none);
            let fits = table.keys().all(known) && kwargs.is_table();
            (fits.then(|| table.get("class"))??.as_str()?, kwargs)
        }
        name => (name.as_str()?, none()),
    };
    let (module, class) = name.split_once(':')?;
    let whole = !module.is_empty() && !class.is_empty();
    let parts = [("module", module.into()), ("class", class.into()), ("kwargs", kwargs)];
    whole.then(|| parts.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// Arguments of Gymnasium's `AtariPreprocessing`, if it is wanted.
fn atari(own: &Kwargs, id: &str) -> Result<Option<Table>, EnvError> {
    let read = |value: &Value| match value {
        Value::Boolean(wanted) => Some(wanted.then(Table::new)),
        Value::Table(table) => Some(Some(table.clone())),
        _ => None,
    };
    let kind = "true, or a table of arguments of gymnasium.wrappers.AtariPreprocessing";
    let atari = typed(own, "atari_preprocessing", kind, read)?.unwrap_or_default();
    if atari.is_some() && !id.contains("ALE/") {
        return Err(
            "atari_preprocessing is for gymnasium:ALE/... environments; for others leave it \
            out, or have your own callable apply gymnasium.wrappers.AtariPreprocessing"
                .into(),
        );
    }
    Ok(atari)
}
