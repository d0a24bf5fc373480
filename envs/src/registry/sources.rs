//! Which files Python environments came from, so that a run can tell its own from others of the same name.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

/// One module of a user's: not of Python or an installed package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Where it was loaded from.
    pub file: PathBuf,
    /// SHA-256 of that file, in hexadecimal.
    pub sha256: String,
}

/// Modules by name.
pub type Sources = BTreeMap<String, Source>;

/// The modules of all environments that one registry and its clones made.
#[derive(Clone, Default)]
pub(crate) struct SourceRecord(Arc<Mutex<Sources>>);

impl SourceRecord {
    pub(crate) fn add(&self, sources: Sources) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(sources);
    }

    pub(crate) fn all(&self) -> Sources {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
