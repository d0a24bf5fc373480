//! What can go wrong in a run, as sentences for people.

use std::path::Path;

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
    /// A checkpoint or run folder cannot be used.
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
    /// An I/O error with what was attempted on which path.
    pub fn io(action: &'static str, path: &Path, cause: std::io::Error) -> Error {
        if let Some(folder) = deleted(path) {
            return Error::Run(format!(
                "{folder} was deleted while it was in use, and what is written there is lost; start the run anew"
            ));
        }
        Error::Io { action, path: shown(path).display().to_string(), cause }
    }
}
