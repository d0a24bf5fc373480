//! What can go wrong in a run, as sentences for people.

use std::{
    any::Any,
    path::{Path, PathBuf},
};

use networks::model::NonFinite;

use crate::paths::{deleted, shown};

/// One enum for everything a user can cause or meet.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot work.
    #[error("{0}")]
    Config(String),
    /// A thread returned an error.
    #[error("{thread}: {message}")]
    Thread {
        /// Name of the thread: `actor-0`, `evaluator`, `metrics`, `learner`.
        thread: String,
        /// What it said.
        message: String,
    },
    /// A thread panicked: a bug in it or in the environment it runs.
    #[error("{thread} panicked: {message}")]
    Panic {
        /// Name of the thread.
        thread: String,
        /// The panic message.
        message: String,
    },
    /// A peer is gone; the peer's own error is the one to report.
    #[error("{0} is gone")]
    Gone(String),
    /// A loss stopped being finite.
    #[error(
        "{cause} (environment step {env_step}, update {update}); the batch is in {dump} and the last good checkpoint is untouched: lower the learning rate, or look at the environment's rewards"
    )]
    NonFinite {
        /// What was found.
        cause: NonFinite,
        /// When.
        env_step: u64,
        /// When.
        update: u64,
        /// Where the batch was written.
        dump: String,
    },
    /// A checkpoint cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A run folder cannot be used.
    #[error(transparent)]
    RunFolder(#[from] RunFolderError),
    /// A run cannot start or continue, for another reason.
    #[error("{0}")]
    Run(String),
    /// Reading or writing failed.
    #[error("cannot {action} {path}: {cause}")]
    Io {
        /// "write", "read", ...
        action: &'static str,
        /// The file or folder.
        path: String,
        /// What the system said. Not a `source`: the sentence holds it already.
        cause: std::io::Error,
    },
}

impl Error {
    /// The error of a thread that panicked.
    pub(crate) fn of_panic(thread: String, panic: &(dyn Any + Send)) -> Error {
        let message = panic
            .downcast_ref::<&str>()
            .map(|s| (*s).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        // libtorch's messages can hold whole tensors.
        let message = message.lines().next().unwrap_or_default().chars().take(300).collect();
        Error::Panic { thread, message }
    }

    /// An I/O error with what was attempted on which path.
    pub fn io(action: &'static str, path: &Path, cause: std::io::Error) -> Error {
        if let Some(folder) = deleted(path) {
            return RunFolderError::Deleted { folder }.into();
        }
        Error::Io { action, path: shown(path).display().to_string(), cause }
    }
}

/// What is wrong with a checkpoint. Paths are shown as the user gave them.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The run was stopped before its first one.
    #[error("{} has no checkpoint yet; start the run again with `supple train`", run.display())]
    NoneYet {
        /// The run folder.
        run: PathBuf,
    },
    /// Every checkpoint of the run is damaged.
    #[error("{} has no usable checkpoint: {faults}", run.display())]
    NoneUsable {
        /// The run folder.
        run: PathBuf,
        /// What is wrong with each.
        faults: String,
    },
    /// A file is missing, changed or cut off: an older checkpoint may be intact.
    #[error("checkpoint {} is damaged: {what}", path.display())]
    Damaged {
        /// The checkpoint's folder.
        path: PathBuf,
        /// The file, and what is wrong with it.
        what: String,
    },
    /// Another version of supple wrote it.
    #[error("checkpoint {} has layout {found} and this version of supple reads {known}", path.display())]
    Layout {
        /// The checkpoint's folder.
        path: PathBuf,
        /// Its layout.
        found: u32,
        /// The layout that this version reads.
        known: u32,
    },
    /// It belongs to another configuration.
    #[error("checkpoint {} does not fit: {cause}", path.display())]
    Misfit {
        /// The checkpoint's folder.
        path: PathBuf,
        /// What differs.
        cause: String,
    },
    /// The replay that a run should start with is not there or does not fit.
    #[error("the replay of {} cannot be used: {cause}", path.display())]
    Replay {
        /// The checkpoint's folder.
        path: PathBuf,
        /// Why not.
        cause: String,
    },
}

/// What is wrong with a run folder.
#[derive(Debug, thiserror::Error)]
pub enum RunFolderError {
    /// A new run was asked for and there is one.
    #[error("{0} already holds a run; continue it with `supple resume {0}` or give another --run-dir", path.display())]
    HoldsRun {
        /// The folder.
        path: PathBuf,
    },
    /// A new run was asked for and there are files of something else.
    #[error("{} is not empty; give --run-dir a new or empty folder", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// A run was asked for and there is none.
    #[error("{} is not a run folder: it has no config.toml; give the folder that `supple train` printed", path.display())]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// Another process writes there.
    #[error("{} is in use by another process; wait for it or give another folder", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A file has the name of a folder on the way.
    #[error("the folder {} cannot be made: {} is a file; give another name", path.display(), file.display())]
    FileInTheWay {
        /// The folder.
        path: PathBuf,
        /// The file.
        file: PathBuf,
    },
    /// It was deleted during the run.
    #[error(
        "{folder} was deleted while it was in use, and what is written there is lost; start the run again"
    )]
    Deleted {
        /// The folder.
        folder: String,
    },
}
