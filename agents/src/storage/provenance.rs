//! `python_modules.json` of a run folder: which files the run's Python environments came from. From another folder, a
//! module of the same name may be another one.

use std::{fs, io::ErrorKind, path::Path};

use envs::{Source, Sources};

use crate::{error::Error, paths::shown, storage::run_dir::write_atomically};

const FILE: &str = "python_modules.json";

/// Keeps what the environments of a new run came from; nothing if no module of the user's was loaded.
///
/// # Errors
/// When it cannot be written.
pub fn keep(run: &Path, sources: &Sources) -> Result<(), Error> {
    if sources.is_empty() {
        return Ok(());
    }
    let json =
        serde_json::to_vec_pretty(sources).map_err(|e| Error::Run(format!("{FILE}: {e}")))?;
    write_atomically(&run.join(FILE), &json)
}

/// Compares the environments of a run that is resumed or evaluated with those it began with: a sentence for each
/// module that was edited since. A run from before modules were kept is taken as it is.
///
/// # Errors
/// A module of another place with other contents.
pub fn check(run: &Path, now: &Sources) -> Result<Vec<String>, Error> {
    let path = run.join(FILE);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io("read", &path, e)),
    };
    let kept: Sources =
        serde_json::from_slice(&text).map_err(|e| Error::io("read", &path, e.into()))?;
    let mut edited = Vec::new();
    for (name, Source { file, sha256 }) in &kept {
        let Some(here) = now.get(name).filter(|here| here.sha256 != *sha256) else { continue };
        if here.file != *file {
            return Err(Error::Run(format!(
                "the Python module `{name}` of {} was {} and is {} here, which is another one; go to the folder that \
                 the run began in, or delete {} if this one is meant",
                shown(run).display(),
                file.display(),
                here.file.display(),
                shown(&path).display()
            )));
        }
        edited.push(format!(
            "the Python module `{name}` ({}) has changed since the run began",
            file.display()
        ));
    }
    Ok(edited)
}
