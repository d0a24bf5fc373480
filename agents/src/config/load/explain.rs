//! What serde says about a configuration, said again with the path of the key.

use envs::edit_distance;
use toml::{Table, Value};

/// Serde's message with the full path of the key and the closest known one. `message` is what
/// toml's error displays: a line that says what, and perhaps a line "in `path.of.key`".
pub(super) fn explain(message: &str, table: &Table) -> String {
    let mut lines = message.lines();
    let message = lines.next().unwrap_or_default();
    let place = lines.next().and_then(|l| l.strip_prefix("in `")?.strip_suffix('`')).unwrap_or("");
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if let Some((key, rest)) = message.strip_prefix('`').and_then(|m| m.split_once('`')) {
        // A key that another kind reads.
        let kind = rest.split('"').nth(1).unwrap_or("");
        let (root, mut leaves) = (Value::Table(table.clone()), Vec::new());
        collect_leaves(&root, "", &mut leaves);
        let of_kind = |value: &Value| {
            let own = value.get("kind").and_then(Value::as_str);
            value.get(key).is_some() && own.is_none_or(|own| own == kind)
        };
        let path = leaves.iter().find(|(_, value)| of_kind(value)).map(|(path, _)| path);
        return path.map_or(message.to_owned(), |path| format!("{path}.{key}{rest}"));
    }
    let (Some((&found, known)), true) = (quoted.split_first(), message.starts_with("unknown"))
    else {
        let place = find_misfit(message, place, table).unwrap_or_else(|| place.to_owned());
        return if place.is_empty() { message.to_owned() } else { format!("{place}: {message}") };
    };
    let is_key = message.starts_with("unknown field");
    let path = find_path(&Value::Table(table.clone()), found, is_key).unwrap_or(found.to_owned());
    let what = if is_key { "unknown key" } else { "unknown value" };
    let list = known.join(", ");
    match known.iter().min_by_key(|k| edit_distance(k, found)) {
        Some(best) if edit_distance(best, found) <= best.len().div_ceil(2) => {
            format!("{what} `{path}`; did you mean `{best}`? Known here: {list}")
        }
        _ => format!("{what} `{path}`. Known here: {list}"),
    }
}

/// Within `[agent]`, whose kind decides its keys, serde loses the path. This finds it again: the one
/// key below `place` that holds the value that `message` complains about.
fn find_misfit(message: &str, place: &str, table: &Table) -> Option<String> {
    let found = message.strip_prefix("invalid ")?.split_once(": ")?.1.split(", expected").next()?;
    let mut root = Value::Table(table.clone());
    for key in place.split('.').filter(|key| !key.is_empty()) {
        root = root.get(key)?.clone();
    }
    let mut leaves = Vec::new();
    collect_leaves(&root, place, &mut leaves);
    let mut paths = leaves.into_iter().filter(|(_, value)| {
        let shown = match value {
            Value::String(s) => format!("string {s:?}"),
            Value::Integer(i) => format!("integer `{i}`"),
            Value::Float(f) => format!("floating point `{f:?}`"),
            Value::Boolean(b) => format!("boolean `{b}`"),
            Value::Array(_) => "sequence".to_owned(),
            Value::Table(_) => "map".to_owned(),
            Value::Datetime(_) => return false,
        };
        shown == found
    });
    let (path, _) = paths.next()?;
    paths.next().is_none().then_some(path)
}

/// Every value below `value` with its dotted path.
fn collect_leaves<'a>(value: &'a Value, path: &str, out: &mut Vec<(String, &'a Value)>) {
    let mut add = |key: &str, value| {
        let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        collect_leaves(value, &path, out);
        out.push((path, value));
    };
    match value {
        Value::Table(t) => t.iter().for_each(|(key, value)| add(key, value)),
        Value::Array(a) => a.iter().enumerate().for_each(|(i, value)| add(&i.to_string(), value)),
        _ => {}
    }
}

/// Dotted path of the first key called `name` (or, for values, of the key that holds it).
fn find_path(value: &Value, name: &str, is_key: bool) -> Option<String> {
    let entries: Vec<(String, &Value)> = match value {
        Value::Table(t) => t.iter().map(|(k, v)| (k.clone(), v)).collect(),
        Value::Array(a) => a.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect(),
        _ => return None,
    };
    entries.iter().find_map(|(key, value)| {
        let here = if is_key { key == name } else { value.as_str() == Some(name) };
        if here {
            return Some(if is_key { key.clone() } else { format!("{key} = {name}") });
        }
        find_path(value, name, is_key).map(|rest| format!("{key}.{rest}"))
    })
}
