//! The bridge's own keyword arguments, apart from the environment's.

use std::time::Duration;

use serde_json::{Value, json};

use crate::registry::{flag, integer, number, typed};
use crate::{EnvError, Kwargs};

/// Keyword arguments that do not reach the environment.
const OWN: [&str; 6] =
    ["python", "timeout_s", "restart", "path", "envs_per_worker", "atari_preprocessing"];

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
    /// What the worker is asked to make.
    pub(super) request: Value,
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
        Ok(Self {
            python: typed(&own, "python", "the name or path of a Python", text)?
                .unwrap_or_else(interpreter),
            timeout: Duration::from_secs_f64(timeout),
            restart: flag(&own, "restart")?.unwrap_or(false),
            envs_per_worker,
            request: json!({
                "family": family,
                "id": id,
                "kwargs": rest,
                "given": own.keys().collect::<Vec<_>>(),
                "wrapping": wrapping,
                "path": path(&own)?,
                "atari": atari(&own, id)?,
            }),
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

/// Folders, one or several.
fn path(own: &Kwargs) -> Result<Vec<String>, EnvError> {
    let read = |value: &Value| match value {
        Value::Array(folders) => folders.iter().map(text).collect(),
        folder => Some(vec![text(folder)?]),
    };
    Ok(typed(own, "path", "a folder or a list of folders", read)?.unwrap_or_default())
}

/// Arguments of Gymnasium's `AtariPreprocessing`, or null.
fn atari(own: &Kwargs, id: &str) -> Result<Value, EnvError> {
    let read = |value: &Value| match value {
        Value::Bool(false) => Some(Value::Null),
        Value::Bool(true) => Some(json!({})),
        Value::Object(_) => Some(value.clone()),
        _ => None,
    };
    let kind = "true, or a table of arguments of gymnasium.wrappers.AtariPreprocessing";
    let atari = typed(own, "atari_preprocessing", kind, read)?.unwrap_or_default();
    if !atari.is_null() && !id.contains("ALE/") {
        return Err(
            "atari_preprocessing is for gymnasium:ALE/... environments; for others leave it \
            out, or have your own callable apply gymnasium.wrappers.AtariPreprocessing"
                .into(),
        );
    }
    Ok(atari)
}
