//! From a grid to the processes that fill it.

use std::path::PathBuf;

use toml::{Table, Value};

use super::{Command, Grid, MethodSpec, merge};

/// One process: a run folder to be filled.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Name of the method.
    pub method: String,
    /// Its seed.
    pub seed: u64,
    /// The run folder, from the folder of the grid.
    pub dir: PathBuf,
    /// Which command.
    pub command: Command,
    /// The configuration, as TOML.
    pub config: String,
    /// Steps, to tell how far it is.
    pub steps: u64,
}

/// Folder of a run from that of the grid; of a fresh method it holds `task-K` for each task.
pub fn job_folder(method: &str, seed: u64) -> PathBuf {
    PathBuf::from(format!("runs/{method}/seed-{seed}"))
}

impl Grid {
    /// All processes, seed by seed, so that a grid that is cut short has whole seeds.
    ///
    /// # Errors
    /// One sentence about a configuration that cannot be made.
    pub fn jobs(&self) -> Result<Vec<Job>, String> {
        let mut jobs = Vec::new();
        for seed in 1..=self.seeds {
            for method in &self.methods {
                let named = |e| format!("method {}: {e}", method.name);
                jobs.extend(self.jobs_of(method, seed).map_err(named)?);
            }
        }
        Ok(jobs)
    }

    pub(super) fn jobs_of(&self, method: &MethodSpec, seed: u64) -> Result<Vec<Job>, String> {
        let mut config = self.config.clone();
        if self.command == Command::Train {
            // Processes share the cores; a file can ask for something else.
            merge_default(&mut config, "runtime", "torch_threads", Value::Integer(1));
        }
        merge(&mut config, &method.set);
        for key in &self.vary {
            set(&mut config, key, Value::Integer(seed as i64))?;
        }
        let key = self.command.steps_key();
        let steps = config.get(key).and_then(Value::as_integer).unwrap_or(0) as u64;
        if steps == 0 {
            return Err(format!("config.{key} must say how long a run is"));
        }
        let dir = job_folder(&method.name, seed);
        let job = |dir: PathBuf, config: &Table, steps| {
            let config = toml::to_string(config).map_err(|e| e.to_string())?;
            let (method, command) = (method.name.clone(), self.command);
            Ok(Job { method, seed, dir, command, config, steps })
        };
        if !method.fresh {
            return Ok(vec![job(dir, &config, steps)?]);
        }
        let task_steps = self.score.task_steps;
        let task = |k: u64| {
            let mut config = config.clone();
            let length = task_steps.min(steps - k * task_steps);
            set(&mut config, key, Value::Integer(length as i64))?;
            let age = Value::Integer((k * task_steps) as i64);
            set(&mut config, self.command.age_key(), age)?;
            job(dir.join(format!("task-{k}")), &config, length)
        };
        (0..steps.div_ceil(task_steps)).map(task).collect()
    }
}

impl Command {
    fn steps_key(self) -> &'static str {
        match self {
            Self::Train => "total_steps",
            Self::Stream => "examples",
        }
    }

    fn age_key(self) -> &'static str {
        match self {
            Self::Train => "env.age",
            Self::Stream => "age",
        }
    }
}

fn merge_default(config: &mut Table, section: &str, key: &str, value: Value) {
    let section = config.entry(section).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(t) = section {
        t.entry(key).or_insert(value);
    }
}

/// Sets a dotted key; numbers name entries of lists.
fn set(config: &mut Table, path: &str, value: Value) -> Result<(), String> {
    let missing = || format!("there is no {path} in the configuration");
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    if rest.is_empty() {
        config.insert(first.to_owned(), value);
        return Ok(());
    }
    let mut at = config.entry(first).or_insert_with(|| Value::Table(Table::new()));
    for key in rest.split('.') {
        at = match at {
            Value::Table(t) => t.entry(key).or_insert_with(|| Value::Table(Table::new())),
            Value::Array(list) => {
                key.parse().ok().and_then(|i: usize| list.get_mut(i)).ok_or_else(missing)?
            }
            _ => return Err(missing()),
        };
    }
    *at = value;
    Ok(())
}
