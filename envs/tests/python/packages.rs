//! The Python packages that the tests need, beside the build and not in the user's Python.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, id};
use std::sync::OnceLock;

const REQUIREMENTS: &str = include_str!("requirements.txt");

/// A Python of its own.
pub(crate) struct Packages {
    /// Where gymnasium and numpy are.
    pub(crate) folder: PathBuf,
    /// `python3` without any package of the user's.
    pub(crate) bare: PathBuf,
    /// The same, but started by a script that stays.
    pub(crate) behind_a_script: PathBuf,
}

/// Installed by the first test that asks.
pub(crate) fn packages() -> &'static Packages {
    static PACKAGES: OnceLock<Packages> = OnceLock::new();
    PACKAGES.get_or_init(install)
}

/// `--target` needs neither venv nor ensurepip, which Debian leaves out.
fn install() -> Packages {
    // `python3` may be a script around the interpreter.
    let script = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)";
    let output = Command::new("python3").args(["-c", script]).output();
    let output = output.expect("the tests of the Python bridge need `python3`; install Python 3");
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let (version, python) = text.split_once(' ').expect("a version and a path");

    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(target).expect("the target folder can be written");
    let lock = File::create(target.join("python-packages.lock")).expect("a lock file");
    lock.lock().expect("a lock that other test programs wait for");
    // Another set of requirements is another folder.
    let sum = REQUIREMENTS.bytes().fold(5381_u32, |h, byte| h.wrapping_mul(33) ^ u32::from(byte));
    let folder = target.join(format!("python-{version}-{sum:08x}"));
    let script = |name: &str, run: &str| {
        let path = target.join(name);
        let text = format!("#!/bin/sh\n{run}\n");
        if fs::read_to_string(&path).is_ok_and(|old| old == text) {
            return path;
        }
        fs::write(&path, text).expect("the target folder can be written");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("our own file");
        path
    };
    let packages = Packages {
        bare: script("bare_python", &format!("exec '{python}' -B -I -S \"$@\"")),
        behind_a_script: script(
            "python_in_a_script",
            &format!("'{python}' -B -I -S \"$@\"; exit $?"),
        ),
        folder: folder.clone(),
    };
    if folder.is_dir() {
        return packages;
    }
    let staging = target.join(format!("python-staging-{}", id()));
    let _ = fs::remove_dir_all(&staging);
    fs::create_dir_all(&staging).expect("the target folder can be written");
    let requirements = staging.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS).expect("the target folder can be written");

    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--require-hashes", "--only-binary=:all:", "--no-deps"])
        .args(["--no-input", "--disable-pip-version-check", "--no-compile", "--quiet"])
        .arg("--target")
        .arg(staging.join("packages"))
        .arg("--requirement")
        .arg(&requirements);
    let wheels = std::env::var("SUPPLE_WHEELS").unwrap_or_default();
    if !wheels.is_empty() {
        pip.args(["--no-index", "--find-links", &wheels]);
    }
    let output = pip.stdin(Stdio::null()).output().expect("python3 runs");
    assert!(
        output.status.success(),
        "the tests of the Python bridge need the wheels of gymnasium 1.4.0, numpy, cloudpickle, \
         farama-notifications and typing-extensions, and pip could not get them; reach a PyPI, or \
         put them into a folder (`pip download --require-hashes --dest FOLDER -r \
         envs/tests/python/requirements.txt`) and set SUPPLE_WHEELS to it. pip said:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    fs::rename(staging.join("packages"), &folder).expect("a rename in one folder");
    let _ = fs::remove_dir_all(&staging);
    packages
}
