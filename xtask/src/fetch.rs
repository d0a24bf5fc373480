//! Fetches libtorch into the cache: pip gets the pinned wheels, Python unpacks them.
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
use crate::libtorch::{VERSION, is_complete};
use crate::pip_log::{self, Cause};

const WHEELS: &str = include_str!("libtorch-wheels.txt");
const UNPACK: &str = include_str!("libtorch.py");
const STAGING: &str = ".staging-";
/// Measured peak: 1100 MB, when pip holds the 540 MB of wheels twice and again when they
/// and the tree are there together. The rest is headroom.
const NEEDED_MB: u64 = 1700;
/// What the wheels are built for. Python's version only selects one of several wheels
/// with the same libtorch, so it need not be that of `python3`.
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

/// Puts a complete libtorch at `tree`, a folder of `cache`.
pub(crate) fn fetch(cache: &Path, tree: &Path) -> Result<(), Error> {
    check_platform(env::consts::OS, env::consts::ARCH, cfg!(target_env = "gnu"))?;
    check_python()?;
    let _lock = lock(cache)?;
    // Another checkout may have finished while this one waited.
    if is_complete(tree) {
        return Ok(());
    }
    clear_staging(cache);
    check_disk(cache)?;
    let staging = cache.join(format!("{STAGING}{}", process::id()));
    let fetched = fill(cache, &staging, tree);
    let _ = fs::remove_dir_all(&staging);
    fetched
}

fn fill(cache: &Path, staging: &Path, tree: &Path) -> Result<(), Error> {
    let log = cache.join("setup.log");
    let (wheels, temporary) = (staging.join("wheels"), staging.join("tmp"));
    for folder in [&wheels, &temporary] {
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    }
    let requirements = staging.join("wheels.txt");
    fs::write(&requirements, WHEELS).map_err(Error::io("write", &requirements))?;
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
            eprintln!("taking the libtorch {VERSION} wheels from {} ...", folder.display());
            pip.arg("--no-index").arg("--find-links").arg(folder);
        }
        None => eprintln!("downloading libtorch {VERSION} (540 MB, once per machine) ..."),
    }
    run(&mut pip, &log)?
        .map_err(|stderr| download_error(cache, own_wheels, log.clone(), &stderr))?;

    eprintln!("unpacking it into {} ...", tree.display());
    let unpacked = staging.join("libtorch");
    let mut unpack = Command::new("python3");
    // -I: a zipfile.py in the working directory must not replace Python's.
    unpack.args(["-I", "-c", UNPACK]).arg(&wheels).arg(&unpacked).arg(format!("{VERSION}+cpu"));
    run(&mut unpack, &log)?.map_err(|stderr| match pip_log::cause(&stderr) {
        Cause::DiskFull => Error::DiskFull { cache: cache.to_path_buf(), needed_mb: NEEDED_MB },
        Cause::HashMismatch(line)
        | Cause::Unreachable(line)
        | Cause::NotFound(line)
        | Cause::Other(line) => Error::Fetch { what: "unpacking libtorch", line, log: log.clone() },
    })?;

    if tree.exists() {
        // Damaged, or it would have been used; a rename cannot replace a full folder.
        let damaged = staging.join("damaged");
        fs::rename(tree, &damaged).map_err(Error::io("move away", tree))?;
    }
    fs::rename(&unpacked, tree).map_err(Error::io("move libtorch to", tree))?;
    // The rename itself must survive a power cut; some file systems refuse, harmlessly.
    let _ = File::open(cache).and_then(|folder| folder.sync_all());
    Ok(())
}

fn download_error(cache: &Path, own: Option<PathBuf>, log: PathBuf, stderr: &str) -> Error {
    let wheels = wheel_names();
    let said = |line| PipSaid { line, log: log.clone() };
    match (pip_log::cause(stderr), own) {
        (Cause::DiskFull, _) => {
            Error::DiskFull { cache: cache.to_path_buf(), needed_mb: NEEDED_MB }
        }
        (Cause::HashMismatch(line), _) => Error::Hash { pip: said(line) },
        (Cause::Unreachable(line) | Cause::NotFound(line), Some(folder)) => {
            Error::WheelsFolder { folder, wheels, pip: said(line) }
        }
        (Cause::Unreachable(line), None) => {
            Error::Registry { reached: false, wheels, pip: said(line) }
        }
        (Cause::NotFound(line), None) => Error::Registry { reached: true, wheels, pip: said(line) },
        (Cause::Other(line), _) => Error::Fetch { what: "pip download", line, log },
    }
}

/// The pinned wheels' file names.
fn wheel_names() -> Vec<String> {
    WHEELS.lines().filter_map(|line| line.split_once("  # ")).map(|(_, name)| name.into()).collect()
}

/// Runs a step; on failure the inner error is what it wrote to stderr, which goes to the
/// log as well. Its stdout, with pip's progress bar, goes to our stderr: the stdout of
/// `train` belongs to the trainer.
fn run(command: &mut Command, log: &Path) -> Result<Result<(), String>, Error> {
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

fn lock(cache: &Path) -> Result<File, Error> {
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

fn check_platform(os: &str, arch: &str, gnu: bool) -> Result<(), Error> {
    if (os, arch, gnu) != ("linux", "x86_64", true) {
        let libc = if os == "linux" && !gnu { " without glibc" } else { "" };
        return Err(Error::Platform { found: format!("{arch} {os}{libc}") });
    }
    // Without getconf there is nothing to compare; the build would tell.
    let found = output("getconf", &["GNU_LIBC_VERSION"]).unwrap_or_default();
    match found.strip_prefix("glibc ").and_then(version) {
        Some(number) if number < (2, 28) => Err(Error::OldGlibc { found }),
        _ => Ok(()),
    }
}

fn check_python() -> Result<(), Error> {
    // 3.6: the oldest that the unpacking script is written for.
    let script = "import sys; sys.exit(sys.version_info < (3, 6))";
    output("python3", &["-c", script]).ok_or(Error::NoPython)?;
    let pip = output("python3", &["-m", "pip", "--version"]).ok_or(Error::NoPip)?;
    let found = pip.split_whitespace().nth(1).unwrap_or_default().to_owned();
    match version(&found) {
        // manylinux_2_28 is a name of the kind that pip learned in 20.3.
        Some(number) if number < (20, 3) => Err(Error::OldPip { found }),
        _ => Ok(()),
    }
}

fn check_disk(cache: &Path) -> Result<(), Error> {
    let table = output("df", &["-Pk", &cache.to_string_lossy()]);
    match table.as_deref().and_then(free_mb) {
        Some(free_mb) if free_mb < NEEDED_MB => {
            let needed_mb = NEEDED_MB;
            Err(Error::DiskSpace { cache: cache.to_path_buf(), free_mb, needed_mb })
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
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

/// What a program prints, or nothing if it is missing or fails.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wheels_are_of_the_version_and_all_pinned() {
        let names = wheel_names();
        assert_eq!(names.len(), 3, "{names:?}");
        assert!(names[0].starts_with(&format!("torch-{VERSION}-")), "{names:?}");
        assert_eq!(WHEELS.matches("--hash=sha256:").count(), 3);
    }

    #[test]
    fn only_glibc_linux_on_x86_64_is_served() {
        assert!(check_platform("linux", "x86_64", true).is_ok());
        for (os, arch, gnu) in
            [("linux", "aarch64", true), ("macos", "x86_64", false), ("linux", "x86_64", false)]
        {
            let error = check_platform(os, arch, gnu).unwrap_err().to_string();
            assert!(error.contains(arch) && error.contains("LIBTORCH_USE_PYTORCH=1"), "{error}");
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
        let stderr = "ERROR: No matching distribution found for torch==2.11.0";
        let error =
            |own| download_error(Path::new("/c"), own, PathBuf::from("/c/setup.log"), stderr);
        assert!(error(None).to_string().contains("set SUPPLE_WHEELS"));
        let folder = error(Some(PathBuf::from("/wheels"))).to_string();
        assert!(folder.contains("SUPPLE_WHEELS=/wheels"), "{folder}");
    }
}
