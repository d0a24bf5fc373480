//! Paths as messages show them.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Where a process finds its open folders.
pub(crate) const HANDLES: &str = "/proc/self/fd";

/// `path` for a message: below a [`Held`] folder, what it is called now.
pub(crate) fn shown(path: &Path) -> PathBuf {
    let held = handle_of(path).and_then(|(handle, rest)| Some((fs::read_link(handle).ok()?, rest)));
    let Some((name, rest)) = held else { return path.to_owned() };
    // Joined, an empty rest would add a slash.
    let whole = if rest.as_os_str().is_empty() { name } else { name.join(rest) };
    // As people give it where they are.
    let short = std::env::current_dir()
        .ok()
        .and_then(|here| Some(whole.strip_prefix(here).ok()?.to_owned()));
    short.filter(|short| !short.as_os_str().is_empty()).unwrap_or(whole)
}

/// The name of the [`Held`] folder that `path` lies in, if it was deleted.
pub(crate) fn deleted(path: &Path) -> Option<String> {
    let (handle, _) = handle_of(path)?;
    let name = fs::read_link(&handle).ok()?.display().to_string();
    let gone = fs::metadata(&handle).is_ok_and(|folder| folder.nlink() == 0);
    gone.then(|| name.trim_end_matches(" (deleted)").to_owned())
}

/// The handle through which `path` leads, and the rest.
fn handle_of(path: &Path) -> Option<(PathBuf, &Path)> {
    let mut parts = path.strip_prefix(HANDLES).ok()?.components();
    let handle = Path::new(HANDLES).join(parts.next()?);
    Some((handle, parts.as_path()))
}
