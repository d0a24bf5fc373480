//! A folder that stays the same one when its name changes.

use std::{
    fs::{self, File, Metadata},
    io,
    os::{fd::AsRawFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
};

use crate::error::Error;
use crate::paths::{HANDLES, shown};

/// A folder held open. Whoever renames it, or puts another in its place, changes nothing for who holds it.
#[derive(Debug)]
pub struct Held {
    named: PathBuf,
    handle: File,
    path: PathBuf,
}

impl Held {
    /// Holds the folder that `named` is now.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn open(named: &Path) -> Result<Held, Error> {
        let open = || {
            let handle = File::open(named)?;
            let path = Path::new(HANDLES).join(handle.as_raw_fd().to_string());
            // Where there is no /proc, the name has to do.
            let there = is_one(fs::metadata(&path), &handle)?;
            let path = if there { path } else { named.to_owned() };
            Ok(Held { named: named.to_owned(), handle, path })
        };
        open().map_err(|e| Error::io("open", named, e))
    }

    /// The folder, for reading and writing by this process.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the folder is called now, for people and other processes.
    pub fn name(&self) -> PathBuf {
        match is_one(fs::metadata(&self.named), &self.handle) {
            Ok(true) => self.named.clone(),
            _ => shown(&self.path),
        }
    }
}

/// Whether what was found is the folder of `handle`.
fn is_one(found: io::Result<Metadata>, handle: &File) -> io::Result<bool> {
    let held = handle.metadata()?;
    Ok(found.is_ok_and(|found| (found.dev(), found.ino()) == (held.dev(), held.ino())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::deleted;

    #[test]
    fn a_held_folder_is_followed_through_renames() {
        let root = tempfile::tempdir().unwrap();
        let (old, new) = (root.path().join("old"), root.path().join("new"));
        fs::create_dir(&old).unwrap();
        let held = Held::open(&old).unwrap();
        assert_eq!(held.name(), old);
        assert_eq!(shown(&held.path().join("a/b")), old.canonicalize().unwrap().join("a/b"));
        fs::rename(&old, &new).unwrap();
        fs::create_dir(&old).unwrap(); // another under the old name
        fs::write(held.path().join("file"), "x").unwrap();
        assert_eq!(held.name(), new.canonicalize().unwrap());
        assert!(new.join("file").exists() && fs::read_dir(&old).unwrap().next().is_none());
        assert_eq!(deleted(held.path()), None);
    }

    #[test]
    fn a_deleted_folder_is_an_error_that_says_so() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().canonicalize().unwrap().join("gone");
        fs::create_dir(&path).unwrap();
        let held = Held::open(&path).unwrap();
        fs::remove_dir(&path).unwrap();
        let below = held.path().join("a/b");
        let error = fs::create_dir_all(&below).map_err(|e| Error::io("create", &below, e));
        let error = error.unwrap_err().to_string();
        assert!(error.contains(&format!("{} was deleted", path.display())), "{error}");
        assert!(!path.exists(), "it is not made again");
        let error = Held::open(&path).unwrap_err().to_string();
        assert!(error.contains("cannot open") && error.contains("gone"), "{error}");
    }

    #[test]
    fn other_paths_are_shown_as_they_are() {
        for path in ["runs/a", "/proc/self/fd", "/proc/self/fd/999999/x", "/proc/self/status"] {
            assert_eq!(shown(Path::new(path)), Path::new(path));
            assert_eq!(deleted(Path::new(path)), None);
        }
    }
}
