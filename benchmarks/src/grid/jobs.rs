//! From a grid to the processes that fill it.

use std::path::PathBuf;

use agents::config::load::{self, set};
use toml::{Table, Value};

use super::{Command, Grid, MethodSpec, merge};

/// Most tasks that fresh agents learn, each in a run of its own.
const MOST_TASKS: u64 = 10_000;

/// Most runs of a method.
const MOST_SEEDS: u64 = 10_000;

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

/// A sentence about methods that are compared with others at fewer steps, if there are any.
pub fn uneven(jobs: &[Job]) -> Option<String> {
    let mut lengths: Vec<(&str, u64)> = Vec::new();
    for job in jobs.iter().filter(|job| job.seed == jobs[0].seed) {
        match lengths.iter_mut().find(|(method, _)| *method == job.method) {
            Some((_, steps)) => *steps += job.steps, // of another task
            None => lengths.push((&job.method, job.steps)),
        }
    }
    unequal(&lengths)
}

/// The same from names and lengths.
pub(crate) fn unequal(lengths: &[(&str, u64)]) -> Option<String> {
    let longest = lengths.iter().map(|(_, steps)| *steps).max()?;
    let shorter: Vec<String> = lengths
        .iter()
        .filter(|(_, steps)| *steps < longest)
        .map(|(method, steps)| format!("{method} has {steps} steps"))
        .collect();
    (!shorter.is_empty())
        .then(|| format!("Not equally long: {}, the longest method {longest}.", shorter.join(", ")))
}

impl Grid {
    /// All processes, seed by seed, so that a grid that is cut short has whole seeds.
    ///
    /// # Errors
    /// One sentence about a configuration that cannot be made.
    pub fn jobs(&self) -> Result<Vec<Job>, String> {
        if self.seeds > MOST_SEEDS {
            return Err(format!("seeds is {}; it must be at most {MOST_SEEDS}", self.seeds));
        }
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
            let mut shared = load::table("runtime = { torch_threads = 1 }")?;
            merge(&mut shared, &config);
            config = shared;
        }
        merge(&mut config, &method.set);
        for key in &self.vary {
            let seed = Value::Integer(seed as i64);
            set(&mut config, key, seed).map_err(|e| format!("vary {key}: {e}"))?;
        }
        let key = self.command.steps_key();
        let steps = config.get(key).and_then(Value::as_integer);
        let steps = steps.and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0);
        let steps = steps.ok_or_else(|| format!("config.{key} must say how long a run is"))?;
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
        if steps.div_ceil(task_steps) > MOST_TASKS {
            return Err(format!(
                "config.{key} is {steps} and score.task_steps {task_steps}, more than {MOST_TASKS} tasks, each a run \
                 of its own; raise score.task_steps"
            ));
        }
        let task = |k: u64| {
            let mut config = config.clone();
            let length = task_steps.min(steps - k * task_steps);
            set(&mut config, key, Value::Integer(length as i64))?;
            let offset = Value::Integer((k * task_steps) as i64);
            set(&mut config, self.command.offset_key(), offset)?;
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

    fn offset_key(self) -> &'static str {
        match self {
            Self::Train => "env.step_offset",
            Self::Stream => "example_offset",
        }
    }
}
