//! Runs out of their folders.

use std::{borrow::Cow, collections::BTreeMap, fs, path::Path};

use serde::Deserialize;

use super::{Failure, Run};
use crate::score::Score;

/// The runs of one method, by seed and folder, and those that are not there: a run that did not finish
/// (without `result.json`) with the sentence of its `failed.txt`, or one that cannot be read with what
/// is wrong. `fresh`: so many tasks, if each folder holds a run for each task.
pub fn load_method<'a>(
    name: &str,
    folders: impl IntoIterator<Item = (u64, &'a Path)>,
    fresh: Option<u64>,
    score: &Score,
) -> (Vec<Run>, Vec<Failure>) {
    let (mut runs, mut failures) = (Vec::new(), Vec::new());
    for (seed, dir) in folders {
        let run = match (fresh, unfinished(dir)) {
            (Some(tasks), _) => load_fresh(dir, tasks, score, seed),
            (None, Some(what)) => Err(what),
            (None, None) => load_run(dir, score, seed),
        };
        match run {
            Ok(run) => runs.push(run),
            Err(what) => failures.push(Failure { method: name.to_owned(), seed, what }),
        }
    }
    (runs, failures)
}

/// Why a run has no `result.json`: what `failed.txt` says, or that it did not finish. `None` if it
/// finished.
pub fn unfinished(dir: &Path) -> Option<String> {
    if dir.join("result.json").exists() {
        return None;
    }
    Some(failed(dir).unwrap_or_else(|| "did not finish".to_owned()))
}

/// The sentence of `failed.txt`, if there is one.
pub(super) fn failed(dir: &Path) -> Option<String> {
    let text = fs::read_to_string(dir.join("failed.txt")).ok()?;
    let text = text.trim();
    Some(if text.is_empty() { "failed without a word".to_owned() } else { text.to_owned() })
}

/// The run in `dir`, finished or not. It is as long as its `config.toml` says, or else as its rows.
///
/// # Errors
/// One sentence, with file and line, when a file cannot be read, a row is damaged, the metric is not a
/// number, or was never measured. A damaged last row is no error: that is how a killed run ends.
pub fn load_run(dir: &Path, score: &Score, seed: u64) -> Result<Run, String> {
    load_beginning(dir, score, seed, u64::MAX)
}

/// The first `most` steps of the run in `dir`, as if it had ended there; else as [`load_run`].
pub(super) fn load_beginning(
    dir: &Path,
    score: &Score,
    seed: u64,
    most: u64,
) -> Result<Run, String> {
    let record = Record::read(dir, score, most)?;
    let steps = Config::read(dir)?.steps.unwrap_or(record.last_step).min(most);
    let bins = steps.div_ceil(score.bin).max(1) as usize;
    let matrix = record.matrix(score, bins as u64 * score.bin);
    Ok(Run {
        seed,
        dir: dir.to_owned(),
        curve: record.curve(dir, score, bins)?,
        matrix,
        beside: record.beside,
        wall_s: record.wall_s,
    })
}

/// A run with an agent for each of `tasks` tasks, one after the other: `dir/task-0`, `dir/task-1`, ... Each
/// counts its own steps from 0, and is as long as a task; the last one may be shorter.
///
/// # Errors
/// As [`load_run`], and when the run of a task did not finish or tasks have no length.
pub fn load_fresh(dir: &Path, tasks: u64, score: &Score, seed: u64) -> Result<Run, String> {
    if score.task_steps == 0 {
        return Err(
            "has an agent for each task, but score.task_steps is 0: give its length".to_owned()
        );
    }
    let mut whole = Run {
        seed,
        dir: dir.join("task-0"),
        curve: Vec::new(),
        matrix: Vec::new(),
        beside: BTreeMap::new(),
        wall_s: 0.0,
    };
    for task in 0..tasks {
        let dir = dir.join(format!("task-{task}"));
        if let Some(what) = unfinished(&dir) {
            return Err(format!("task {task}: {what}"));
        }
        let record = Record::read(&dir, score, u64::MAX)?;
        let steps = Config::read(&dir)?.steps.unwrap_or(score.task_steps).min(score.task_steps);
        let bins = steps.div_ceil(score.bin).max(1) as usize;
        whole.curve.extend(record.curve(&dir, score, bins)?);
        whole.wall_s += record.wall_s;
        for (tag, values) in record.beside {
            let start = task * score.task_steps;
            let values = values.into_iter().map(|(step, value)| (start + step, value));
            whole.beside.entry(tag).or_default().extend(values);
        }
    }
    Ok(whole)
}

/// The configuration of a run.
pub(super) struct Config {
    /// As it is in the file.
    pub(super) text: String,
    pub(super) table: toml::Table,
    /// Its length, if it says it: `total_steps` of an agent, `examples` of a supervised learner.
    pub(super) steps: Option<u64>,
}

impl Config {
    pub(super) fn read(dir: &Path) -> Result<Config, String> {
        let path = dir.join("config.toml");
        let text = fs::read_to_string(&path)
            .map_err(|e| format!("cannot read {}: {e}; is this a run folder?", path.display()))?;
        let table: toml::Table =
            text.parse().map_err(|e| format!("{} is not TOML: {e}", path.display()))?;
        let steps = table.get("total_steps").or_else(|| table.get("examples"));
        let steps = steps.and_then(toml::Value::as_integer).and_then(|s| u64::try_from(s).ok());
        Ok(Config { text, table, steps })
    }
}

/// One line of `metrics.jsonl`, without histograms and texts. `null` is NaN or infinite.
#[derive(Deserialize)]
pub(super) struct Row<'a> {
    pub(super) step: u64,
    pub(super) wall_s: f64,
    #[serde(borrow)]
    pub(super) metrics: BTreeMap<Tag<'a>, Option<f64>>,
}

/// A tag that is part of its line.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(transparent)]
pub(super) struct Tag<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// Calls `each` with the number of each row of a run's `metrics.jsonl`, counted from 1, and the row.
pub(super) fn rows(
    dir: &Path,
    mut each: impl FnMut(usize, &Row) -> Result<(), String>,
) -> Result<(), String> {
    let path = dir.join("metrics.jsonl");
    // A killed run may end in the middle of a character.
    let bytes = fs::read(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines().enumerate().peekable();
    while let Some((i, line)) = lines.next() {
        match serde_json::from_str::<Row>(line) {
            Ok(row) => each(i + 1, &row)?,
            Err(_) if lines.peek().is_none() => {}
            Err(e) => {
                return Err(format!(
                    "{} is damaged in line {}: {e}; correct or delete the line",
                    path.display(),
                    i + 1
                ));
            }
        }
    }
    Ok(())
}

/// What a score wants of a run's rows, in any order of steps: evaluations are written late.
#[derive(Default)]
struct Record {
    /// Sum and number of the metric's values, by the bin they are in.
    bins: BTreeMap<u64, (f64, u64)>,
    /// Steps and values of `eval/task_J/return_mean`, by `J`.
    tasks: BTreeMap<usize, Vec<(u64, f64)>>,
    beside: BTreeMap<String, Vec<(u64, f64)>>,
    last_step: u64,
    wall_s: f64,
}

impl Record {
    /// Of the rows at steps up to `most`.
    fn read(dir: &Path, score: &Score, most: u64) -> Result<Record, String> {
        let mut record = Record::default();
        rows(dir, |line, row| {
            if row.step > most {
                return Ok(());
            }
            record.add(score, row).map_err(|tag| diverged(dir, line, row, &tag))
        })?;
        Ok(record)
    }

    /// Adds a row; fails with the tag of performance that is no number.
    fn add(&mut self, score: &Score, row: &Row) -> Result<(), String> {
        self.last_step = self.last_step.max(row.step);
        self.wall_s = self.wall_s.max(row.wall_s);
        for (Tag(tag), value) in &row.metrics {
            let task = tag.strip_prefix("eval/task_").and_then(|t| t.strip_suffix("/return_mean"));
            if *tag == score.metric {
                let value = value.ok_or_else(|| tag.to_string())?;
                // Bin k is (k * bin, (k + 1) * bin]; at step 0 nothing was learned, so it is in none.
                if let Some(before) = row.step.checked_sub(1) {
                    let (sum, count) = self.bins.entry(before / score.bin).or_default();
                    *sum += value;
                    *count += 1;
                }
            }
            if let Some(task) = task.and_then(|t| t.parse().ok()) {
                let value = value.ok_or_else(|| tag.to_string())?;
                self.tasks.entry(task).or_default().push((row.step, value));
            }
            // Measures beside performance may be infinite now and then: condition numbers.
            if let Some(value) = value
                && score.beside.iter().any(|wanted| wanted == tag)
            {
                self.beside.entry(tag.to_string()).or_default().push((row.step, *value));
            }
        }
        Ok(())
    }

    /// Means of `bins` bins; what comes after the last one (environments step together, past the end)
    /// counts to it. An empty bin repeats the one before; empty bins at the start are as the first that
    /// is not, since there is nothing better to say of them.
    fn curve(&self, dir: &Path, score: &Score, bins: usize) -> Result<Vec<f64>, String> {
        let mut sums = vec![(0.0, 0); bins];
        for (&bin, (sum, count)) in &self.bins {
            let (s, n) = &mut sums[(bin as usize).min(bins - 1)];
            *s += sum;
            *n += count;
        }
        let Some(&(sum, count)) = sums.iter().find(|(_, n)| *n > 0) else {
            return Err(format!(
                "{} never has {}; score what is in it",
                dir.join("metrics.jsonl").display(),
                score.metric
            ));
        };
        let mut level = sum / count as f64;
        Ok(sums
            .into_iter()
            .map(|(sum, count)| {
                if count > 0 {
                    level = sum / count as f64;
                }
                level
            })
            .collect())
    }

    /// Of each whole task, the last evaluation on tasks 0, 1, ... within its steps; up to the first task
    /// that was not evaluated then. Empty if nothing ever was.
    fn matrix(&self, score: &Score, steps: u64) -> Vec<Vec<f64>> {
        if score.task_steps == 0 || self.tasks.is_empty() {
            return Vec::new();
        }
        let ends = (1..=steps / score.task_steps).map(|task| task * score.task_steps);
        ends.map(|end| {
            let newest = |task: usize| {
                let seen = self.tasks.get(&task)?.iter();
                let seen =
                    seen.filter(|(step, _)| (end - score.task_steps + 1..=end).contains(step));
                seen.max_by_key(|(step, _)| *step).map(|(_, value)| *value)
            };
            (0..).map_while(newest).collect()
        })
        .collect()
    }
}

fn diverged(dir: &Path, line: usize, row: &Row, tag: &str) -> String {
    format!(
        "{} is not a finite number at step {} ({}, line {line}): the run has diverged",
        tag,
        row.step,
        dir.join("metrics.jsonl").display()
    )
}
