//! TOML tables: read, changed at dotted keys, and turned into configurations.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::explain::explain;

/// Any configuration from TOML and overrides (`a.b=value`); numbers are not looked at.
///
/// # Errors
/// When it is no TOML or has an unknown key or a value of another type, as a sentence with its place.
pub fn read<T: DeserializeOwned>(text: &str, overrides: &[String]) -> Result<T, String> {
    let mut table = table(text)?;
    for item in overrides {
        apply_override(&mut table, item)?;
    }
    from_table(&table)
}

/// TOML as it stands.
///
/// # Errors
/// What is no TOML, with its line.
pub fn table(text: &str) -> Result<Table, String> {
    text.parse().map_err(|e: toml::de::Error| {
        let line = e.span().map_or(0, |s| text[..s.start].matches('\n').count() + 1);
        format!("line {line}: {}", e.message().lines().next().unwrap_or_default())
    })
}

/// Any configuration out of its table.
///
/// # Errors
/// An unknown key or a value of another type, as a sentence with its place.
pub fn from_table<T: DeserializeOwned>(table: &Table) -> Result<T, String> {
    table.clone().try_into().map_err(|e: toml::de::Error| explain(&e.to_string(), table))
}

/// The dotted keys at which two tables differ, in the order of the alphabet; lists count as one value.
pub(super) fn differences(a: &Table, b: &Table) -> Vec<String> {
    let mut found = Vec::new();
    let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    for key in keys {
        match (a.get(key), b.get(key)) {
            (Some(Value::Table(a)), Some(Value::Table(b))) => {
                found.extend(differences(a, b).iter().map(|inner| format!("{key}.{inner}")));
            }
            (a, b) if a == b => {}
            _ => found.push(key.clone()),
        }
    }
    found
}

/// Adds keys that have come since a run folder's file was written, with what was done then.
pub(super) fn as_it_was(table: &mut Table) {
    let reward = table.get_mut("normalize").and_then(|t| t.get_mut("reward"));
    if let Some(Value::Table(reward)) = reward
        && reward.get("kind").and_then(Value::as_str) == Some("return_scale")
        && !reward.contains_key("order")
    {
        reward.insert("order".to_owned(), "after_update".into());
    }
}

/// Puts `a.b.c=value` into the table; numbers name the entries of lists. A value that is not TOML is
/// taken as a string, so that `env.name=CartPole-v1` needs no quotes.
fn apply_override(table: &mut Table, item: &str) -> Result<(), String> {
    let Some((path, value)) = item.split_once('=') else {
        return Err(format!("--set {item}: write it as key=value, for example --set seed=2"));
    };
    let digits = value.trim().trim_start_matches(['+', '-']);
    let is_whole = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    if is_whole && digits.replace('_', "").parse::<i64>().is_err() {
        return Err(format!("--set {item}: whole numbers go up to {} in TOML", i64::MAX));
    }
    let value: Value = format!("v = {value}")
        .parse::<Table>()
        .ok()
        .and_then(|mut t| t.remove("v"))
        .unwrap_or_else(|| Value::String(value.to_owned()));
    set(table, path.trim(), value).map_err(|e| format!("--set {item}: {e}"))
}

/// Sets a dotted key. Sections that are missing are made; a number names an entry of a list.
///
/// # Errors
/// What is in the way.
pub fn set(table: &mut Table, path: &str, value: Value) -> Result<(), String> {
    let mut root = Value::Table(std::mem::take(table));
    let result = set_in(&mut root, path, value);
    if let Value::Table(changed) = root {
        *table = changed;
    }
    result
}

fn set_in(root: &mut Value, path: &str, value: Value) -> Result<(), String> {
    let (mut at, mut parent) = (root, "");
    for key in path.split('.') {
        at = match at {
            Value::Table(t) => t.entry(key).or_insert_with(|| Value::Table(Table::new())),
            Value::Array(list) => {
                let n = list.len();
                key.parse()
                    .ok()
                    .and_then(|i: usize| list.get_mut(i))
                    .ok_or_else(|| format!("`{parent}` is a list of {n}, counted from 0"))?
            }
            _ => return Err(format!("`{parent}` is not a section with keys in it")),
        };
        parent = key;
    }
    *at = value;
    Ok(())
}
