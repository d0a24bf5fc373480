//! The folder of one run: who may use it, and what lies where.

use std::{
    fs::{self, File, TryLockError},
    io::Write,
    path::{Path, PathBuf},
};

use crate::{
    config::Config,
    error::{Error, RunFolderError},
    paths::shown,
    storage::held::Held,
};

/// A locked run folder, held open: it is this one until the end, whatever becomes of its name. The lock goes with
/// the process, however it ends.
#[derive(Debug)]
pub struct RunDir {
    held: Held,
    _lock: File,
}

impl RunDir {
    /// Makes `path`, which must not hold anything yet, and writes the resolved configuration.
    ///
    /// # Errors
    /// When the folder is not empty, in use, or cannot be written.
    pub fn create(path: &Path, config: &Config) -> Result<RunDir, Error> {
        if path.join("config.toml").exists() {
            return Err(RunFolderError::HoldsRun { path: path.to_owned() }.into());
        }
        let mut entries = fs::read_dir(path).into_iter().flatten().flatten();
        if path.exists() && entries.any(|e| e.file_name() != "run.lock") {
            return Err(RunFolderError::NotEmpty { path: path.to_owned() }.into());
        }
        make_folder(path)?;
        let run = RunDir::hold(path)?;
        run.write_config(config)?;
        Ok(run)
    }

    /// Makes the first free folder of `root/stem-1`, `root/stem-2`, ...
    ///
    /// # Errors
    /// When no folder can be made there.
    pub fn create_numbered(root: &Path, stem: &str, config: &Config) -> Result<RunDir, Error> {
        RunDir::create(&create_numbered(root, stem)?, config)
    }

    /// Opens an existing run for writing.
    ///
    /// # Errors
    /// When it is no run, or in use.
    pub fn open(path: &Path) -> Result<RunDir, Error> {
        let _ = RunDir::config(path)?;
        RunDir::hold(path)
    }

    /// The resolved configuration of a run, without taking its lock.
    ///
    /// # Errors
    /// When `path` is no run folder.
    pub fn config(path: &Path) -> Result<Config, Error> {
        let file = path.join("config.toml");
        if !file.exists() {
            return Err(RunFolderError::NoRun { path: path.to_owned() }.into());
        }
        Config::load_resolved(&file, &[])
    }

    /// Replaces the resolved configuration, atomically.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_config(&self, config: &Config) -> Result<(), Error> {
        write_atomically(&self.path().join("config.toml"), config.to_toml()?.as_bytes())
    }

    /// The folder, for reading and writing by this process.
    pub fn path(&self) -> &Path {
        self.held.path()
    }

    /// What the folder is called now, for people and other processes.
    pub fn name(&self) -> PathBuf {
        self.held.name()
    }

    fn hold(path: &Path) -> Result<RunDir, Error> {
        let held = Held::open(path)?;
        let lock = lock(held.path())?;
        Ok(RunDir { held, _lock: lock })
    }
}

/// Makes a folder where there is none yet, and those that it lies in.
///
/// # Errors
/// When something else is in the way, or it cannot be made.
pub fn make_folder(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|e| {
        let in_the_way = path.ancestors().find(|p| p.exists()).filter(|p| !p.is_dir());
        in_the_way.map_or_else(
            || Error::io("create", path, e),
            |file| {
                let (path, file) = (path.to_owned(), file.to_owned());
                RunFolderError::FileInTheWay { path, file }.into()
            },
        )
    })
}

/// Makes the first free folder of `root/stem-1`, `root/stem-2`, ...
///
/// # Errors
/// When no folder can be made there.
pub fn create_numbered(root: &Path, stem: &str) -> Result<PathBuf, Error> {
    make_folder(root)?;
    for number in 1u32.. {
        let path = root.join(format!("{stem}-{number}"));
        // `create_dir` succeeds for one process only.
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(Error::io("create", &path, e)),
        }
    }
    unreachable!("a free number below 2^32")
}

/// Takes the lock of a folder (`run.lock` in it), which goes with the file and so with the process.
///
/// # Errors
/// When another process has it, or there can be no lock.
pub fn lock(folder: &Path) -> Result<File, Error> {
    let file = folder.join("run.lock");
    let lock = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&file)
        .map_err(|e| Error::io("open", &file, e))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(RunFolderError::InUse { path: shown(folder) }.into()),
        Err(TryLockError::Error(e)) => Err(Error::io("lock", &file, e)),
    }
}

/// Writes beside, syncs, renames: the file is the old or the new one, never a part.
///
/// # Errors
/// When it cannot be written.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let temporary = path.with_extension("tmp");
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_folder(path)
    };
    write().map_err(|e| Error::io("write", path, e))
}

/// Makes a rename in the parent folder of `path` durable.
pub(crate) fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_new_or_empty_folders_become_runs() {
        let folder = tempfile::tempdir().unwrap();
        let (path, config) = (folder.path().join("a/b"), Config::default());
        let run = RunDir::create(&path, &config).unwrap();
        assert_eq!(RunDir::config(&path).unwrap(), config);
        let error = RunDir::create(&path, &config).unwrap_err().to_string();
        assert!(error.contains("already holds a run"), "{error}");
        drop(run);
        let full = folder.path().join("full");
        fs::create_dir(&full).unwrap();
        fs::write(full.join("thesis.tex"), "x").unwrap();
        let error = RunDir::create(&full, &config).unwrap_err().to_string();
        assert!(error.contains("is not empty"), "{error}");
        let error = RunDir::open(&full).unwrap_err().to_string();
        assert!(error.contains("is not a run folder"), "{error}");
        assert_eq!(fs::read_dir(&full).unwrap().count(), 1, "nothing was left in it");
    }

    #[test]
    fn one_process_at_a_time_and_the_lock_goes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        let run = RunDir::create(&path, &Config::default()).unwrap();
        let error = RunDir::open(&path).unwrap_err().to_string();
        assert!(error.contains("in use"), "{error}");
        drop(run);
        assert_eq!(RunDir::open(&path).unwrap().name(), path);
    }

    /// Eight threads ask at once: eight folders, numbered without a gap.
    #[test]
    fn numbered_folders_are_unique() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("runs");
        let make = || RunDir::create_numbered(&root, "dqn", &Config::default()).unwrap();
        let runs: Vec<RunDir> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        let mut names: Vec<_> = runs.iter().map(RunDir::name).collect();
        names.sort();
        let want: Vec<_> = (1..=8).map(|i| root.join(format!("dqn-{i}"))).collect();
        assert_eq!(names, want);
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        write_atomically(&path, b"old").unwrap();
        fs::create_dir(folder.path().join("config.tmp")).unwrap(); // in the way
        let error = write_atomically(&path, b"new").unwrap_err().to_string();
        assert!(error.contains("config.toml"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }
}
