//! The folder of one run.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use agents::{
    error::Error,
    logging::{
        metrics::read_rows,
        record::{Record, Row},
    },
    storage::{held::Held, run_dir},
};

use super::stream_run::StreamRun;
use crate::runner;

/// Why there is no folder for a run.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Something that is no run is in it.
    #[error("{} is not empty; give --run-dir a new or empty folder", .0.display())]
    NotEmpty(PathBuf),
    /// A run of another configuration is in it.
    #[error("{} holds a run with another configuration; give another --run-dir", .0.display())]
    OtherRun(PathBuf),
    /// The same run is in it, and at its end.
    #[error("{} holds a finished run; give another --run-dir", .0.display())]
    Finished(PathBuf),
    /// The configuration has no TOML form.
    #[error("{0}")]
    Config(String),
    /// It is in use, or cannot be read or written.
    #[error(transparent)]
    Storage(#[from] Error),
}

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
    pub fn create(path: &Path, config: &StreamRun) -> Result<RunFolder, FolderError> {
        let given = || path.to_owned();
        let (file, record) = (path.join("config.toml"), path.join("metrics.jsonl"));
        let text = config.to_toml().map_err(FolderError::Config)?;
        let mut entries = fs::read_dir(path).into_iter().flatten().flatten();
        let is_run = file.exists();
        if !is_run && path.exists() && entries.any(|e| e.file_name() != "run.lock") {
            return Err(FolderError::NotEmpty(given()));
        }
        run_dir::make_folder(path)?;
        let held = Held::open(path)?;
        let lock = run_dir::lock(held.path())?;
        if is_run {
            let old = fs::read_to_string(&file).map_err(|e| Error::io("read", &file, e))?;
            if old != text {
                return Err(FolderError::OtherRun(given()));
            }
            let rows = read_rows(&record, u64::MAX)?;
            if rows.last().is_some_and(|row| row.step == config.length().examples) {
                return Err(FolderError::Finished(given()));
            }
        }
        runner::write(&held.path().join("config.toml"), &text)?;
        let metrics = File::create(held.path().join("metrics.jsonl"))
            .map_err(|e| Error::io("write", &record, e))?;
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
    ) -> Result<RunFolder, FolderError> {
        let path = run_dir::create_numbered(root, stem)?;
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
    ) -> Result<(), Error> {
        let scalars = scalars.iter().map(|&(tag, value)| (tag.to_owned(), value)).collect();
        let row = Row::new(step, wall_s, Record::Scalars(scalars));
        let mut line = serde_json::to_vec(&row).expect("numbers by their tags");
        line.push(b'\n');
        self.metrics
            .write_all(&line)
            .map_err(|e| Error::io("write", &self.name().join("metrics.jsonl"), e))
    }
}
