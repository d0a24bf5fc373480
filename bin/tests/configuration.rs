//! `docs/configuration.md` and the code agree: every key with its type and default, every choice,
//! every example.
//!
//! The keys are found through serde itself. It names the choices of an enum when given nonsense and
//! the fields that a variant requires when they are missing, so a new method or architecture is
//! found, and must be documented, without a line changed here.

mod cli;

use std::collections::{BTreeMap, BTreeSet};

use agents::config::Config;
use cli::page::{code, page, tables};
use serde_json::{Map, Value, json};

/// What the page or the code says of one key.
#[derive(Clone, Debug, PartialEq)]
struct Key {
    kind: String,
    /// `None` where the default is a table of its own.
    default: Option<Fallback>,
    /// Of strings with a fixed set of values, in quotes.
    choices: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
enum Fallback {
    Required,
    Value(Value),
}

/// By section and name: `runtime.actors`, `agent[dqn].gamma`, `agent.*.arch[mlp].hidden`.
type Keys = BTreeMap<String, Key>;

/// The heading of `agent.target` with `kind = "hard"` is `agent.target[hard]`.
fn prefix(section: &str) -> String {
    let mut parts = section.split('`').skip(1).step_by(2);
    let path = parts.next().unwrap_or_default();
    match parts.next().and_then(|part| part.strip_prefix("kind = ")) {
        Some(kind) => format!("{path}[{}]", kind.trim_matches('"')),
        None => path.to_owned(),
    }
}

fn documented(page: &str) -> Keys {
    let mut keys = Keys::new();
    for (section, cells) in tables(page, "key") {
        assert_eq!(cells.len(), 5, "five cells in {cells:?} of {section}");
        let name = code(&cells[0]).expect("a key in backticks");
        let prefix = prefix(&section);
        let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
        let default = match cells[2].as_str() {
            "" => None,
            "required" => Some(Fallback::Required),
            text => {
                let text = code(text).expect("a default in backticks");
                let value = serde_json::from_str(text);
                Some(Fallback::Value(value.unwrap_or_else(|e| panic!("{path}: {text}: {e}"))))
            }
        };
        let quoted = cells[3].split('`').skip(1).step_by(2).filter(|c| c.starts_with('"'));
        let key = Key {
            kind: cells[1].clone(),
            default,
            choices: quoted.map(ToOwned::to_owned).collect(),
        };
        assert!(keys.insert(path.clone(), key).is_none(), "{path} is documented twice");
    }
    keys
}

/// Deserialises a configuration; the error is serde's.
fn read(config: &Value) -> Result<Value, String> {
    let config: Config = serde_json::from_value(config.clone()).map_err(|e| e.to_string())?;
    serde_json::to_value(config).map_err(|e| e.to_string())
}

/// The value at `path`; numbers index lists.
fn at<'a>(value: &'a mut Value, path: &[&str]) -> &'a mut Value {
    path.iter().fold(value, |value, key| match key.parse::<usize>() {
        Ok(i) => &mut value[i],
        Err(_) => &mut value[*key],
    })
}

/// A copy of `config` with `new` at `path`.
fn with(config: &Value, path: &[&str], new: Value) -> Value {
    let mut config = config.clone();
    *at(&mut config, path) = new;
    config
}

/// The choices serde knows for the string at `path`, if it is not a free one.
fn choices(config: &Value, path: &[&str]) -> Vec<String> {
    match read(&with(config, path, json!("?"))) {
        Err(e) if e.starts_with("unknown variant") => {
            e.split('`').skip(3).step_by(2).map(ToOwned::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// The least table `{ kind = KIND, ... }` that can be at `path`, and the names it requires.
fn variant(config: &Value, path: &[&str], kind: &str) -> (Value, Vec<String>) {
    let (mut table, mut required) = (Map::new(), Vec::new());
    table.insert("kind".to_owned(), kind.into());
    let guesses = [json!(1), json!(0.5), json!(true), json!([1]), json!([]), json!({}), json!("?")];
    loop {
        let Err(error) = read(&with(config, path, table.clone().into())) else {
            return (table.into(), required);
        };
        if let Some(name) = error.strip_prefix("missing field `").and_then(|e| e.split('`').next())
        {
            table.insert(name.to_owned(), guesses[0].clone());
            required.push(name.to_owned());
        } else if error.starts_with("unknown variant `?`") {
            // A string with a fixed set of values: any of them.
            let name = required.last().expect("a guess was made").clone();
            table.insert(name, error.split('`').nth(3).expect("a known one").into());
        } else {
            let name = required.last().unwrap_or_else(|| panic!("{kind} at {path:?}: {error}"));
            let tried = guesses.iter().position(|g| *g == table[name]).expect("a guess");
            let next = guesses.get(tried + 1).unwrap_or_else(|| panic!("{name}: {error}"));
            table.insert(name.clone(), next.clone());
        }
    }
}

/// All networks are called `agent.*`, and all optimisers theirs.
fn shown(path: &[&str], kind: Option<&str>) -> String {
    let mut path = path.to_vec();
    if let ["agent", "alpha_optim", ..] = path.as_slice() {
        path.splice(1..2, ["*", "optim"]);
    }
    if let ["agent", network @ ("actor" | "critic" | "network"), ..] = path.as_mut_slice() {
        *network = "*";
    }
    path.retain(|key| *key != "0"); // an element of a list stands for all
    match kind {
        Some(kind) => format!("{}[{kind}]", path.join(".")),
        None => path.join("."),
    }
}

/// Collects the keys of the table at `path` of `config`, which must hold all defaults.
fn walk(config: &Value, path: &[&str], required: &[String], keys: &mut Keys) {
    let table = at(&mut config.clone(), path).as_object().expect("a table").clone();
    let kind = table.get("kind").and_then(Value::as_str);
    let section = shown(path, kind);
    for (name, value) in table.iter().filter(|(name, _)| *name != "kind") {
        let here = [path, &[name.as_str()]].concat();
        let full = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
        let is_section = value.is_object() && name != "kwargs";
        let default = match value {
            _ if required.contains(name) => Some(Fallback::Required),
            _ if is_section => None,
            value => Some(Fallback::Value(value.clone())),
        };
        let key = Key {
            kind: kind_of(value, config, &here).to_owned(),
            default,
            choices: if is_section {
                Vec::new() // its kinds have headings
            } else {
                choices(config, &here).iter().map(|c| format!("\"{c}\"")).collect()
            },
        };
        // Top-level sections have headings and no rows.
        if !(is_section && path.is_empty()) {
            let before = keys.insert(full.clone(), key.clone());
            assert!(before.is_none_or(|b| b == key), "{full} differs between networks");
        }
        if name == "interventions" || name == "drift" {
            let config = with(config, &here, json!([{ "kind": "?" }]));
            walk_variants(&config, &[&here[..], &["0"]].concat(), keys);
        } else if is_section && value.get("kind").is_some() {
            walk_variants(config, &here, keys);
        } else if is_section {
            walk(config, &here, &[], keys);
        }
    }
}

/// [`walk`] for every variant of the table at `path`.
fn walk_variants(config: &Value, path: &[&str], keys: &mut Keys) {
    let kind = [path, &["kind"]].concat();
    let kinds = choices(config, &kind);
    assert!(!kinds.is_empty(), "serde names the choices of {path:?}");
    for kind in kinds {
        let (least, required) = variant(config, path, &kind);
        let config = read(&with(config, path, least)).expect("it was read before");
        // A mark that the variant exists, for those without keys.
        let mark = Key { kind: "section".to_owned(), default: None, choices: Vec::new() };
        keys.insert(shown(path, Some(&kind)), mark);
        walk(&config, path, &required, keys);
    }
}

fn kind_of(value: &Value, config: &Value, path: &[&str]) -> &'static str {
    match value {
        Value::Bool(_) => "boolean",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "table",
        // Whole numbers are those that refuse 0.5.
        Value::Number(_) if read(&with(config, path, json!(0.5))).is_err() => "integer",
        Value::Number(_) => "float",
        Value::Null => "optional",
    }
}

fn real() -> Keys {
    let mut keys = Keys::new();
    let config = serde_json::to_value(Config::default()).expect("JSON");
    walk(&config, &[], &[], &mut keys);
    keys
}

fn same(a: &Fallback, b: &Fallback) -> bool {
    match (a, b) {
        (Fallback::Value(Value::Number(a)), Fallback::Value(Value::Number(b))) => {
            a.as_f64() == b.as_f64()
        }
        (a, b) => a == b,
    }
}

#[test]
fn every_key_is_documented_and_every_documented_key_exists() {
    let page = page();
    let (documented, real) = (documented(&page), real());
    assert!(real.len() > 50, "the walk found only {:?}", real.keys());
    let headings: BTreeSet<String> =
        page.lines().filter(|l| l.starts_with("### `")).map(prefix).collect();
    let mut faults = Vec::new();
    for (path, key) in &real {
        if key.kind == "section" {
            if !headings.contains(path) {
                faults.push(format!("no heading for `{path}`"));
            }
            continue;
        }
        let Some(row) = documented.get(path) else {
            faults.push(format!("`{path}` is not documented"));
            continue;
        };
        if row.kind != key.kind {
            faults.push(format!("`{path}` is documented as {} and is {}", row.kind, key.kind));
        }
        let equal = match (&row.default, &key.default) {
            (Some(a), Some(b)) => same(a, b),
            (a, b) => a == b,
        };
        if !equal {
            let (a, b) = (&row.default, &key.default);
            faults.push(format!("`{path}`: documented default {a:?}, real one {b:?}"));
        }
        for choice in key.choices.iter().filter(|c| !row.choices.contains(c)) {
            faults.push(format!("`{path}` can be {choice}, which is not documented"));
        }
        for choice in row.choices.iter().filter(|c| !key.choices.contains(c)) {
            if !key.choices.is_empty() {
                faults.push(format!("`{path}` cannot be {choice}, which is documented"));
            }
        }
    }
    for path in documented.keys().filter(|path| !real.contains_key(*path)) {
        faults.push(format!("`{path}` is documented and does not exist"));
    }
    for heading in headings.iter().filter(|h| h.contains('[') && !real.contains_key(*h)) {
        faults.push(format!("there is a heading for `{heading}`, which does not exist"));
    }
    assert!(faults.is_empty(), "docs/configuration.md and the code differ:\n{}", faults.join("\n"));
}

#[test]
fn the_examples_of_the_page_are_valid() {
    let page = page();
    let examples: Vec<&str> = page
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().expect("text before the end of a block"))
        .collect();
    assert!(examples.len() >= 2, "no examples found");
    for example in examples {
        if let Err(e) = Config::parse(example, &[]) {
            panic!("{e} in\n{example}");
        }
    }
}
