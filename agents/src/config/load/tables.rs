//! TOML tables: read, changed at dotted keys, and turned into configurations.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::explain::explain;

/// Any configuration from TOML and overrides (`a.b=value`); numbers are not validated.
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
            (Some(a), Some(b)) if same(a, b) => {}
            _ => found.push(key.clone()),
        }
    }
    found
}

/// Equal, also where both are not a number.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => a == b || a.is_nan() && b.is_nan(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Table(a), Value::Table(b)) => {
            a.len() == b.len() && a.iter().all(|(k, a)| b.get(k).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
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
    if let Some(Value::Table(replay)) = table.get_mut("replay")
        && !replay.contains_key("sampler")
    {
        let uniform = Table::from_iter([("kind".to_owned(), Value::from("uniform"))]);
        replay.insert("sampler".to_owned(), uniform.into());
    }
}

/// Puts `a.b.c=value` into the table, as `--set` is given; numbers name the entries of lists.
///
/// # Errors
/// A value that is neither TOML nor a plain word, or what is in the way.
pub fn apply_override(table: &mut Table, item: &str) -> Result<(), String> {
    let Some((path, value)) = item.split_once('=') else {
        return Err(format!("--set {item}: write it as key=value, for example --set seed=2"));
    };
    read_value(value.trim())
        .and_then(|value| set(table, path.trim(), value))
        .map_err(|e| format!("--set {item}: {e}"))
}

/// A value of TOML. A plain word is a string, so that `env.name=CartPole-v1` needs no quotes; what looks like
/// something else and is no TOML is not.
fn read_value(text: &str) -> Result<Value, String> {
    let digits = text.trim_start_matches(['+', '-']);
    let is_whole = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    if is_whole && digits.replace('_', "").parse::<i64>().is_err() {
        return Err(format!("whole numbers go up to {} in TOML", i64::MAX));
    }
    let error = match format!("v = {text}").parse::<Table>() {
        Ok(mut table) if table.len() == 1 => match table.remove("v") {
            Some(value) => return Ok(value),
            None => "a line break in it".to_owned(),
        },
        Ok(_) => "a line break in it".to_owned(),
        Err(e) => e.message().lines().next().unwrap_or_default().to_owned(),
    };
    if text.starts_with(['[', '{', '"', '\'']) {
        return Err(format!("the value is not TOML: {error}"));
    }
    match text {
        "True" | "False" => Err(format!("write {} as TOML does", text.to_lowercase())),
        "None" | "null" => Err(format!(
            "TOML has no {text}; leave the key out, or write '\"{text}\"' for the text"
        )),
        _ => match text.parse::<f64>() {
            Ok(number) => {
                let number = format!("{number:?}").to_lowercase();
                Err(format!("write it as TOML does, {number}, or in quotes if it is a text"))
            }
            Err(_) => Ok(Value::String(text.to_owned())),
        },
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_none_is_no_difference() {
        let table = |text: &str| text.parse::<Table>().unwrap();
        let lists =
            [table("a = [nan, { b = nan }]\nc = 1"), table("a = [nan, { b = nan }]\nc = 1")];
        assert_eq!(differences(&lists[0], &lists[1]), [""; 0]);
        assert_eq!(
            differences(&lists[0], &table("a = [nan, { b = 1.0 }]\nd = nan")),
            ["a", "c", "d"]
        );
    }

    #[test]
    fn values_are_toml_or_plain_words() {
        let read = |text: &str| read_value(text).unwrap();
        for (text, want) in [("1_000", Value::from(1000)), ("+7", 7.into()), ("1e-3", 0.001.into())]
        {
            assert_eq!(read(text), want, "{text}");
        }
        assert_eq!(read("inf").as_float(), Some(f64::INFINITY));
        assert_eq!(read("-inf").as_float(), Some(f64::NEG_INFINITY));
        assert!(read("nan").as_float().unwrap().is_nan());
        assert_eq!(read("{ a = 1 }")["a"], 1.into());
        for word in ["CartPole-v1", "python:worlds:World", "cuda:1", "3d", "v = 1", "", "e5", "- 1"]
        {
            assert_eq!(read(word), word.into(), "{word}");
        }
        for (text, said) in [
            ("[1, 2", "the value is not TOML: "),
            ("{\"a\": 1}", "the value is not TOML: "),
            ("\"open", "the value is not TOML: "),
            ("'it's'", "the value is not TOML: "),
            ("[1]\nw = 2", "the value is not TOML: a line break"),
            ("True", "write true as TOML does"),
            ("None", "TOML has no None; leave the key out, or write '\"None\"' for the text"),
            (".5", "write it as TOML does, 0.5, or in quotes"),
            ("5.", "write it as TOML does, 5.0, or"),
            ("Infinity", "write it as TOML does, inf, or"),
            ("NaN", "write it as TOML does, nan, or"),
            ("9223372036854775808", "whole numbers go up to 9223372036854775807"),
        ] {
            let error = read_value(text).unwrap_err();
            assert!(error.starts_with(said), "{text}: {error}");
        }
    }
}
