//! A grid: methods x seeds on one problem, as a TOML file that anybody can write.
//!
//! [`Grid::parse`] → [`Grid::jobs`], one for each process → [`crate::runner`] → run folders →
//! [`crate::study`].

mod jobs;
mod study;

pub(crate) use jobs::unequal;
pub use jobs::{Job, job_folder, uneven};

use agents::config::load;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::{score::Score, study::Anchor};

/// The file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// One line for headings.
    pub title: String,
    /// What is done, in a few sentences.
    #[serde(default)]
    pub about: String,
    /// Where the protocol comes from.
    #[serde(default)]
    pub source: String,
    /// What was found there.
    #[serde(default)]
    pub expected: String,
    /// What it costs, as text.
    #[serde(default)]
    pub cost: String,
    /// Which command makes a run.
    #[serde(default)]
    pub command: Command,
    /// Runs of each method, with seeds 1, 2, ...
    pub seeds: u64,
    /// Dotted keys of the configuration that take the seed.
    #[serde(default = "seed")]
    pub vary: Vec<String>,
    /// How runs are scored.
    pub score: Score,
    /// What all methods have in common: the configuration of a run, as the command takes it.
    pub config: Table,
    /// What is compared.
    pub methods: Vec<MethodSpec>,
}

fn seed() -> Vec<String> {
    vec!["seed".to_owned()]
}

/// What makes a run from a configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// `supple train`
    #[default]
    Train,
    /// `supple stream`
    Stream,
}

impl Command {
    /// As typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Stream => "stream",
        }
    }
}

/// One of `[[methods]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MethodSpec {
    /// Its name in tables and the name of its folder.
    pub name: String,
    /// What it is, in a line.
    #[serde(default)]
    pub about: String,
    /// Whether it is the plain agent that others are compared with.
    #[serde(default)]
    pub baseline: bool,
    /// Whether each task is learned by an agent of its own, with the steps of that task.
    #[serde(default)]
    pub fresh: bool,
    /// What it changes in the configuration. Tables are merged, but one with a `kind` replaces the other.
    #[serde(default)]
    pub set: Table,
    /// What others found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Anchor>,
}

impl Grid {
    /// Reads a grid; `quick` lays its `[quick]` table over the rest.
    ///
    /// # Errors
    /// One sentence about what is no grid.
    pub fn parse(text: &str, quick: bool) -> Result<Grid, String> {
        let mut table = load::table(text)?;
        match (table.remove("quick"), quick) {
            (Some(Value::Table(over)), true) => merge(&mut table, &over),
            (None, true) => return Err("it has no [quick] size; leave out --quick".to_owned()),
            _ => {}
        }
        let grid: Grid = load::from_table(&table)?;
        grid.validate()?;
        Ok(grid)
    }

    fn validate(&self) -> Result<(), String> {
        self.score.validate()?;
        if self.seeds == 0 {
            return Err("seeds is 0; it must be at least 1".to_owned());
        }
        if self.methods.is_empty() {
            return Err("there are no [[methods]]; give at least one".to_owned());
        }
        for (i, method) in self.methods.iter().enumerate() {
            let MethodSpec { name, fresh, .. } = method;
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
            if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
                return Err(format!(
                    "methods: the name {name:?} is also that of a folder; use letters, digits and - _ . +"
                ));
            }
            if self.methods[..i].iter().any(|m| m.name == *name) {
                return Err(format!("methods: {name} is there twice; give each its own name"));
            }
            if *fresh && self.score.task_steps == 0 {
                return Err(format!(
                    "methods: {name} is fresh in each task, so score.task_steps must say how long one is"
                ));
            }
        }
        if self.methods.iter().filter(|m| m.baseline).count() > 1 {
            return Err("methods: two are the baseline; leave one".to_owned());
        }
        Ok(())
    }

    /// Only the methods with these names, in the order of the file.
    ///
    /// # Errors
    /// One sentence about a name that is not there.
    pub fn only(&mut self, names: &[String]) -> Result<(), String> {
        if let Some(unknown) = names.iter().find(|n| self.methods.iter().all(|m| m.name != **n)) {
            let known: Vec<&str> = self.methods.iter().map(|m| m.name.as_str()).collect();
            return Err(format!(
                "--methods: there is no {unknown}; known here: {}",
                known.join(", ")
            ));
        }
        self.methods.retain(|m| names.contains(&m.name));
        Ok(())
    }

    /// The file of this grid.
    ///
    /// # Errors
    /// When a value has no TOML form.
    pub fn to_toml(&self) -> Result<String, String> {
        toml::to_string(self).map_err(|e| e.to_string())
    }
}

/// Lays `over` over `base`: tables are merged, but one with a `kind` replaces what was there; lists and
/// values replace.
pub(crate) fn merge(base: &mut Table, over: &Table) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(Value::Table(old)), Value::Table(new)) if !new.contains_key("kind") => {
                merge(old, new);
            }
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().expect("TOML")
    }

    #[test]
    fn tables_merge_and_kinds_replace() {
        let mut base = table("a = 1\nb = { c = 2, d = 3 }\ne = { kind = 'x', y = 1 }\nf = [1, 2]");
        merge(&mut base, &table("b = { c = 5 }\ne = { kind = 'z' }\nf = [3]\ng = { h = 1 }"));
        let want = "a = 1\nb = { c = 5, d = 3 }\ne = { kind = 'z' }\nf = [3]\ng = { h = 1 }";
        assert_eq!(base, table(want));
    }
}
