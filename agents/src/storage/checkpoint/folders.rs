//! Folders of checkpoints: created beside their place, exchanged, listed and removed so that a process that
//! is killed meanwhile leaves no half of one.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};

use crate::{error::Error, storage::run_dir::sync_folder};

/// An empty folder beside a checkpoint, in which it is written.
pub(super) fn begin(target: &Path) -> Result<PathBuf, Error> {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let temporary = target.with_file_name(format!(".tmp-{name}"));
    remove(&temporary)?;
    fs::create_dir_all(&temporary).map_err(|e| Error::io("create", &temporary, e))?;
    Ok(temporary)
}

/// Puts a folder in its place, in that of an older one if there is one: there is always one that is whole.
pub(super) fn put(temporary: &Path, target: &Path) -> Result<(), Error> {
    let written = |e| Error::io("write", target, e);
    match renameat_with(CWD, temporary, CWD, target, RenameFlags::EXCHANGE) {
        Ok(()) => remove(temporary)?, // the older one
        Err(Errno::NOENT) => fs::rename(temporary, target).map_err(written)?,
        // A file system that cannot exchange: for a moment, neither is in place.
        Err(_) => {
            remove(target)?;
            fs::rename(temporary, target).map_err(written)?;
        }
    }
    sync_folder(target).map_err(written)
}

/// Folders `KIND-*` in order of steps.
pub(super) fn list(run: &Path, kind: &str) -> Result<Vec<PathBuf>, Error> {
    let root = run.join("checkpoints");
    if !root.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(&root).map_err(|e| Error::io("read", &root, e))?;
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|p| {
            p.file_name()
                .and_then(|n| n.to_str())
                .is_some_and(|n| n.strip_prefix(kind).is_some_and(|rest| rest.starts_with('-')))
        })
        .collect();
    found.sort();
    Ok(found)
}

/// Removes a checkpoint, which is first renamed to what [`discard_newer`] clears away: a process that is killed
/// meanwhile leaves nothing under its name that is half a checkpoint.
pub(super) fn remove(path: &Path) -> Result<(), Error> {
    let gone = |result: std::io::Result<()>| match result {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::io("remove", path, e)),
        _ => Ok(()),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with(".tmp") {
        return gone(fs::remove_dir_all(path));
    }
    let aside = path.with_file_name(format!(".tmp-old-{name}"));
    gone(fs::remove_dir_all(&aside))?; // of a process that was killed here
    gone(fs::rename(path, &aside))?;
    gone(fs::remove_dir_all(&aside))
}
