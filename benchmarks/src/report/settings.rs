//! What methods were configured with, and what they change against the baseline.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::words::baseline;
use crate::study::Study;

/// A dotted key with its value for the baseline and for a method; `None` where it is not there.
pub(super) type Change = (String, Option<String>, Option<String>);

/// Of each method, what it changes. `None` for the baseline, or where a configuration cannot be read.
pub(super) fn changes(study: &Study) -> Vec<Option<Vec<Change>>> {
    let base = baseline(study).and_then(|m| flat(&m.config));
    let of = |method: &crate::study::Method| {
        if method.baseline {
            return None;
        }
        Some(differences(base.as_ref()?, &flat(&method.config)?))
    };
    study.methods.iter().map(of).collect()
}

fn differences(base: &BTreeMap<String, String>, own: &BTreeMap<String, String>) -> Vec<Change> {
    let mut keys: Vec<&String> = base.keys().chain(own.keys()).collect();
    keys.sort();
    keys.dedup();
    let change = |key: &String| (key.clone(), base.get(key).cloned(), own.get(key).cloned());
    keys.into_iter().map(change).filter(|(_, a, b)| a != b).collect()
}

/// Dotted keys and their values. The tables in a list have keys of their own; any other list is one value.
fn flat(config: &str) -> Option<BTreeMap<String, String>> {
    let table: Table = config.parse().ok()?;
    let mut all = BTreeMap::new();
    collect(&Value::Table(table), "", &mut all);
    (!all.is_empty()).then_some(all)
}

fn collect(value: &Value, key: &str, all: &mut BTreeMap<String, String>) {
    let below = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
    match value {
        Value::Table(table) if !table.is_empty() => {
            for (name, value) in table {
                collect(value, &below(name), all);
            }
        }
        Value::Array(list) if list.iter().any(Value::is_table) => {
            for (i, value) in list.iter().enumerate() {
                collect(value, &below(&i.to_string()), all);
            }
        }
        value => {
            all.insert(key.to_owned(), value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_by_dotted_key() {
        let base = flat("a = 1\n[b]\nc = 'x'\n[[d]]\nkind = 'y'").expect("TOML");
        let own = flat("a = 1\n[b]\nc = 'z'\ne = [1, 2]").expect("TOML");
        let some = |text: &str| Some(text.to_owned());
        let want = [
            ("b.c".to_owned(), some("\"x\""), some("\"z\"")),
            ("b.e".to_owned(), None, some("[1, 2]")),
            ("d.0.kind".to_owned(), some("\"y\""), None),
        ];
        assert_eq!(differences(&base, &own), want);
    }
}
