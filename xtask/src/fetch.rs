//! Fetches a tree into the cache: pip gets the pinned wheels, Python unpacks them.
//!
//! Everything happens in a staging folder inside the cache, which becomes the tree by
//! one rename. What an interrupted run leaves behind is cleared by the next one; a lock
//! keeps two checkouts from working at once.

use std::env;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};

use crate::error::{Error, PipSaid};
use crate::pip_log::{self, Cause};
use crate::tree::{Tree, is_complete};

const UNPACK: &str = include_str!("unpack.py");
const STAGING: &str = ".staging-";
/// What the wheels are built for. Python's version only selects one of several wheels
/// with the same libraries, so it need not be that of `python3`.
const PLATFORM: [&str; 16] = [
    "--platform",
    "manylinux_2_28_x86_64",
    "--platform",
    "manylinux_2_25_x86_64",
    "--platform",
    "manylinux_2_17_x86_64",
    "--platform",
    "manylinux2014_x86_64",
    "--implementation",
    "cp",
    "--python-version",
    "3.11",
    "--abi",
    "cp311",
    "--abi",
    "none",
];

/// Puts the complete tree at `place`, a folder of `cache`.
pub(crate) fn fetch(tree: &Tree, cache: &Path, place: &Path) -> Result<(), Error> {
    let Tree { name, elsewhere, .. } = *tree;
    check_platform(name, elsewhere, env::consts::OS, env::consts::ARCH, cfg!(target_env = "gnu"))?;
    check_python(name)?;
    let _lock = lock(cache)?;
    // Another checkout may have finished while this one waited.
    if is_complete(place) {
        return Ok(());
    }
    clear_staging(cache);
    check_disk(name, tree.needed_mb, cache)?;
    let staging = cache.join(format!("{STAGING}{}", process::id()));
    let fetched = fill(tree, cache, &staging, place);
    let _ = fs::remove_dir_all(&staging);
    fetched
}

fn fill(tree: &Tree, cache: &Path, staging: &Path, place: &Path) -> Result<(), Error> {
    let Tree { name, version, download_mb, .. } = tree;
    let log = cache.join("setup.log");
    let (wheels, temporary) = (staging.join("wheels"), staging.join("tmp"));
    for folder in [&wheels, &temporary] {
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    }
    let requirements = staging.join("wheels.txt");
    fs::write(&requirements, tree.wheels).map_err(Error::io("write", &requirements))?;
    File::create(&log).map_err(Error::io("write", &log))?;

    let own_wheels = env::var_os("SUPPLE_WHEELS").filter(|v| !v.is_empty()).map(PathBuf::from);
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--require-hashes"])
        .args(["--no-input", "--disable-pip-version-check", "--no-cache-dir", "--retries=3"])
        .args(PLATFORM)
        .arg("--log")
        .arg(&log)
        .arg("--dest")
        .arg(&wheels)
        .arg("--requirement")
        .arg(&requirements)
        // pip's own temporary copy must count against, and be cleared with, the cache.
        .env("TMPDIR", &temporary);
    match &own_wheels {
        Some(folder) => {
            eprintln!("taking the {name} {version} wheels from {} ...", folder.display());
            pip.arg("--no-index").arg("--find-links").arg(folder);
        }
        None => eprintln!("downloading {name} {version} ({download_mb} MB, once per machine) ..."),
    }
    run(&mut pip, &log)?
        .map_err(|stderr| download_error(tree, cache, own_wheels, log.clone(), &stderr))?;

    eprintln!("unpacking it into {} ...", place.display());
    let unpacked = staging.join("tree");
    let mut unpack = Command::new("python3");
    // -I: a zipfile.py in the working directory must not replace Python's.
    unpack.args(["-I", "-c", UNPACK, tree.stem]).arg(&wheels).arg(&unpacked).arg(version);
    run(&mut unpack, &log)?.map_err(|stderr| match pip_log::cause(&stderr) {
        Cause::DiskFull => {
            Error::DiskFull { name, cache: cache.to_path_buf(), needed_mb: tree.needed_mb }
        }
        Cause::HashMismatch(line)
        | Cause::Unreachable(line)
        | Cause::NotFound(line)
        | Cause::Other(line) => {
            Error::Fetch { what: format!("unpacking {name}"), line, log: log.clone() }
        }
    })?;

    if place.exists() {
        // Damaged, or it would have been used; a rename cannot replace a full folder.
        let damaged = staging.join("damaged");
        fs::rename(place, &damaged).map_err(Error::io("move away", place))?;
    }
    fs::rename(&unpacked, place).map_err(Error::io("move what was unpacked to", place))?;
    // The rename itself must survive a power cut; some file systems refuse, harmlessly.
    let _ = File::open(cache).and_then(|folder| folder.sync_all());
    Ok(())
}

fn download_error(
    tree: &Tree,
    cache: &Path,
    own: Option<PathBuf>,
    log: PathBuf,
    stderr: &str,
) -> Error {
    let (name, wheels) = (tree.name, tree.wheel_names());
    let said = |line| PipSaid { line, log: log.clone() };
    match (pip_log::cause(stderr), own) {
        (Cause::DiskFull, _) => {
            Error::DiskFull { name, cache: cache.to_path_buf(), needed_mb: tree.needed_mb }
        }
        (Cause::HashMismatch(line), _) => {
            Error::Hash { wheels_file: tree.wheels_file, pip: said(line) }
        }
        (Cause::Unreachable(line) | Cause::NotFound(line), Some(folder)) => {
            Error::WheelsFolder { name, folder, wheels, pip: said(line) }
        }
        (Cause::Unreachable(line), None) => {
            Error::Registry { name, reached: false, wheels, pip: said(line) }
        }
        (Cause::NotFound(line), None) => {
            Error::Registry { name, reached: true, wheels, pip: said(line) }
        }
        (Cause::Other(line), _) => Error::Fetch { what: "pip download".to_owned(), line, log },
    }
}

/// Runs a step; on failure the inner error is what it wrote to stderr, which goes to the
/// log as well. Its stdout, with pip's progress bar, goes to our stderr: the stdout of
/// `train` belongs to the trainer.
pub(crate) fn run(command: &mut Command, log: &Path) -> Result<Result<(), String>, Error> {
    let child = command.stdin(Stdio::null()).stdout(io::stderr()).stderr(Stdio::piped()).spawn();
    let output = child
        .and_then(process::Child::wait_with_output)
        .map_err(|error| Error::Start { program: "python3".to_owned(), error })?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    // A disk too full for the log is the news, and stderr already tells it.
    let logged = OpenOptions::new().append(true).open(log);
    let _ = logged.and_then(|mut file| file.write_all(&output.stderr));
    Ok(if output.status.success() { Ok(()) } else { Err(stderr) })
}

/// Held by whoever changes the cache.
pub(crate) fn lock(cache: &Path) -> Result<File, Error> {
    let path = cache.join("setup.lock");
    let file = File::create(&path).map_err(Error::io("create", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            eprintln!("another setup is at work in {}; waiting for it ...", cache.display());
            file.lock().map_err(Error::io("lock", &path))?;
        }
        Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path)(error)),
    }
    Ok(file)
}

/// Best effort: what cannot be removed costs disk space, not correctness.
fn clear_staging(cache: &Path) {
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(STAGING) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Fails where the wheels of what has this name do not run; `elsewhere` says what helps there.
pub(crate) fn check_platform(
    name: &'static str,
    elsewhere: Option<&'static str>,
    os: &str,
    arch: &str,
    gnu: bool,
) -> Result<(), Error> {
    if (os, arch, gnu) != ("linux", "x86_64", true) {
        let libc = if os == "linux" && !gnu { " without glibc" } else { "" };
        let found = format!("{arch} {os}{libc}");
        return Err(Error::Platform { name, found, elsewhere });
    }
    // Without getconf there is nothing to compare; the build would tell.
    let found = output("getconf", &["GNU_LIBC_VERSION"]).unwrap_or_default();
    match found.strip_prefix("glibc ").and_then(version) {
        Some(number) if number < (2, 28) => Err(Error::OldGlibc { name, found, elsewhere }),
        _ => Ok(()),
    }
}

/// Fails without a Python and a pip that can fetch what has this name.
pub(crate) fn check_python(name: &'static str) -> Result<(), Error> {
    // 3.6: the oldest that the unpacking script is written for.
    let script = "import sys; sys.exit(sys.version_info < (3, 6))";
    output("python3", &["-c", script]).ok_or(Error::NoPython { name })?;
    let pip = output("python3", &["-m", "pip", "--version"]).ok_or(Error::NoPip { name })?;
    let found = pip.split_whitespace().nth(1).unwrap_or_default().to_owned();
    match version(&found) {
        // manylinux_2_28 is a name of the kind that pip learned in 20.3.
        Some(number) if number < (20, 3) => Err(Error::OldPip { name, found }),
        _ => Ok(()),
    }
}

/// Fails if the cache's disk has too little room for what has this name.
pub(crate) fn check_disk(name: &'static str, needed_mb: u64, cache: &Path) -> Result<(), Error> {
    let table = output("df", &["-Pk", &cache.to_string_lossy()]);
    match table.as_deref().and_then(free_mb) {
        Some(free_mb) if free_mb < needed_mb => {
            Err(Error::DiskSpace { name, cache: cache.to_path_buf(), free_mb, needed_mb })
        }
        _ => Ok(()),
    }
}

/// The "Available" column of `df -Pk`. A device name may hold spaces, so it is found by
/// the column before the percentage.
fn free_mb(table: &str) -> Option<u64> {
    let columns: Vec<&str> = table.lines().nth(1)?.split_whitespace().collect();
    let percent = columns.iter().rposition(|column| column.ends_with('%'))?;
    columns.get(percent.checked_sub(1)?)?.parse::<u64>().ok().map(|kb| kb / 1024)
}

/// Major and minor of `2.36` or `20.0.2`.
pub(crate) fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

/// What a program prints, or nothing if it is missing or fails.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libtorch::LIBTORCH;
    use crate::mujoco::MUJOCO;

    #[test]
    fn only_glibc_linux_on_x86_64_is_served() {
        let check =
            |tree: &Tree, os, arch, gnu| check_platform(tree.name, tree.elsewhere, os, arch, gnu);
        assert!(check(&LIBTORCH, "linux", "x86_64", true).is_ok());
        for (os, arch, gnu) in
            [("linux", "aarch64", true), ("macos", "x86_64", false), ("linux", "x86_64", false)]
        {
            let error = |tree| check(tree, os, arch, gnu).unwrap_err().to_string();
            let libtorch = error(&LIBTORCH);
            assert!(libtorch.contains(&format!("ready-made libtorch for {arch}")), "{libtorch}");
            assert!(libtorch.contains("LIBTORCH_USE_PYTORCH=1"), "{libtorch}");
            let mujoco = error(&MUJOCO);
            assert!(mujoco.contains(&format!("ready-made MuJoCo for {arch}")), "{mujoco}");
            assert!(!mujoco.contains("LIBTORCH"), "{mujoco}");
        }
    }

    #[test]
    fn free_space_is_read_from_df() {
        let head = "Filesystem 1024-blocks Used Available Capacity Mounted on\n";
        assert_eq!(free_mb(&format!("{head}/dev/x 263000 150 81920 15% /")), Some(80));
        assert_eq!(free_mb(&format!("{head}a share 263000 150 81920 15% /my disk")), Some(80));
        assert_eq!(free_mb("nonsense"), None);
    }

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(version("20.0.2"), Some((20, 0)));
        assert!(version("2.9") < version("2.28"));
        assert_eq!(version("git"), None);
    }

    #[test]
    fn a_wheels_folder_is_blamed_when_there_is_one() {
        let stderr = "ERROR: No matching distribution found";
        for (tree, wheel) in [(&LIBTORCH, "torch-2.11.0"), (&MUJOCO, "dm_control-1.0.50")] {
            let error = |own| {
                let log = PathBuf::from("/c/setup.log");
                download_error(tree, Path::new("/c"), own, log, stderr).to_string()
            };
            let registry = error(None);
            assert!(registry.contains("set SUPPLE_WHEELS"), "{registry}");
            let folder = error(Some(PathBuf::from("/wheels")));
            assert!(folder.contains("SUPPLE_WHEELS=/wheels"), "{folder}");
            for error in [registry, folder] {
                assert!(error.contains(tree.name) && error.contains(wheel), "{error}");
            }
        }
    }
}
