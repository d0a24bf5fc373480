//! Values that nobody should give, and all keys to give them to.

use toml::{Table, Value};

/// What no key has any business with, and at the end some that may do.
pub(crate) fn hostile() -> Vec<Value> {
    let table = "v = [9223372036854775807, -9223372036854775808, 1e300, inf, -inf, nan, 0, 0.0, 1e-300, -1, -0.5, \
                 '', 'x', true, [], [0], [[]], {}, 1, 2, 0.5]";
    let table: Table = table.parse().expect("TOML");
    table["v"].as_array().expect("a list").clone()
}

/// Dotted keys of all values in a table, and of the tables and lists.
pub(crate) fn keys(value: &Value, prefix: &str, found: &mut Vec<String>) {
    let mut go = |key: &str, value: &Value| {
        let path = if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
        found.push(path.clone());
        keys(value, &path, found);
    };
    match value {
        Value::Table(table) => table.iter().for_each(|(key, value)| go(key, value)),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(i, value)| go(&i.to_string(), value));
        }
        _ => {}
    }
}
