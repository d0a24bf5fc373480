//! The folder of one run.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use agents::{
    logging::{
        metrics::read_rows,
        record::{Record, Row},
    },
    storage::{held::Held, run_dir},
};

use super::stream_run::StreamRun;
use crate::runner;

/// A locked run folder with an empty record. The lock goes with the process, however it ends.
#[derive(Debug)]
pub struct RunFolder {
    held: Held,
    metrics: File,
    _lock: File,
}

impl RunFolder {
    /// Makes `path` the folder of this run. What a run of the same configuration left there before its
    /// end is thrown away: runs are short.
    ///
    /// # Errors
    /// When it holds a finished run, another run or anything else, is in use, or cannot be written.
    pub fn create(path: &Path, config: &StreamRun) -> Result<RunFolder, String> {
        let shown = path.display();
        let (file, record) = (path.join("config.toml"), path.join("metrics.jsonl"));
        let text = config.to_toml()?;
        let mut entries = fs::read_dir(path).into_iter().flatten().flatten();
        let is_run = file.exists();
        if !is_run && path.exists() && entries.any(|e| e.file_name() != "run.lock") {
            return Err(format!("{shown} is not empty; give --run-dir a new or empty folder"));
        }
        run_dir::make_folder(path).map_err(|e| e.to_string())?;
        let held = Held::open(path).map_err(|e| e.to_string())?;
        let lock = run_dir::lock(held.path()).map_err(|e| e.to_string())?;
        if is_run {
            let old = fs::read_to_string(&file)
                .map_err(|e| format!("cannot read {}: {e}", file.display()))?;
            if old != text {
                return Err(format!(
                    "{shown} holds a run with another configuration; give another --run-dir"
                ));
            }
            let rows = read_rows(&record, u64::MAX).map_err(|e| e.to_string())?;
            if rows.last().is_some_and(|row| row.step == config.length().examples) {
                return Err(format!("{shown} holds a finished run; give another --run-dir"));
            }
        }
        runner::write(&held.path().join("config.toml"), &text)?;
        let metrics = File::create(held.path().join("metrics.jsonl"))
            .map_err(|e| format!("cannot write {}: {e}", record.display()))?;
        Ok(RunFolder { held, metrics, _lock: lock })
    }

    /// Makes the first free folder of `root/stem-1`, `root/stem-2`, ...
    ///
    /// # Errors
    /// When no folder can be made there.
    pub fn create_numbered(
        root: &Path,
        stem: &str,
        config: &StreamRun,
    ) -> Result<RunFolder, String> {
        let path = run_dir::create_numbered(root, stem).map_err(|e| e.to_string())?;
        RunFolder::create(&path, config)
    }

    /// What the folder is called now.
    pub fn name(&self) -> PathBuf {
        self.held.name()
    }

    /// Adds a row, in one `write` call, so that rows are whole unless the system dies.
    pub(super) fn write(
        &mut self,
        step: u64,
        wall_s: f64,
        scalars: &[(&str, f64)],
    ) -> Result<(), String> {
        let scalars = scalars.iter().map(|&(tag, value)| (tag.to_owned(), value)).collect();
        let row = Row::new(step, wall_s, Record::Scalars(scalars));
        let mut line = serde_json::to_vec(&row).map_err(|e| e.to_string())?;
        line.push(b'\n');
        self.metrics
            .write_all(&line)
            .map_err(|e| format!("cannot write {}/metrics.jsonl: {e}", self.name().display()))
    }
}
