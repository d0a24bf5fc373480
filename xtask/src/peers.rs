//! `cargo xtask peers`: the other frameworks in a virtual environment of the cache, and the
//! script that times them in turn with Supple.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, PeersError, PipSaid};
use crate::fetch::{check_disk, check_platform, check_python, lock, output, run, version};
use crate::pip_log::{self, Cause};
use crate::tree::cache;

const NAME: &str = "the peers";
const FOLDER: &str = "benchmarks/peers";
const REQUIREMENTS_FILE: &str = "benchmarks/peers/requirements.txt";
const REQUIREMENTS: &str = include_str!("../../benchmarks/peers/requirements.txt");
const STAND_INS: &str = include_str!("../../benchmarks/peers/stand_ins.py");
/// Written last, so that an environment without it is one that was interrupted.
const COMPLETE: &str = "supple-complete";
/// The oldest that jax 0.10 has wheels for.
const PYTHON: (u32, u32) = (3, 11);
/// Measured: wheels of 800 MB, installed one by one, and 2320 MB once installed.
const NEEDED_MB: u64 = 3500;

/// Asks the script whether the arguments make sense, before minutes of set-up, and whether
/// Supple is among what they measure.
pub(crate) fn needs_supple(checkout: &Path, arguments: &[String]) -> Result<bool, Error> {
    let mut command = Command::new("python3");
    command.arg(script(checkout)).arg("--needs").args(arguments).stdin(Stdio::null());
    let asked = command.stderr(Stdio::inherit()).output();
    let asked = asked.map_err(|_| Error::NoPython { name: NAME })?;
    if !asked.status.success() {
        return Err(Error::Exit(asked.status.code().and_then(|c| c.try_into().ok()).unwrap_or(1)));
    }
    Ok(String::from_utf8_lossy(&asked.stdout).split_whitespace().any(|name| name == "supple"))
}

/// The Supple to measure.
#[derive(Debug)]
pub(crate) enum Program {
    /// That of this checkout.
    Built(PathBuf),
    /// One that the user names.
    Named(OsString),
}

/// Becomes the script, so that Ctrl-C and the exit code are its own.
pub(crate) fn measure(
    checkout: &Path,
    python: &Path,
    program: Option<Program>,
    arguments: &[String],
) -> Result<(), Error> {
    let mut command = Command::new(python);
    command.arg(script(checkout)).args(arguments);
    match program {
        Some(Program::Built(path)) => command.arg("--built").arg(path),
        Some(Program::Named(path)) => command.arg("--program").arg(path),
        None => &mut command,
    };
    let error = command.exec();
    Err(Error::Start { program: python.display().to_string(), error })
}

/// The Python of the environment, which is made if it is not there.
pub(crate) fn ensure() -> Result<PathBuf, Error> {
    check_platform(NAME, None, env::consts::OS, env::consts::ARCH, cfg!(target_env = "gnu"))?;
    check_python(NAME)?;
    let found =
        output("python3", &["-c", "import sys; print(sys.version.split()[0], 'in', sys.prefix)"]);
    let found = found.ok_or(Error::NoPython { name: NAME })?;
    if version(&found).is_some_and(|number| number < PYTHON) {
        return Err(Error::Peers(PeersError::OldPython { found }));
    }
    let cache = cache()?;
    fs::create_dir_all(&cache).map_err(Error::io("create", &cache))?;
    let place = cache.join(folder(&found));
    let _lock = lock(&cache)?;
    if !is_complete(&place) {
        make(&cache, &place, &found)?;
    }
    Ok(python_of(&place))
}

fn make(cache: &Path, place: &Path, found: &str) -> Result<(), Error> {
    if place.exists() {
        fs::remove_dir_all(place).map_err(Error::io("remove the incomplete", place))?;
    }
    check_disk(NAME, NEEDED_MB, cache)?;
    let log = cache.join("setup.log");
    File::create(&log).map_err(Error::io("write", &log))?;
    let fetch_error = |what: &str, stderr: &str| match pip_log::cause(stderr) {
        Cause::DiskFull => full(cache),
        Cause::HashMismatch(line)
        | Cause::Unreachable(line)
        | Cause::NotFound(line)
        | Cause::Other(line) => Error::Fetch { what: what.to_owned(), line, log: log.clone() },
    };

    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(place);
    run(&mut venv, &log)?.map_err(|stderr| match pip_log::cause(&stderr) {
        Cause::DiskFull => full(cache),
        _ => Error::Peers(PeersError::NoVenv { log: log.clone() }),
    })?;

    let python = python_of(place);
    let requirements = place.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS).map_err(Error::io("write", &requirements))?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--no-deps", "--only-binary=:all:", "--require-hashes"])
        .args(["--no-input", "--disable-pip-version-check", "--no-cache-dir", "--retries=3"])
        .arg("--log")
        .arg(&log)
        .arg("--requirement")
        .arg(&requirements);
    let wheels = env::var_os("SUPPLE_WHEELS").filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(folder) = &wheels {
        eprintln!("installing {NAME} from {} ...", folder.display());
        pip.arg("--no-index").arg("--find-links").arg(folder);
    } else {
        eprintln!("downloading and installing {NAME} (800 MB, once per machine) ...");
    }
    run(&mut pip, &log)?.map_err(|stderr| {
        let said = |line| PipSaid { line, log: log.clone() };
        match pip_log::cause(&stderr) {
            Cause::DiskFull => full(cache),
            Cause::HashMismatch(line) => {
                Error::Hash { wheels_file: REQUIREMENTS_FILE, pip: said(line) }
            }
            Cause::Unreachable(line) if wheels.is_none() => {
                Error::Peers(PeersError::Unreachable(said(line)))
            }
            Cause::Unreachable(line) | Cause::NotFound(line) => Error::Peers(PeersError::Wheels {
                found: found.to_owned(),
                folder: wheels,
                pip: said(line),
            }),
            Cause::Other(line) => {
                Error::Fetch { what: "pip install".to_owned(), line, log: log.clone() }
            }
        }
    })?;

    let mut stand_ins = Command::new(&python);
    stand_ins.args(["-I", "-c", STAND_INS]);
    run(&mut stand_ins, &log)?.map_err(|stderr| fetch_error("making the stand-ins", &stderr))?;
    let mut import = Command::new(&python);
    import.args(["-I", "-c", "import torch, stable_baselines3, sbx, rlox, mujoco"]);
    run(&mut import, &log)?.map_err(|stderr| fetch_error("importing the peers", &stderr))?;
    let complete = place.join(COMPLETE);
    fs::write(&complete, "").map_err(Error::io("write", &complete))
}

fn full(cache: &Path) -> Error {
    Error::DiskFull { name: NAME, cache: cache.to_path_buf(), needed_mb: NEEDED_MB }
}

fn script(checkout: &Path) -> PathBuf {
    checkout.join(FOLDER).join("peers.py")
}

fn python_of(place: &Path) -> PathBuf {
    place.join("bin/python")
}

/// Complete, and its Python is still there: the environment only links to it.
fn is_complete(place: &Path) -> bool {
    place.join(COMPLETE).exists()
        && output(&python_of(place).to_string_lossy(), &["-c", ""]).is_some()
}

/// One environment for each state of what goes into it and each Python.
fn folder(python: &str) -> String {
    format!("peers-{:016x}", hash(&[REQUIREMENTS, STAND_INS, python]))
}

fn hash(texts: &[&str]) -> u64 {
    // The zeros keep "ab", "c" from being "a", "bc".
    fnv_1a(texts.iter().flat_map(|text| text.bytes().chain([0])))
}

/// <http://www.isthe.com/chongo/tech/comp/fnv/>; the standard library's hashes may change with
/// the compiler.
fn fnv_1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::mujoco::MUJOCO;
    use crate::tree::tests::Scratch;

    const WANTED: &str = include_str!("../../benchmarks/peers/requirements.in");

    fn checkout() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
    }

    /// What Python prints, with the script as the module `peers`.
    fn python(code: &str) -> String {
        let mut command = Command::new("python3");
        command.args(["-B", "-c", code]).current_dir(checkout().join(FOLDER));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    #[test]
    fn every_requirement_is_pinned_and_hashed() {
        let joined = REQUIREMENTS.replace("\\\n", " ");
        let lines = || joined.lines().filter(|line| !line.trim_start().starts_with('#'));
        assert!(lines().count() > 20);
        for line in lines() {
            let mut words = line.split_whitespace();
            let pin = words.next().unwrap();
            assert!(pin.contains("=="), "{line}");
            let hashes: Vec<&str> = words.collect();
            assert!(!hashes.is_empty(), "{line}");
            for hash in hashes {
                let digits = hash.strip_prefix("--hash=sha256:").unwrap_or_default();
                assert!(digits.len() == 64, "{pin} {hash}");
            }
        }
        let pinned = |name: &str| lines().any(|line| line.starts_with(name));
        for line in WANTED.lines() {
            if let Some(name) = line.strip_prefix("# without ") {
                assert!(!pinned(&format!("{name}==")), "{name}");
            } else if !line.starts_with('#') {
                assert!(pinned(&format!("{} ", line.replace("[mujoco]", ""))), "{line}");
            }
        }
        // Theirs and ours must simulate the same.
        assert!(pinned(&format!("mujoco=={} ", MUJOCO.version)));
    }

    #[test]
    fn each_state_of_the_ingredients_has_its_own_folder() {
        // From the authors' test vectors.
        assert_eq!(fnv_1a(b"foobar".iter().copied()), 0x8594_4171_f739_67e8);
        assert_ne!(hash(&["a", "b"]), hash(&["ab", ""]));
        assert_ne!(folder("3.11.7 /usr"), folder("3.12.1 /usr"));
    }

    #[test]
    fn an_environment_counts_only_when_it_was_finished() {
        let place = Scratch::new("peers");
        place.write(COMPLETE, "");
        assert!(!is_complete(&place.0), "no python");
        let python = python_of(&place.0);
        fs::create_dir(python.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink("/bin/true", &python).unwrap();
        assert!(is_complete(&place.0));
        fs::remove_file(place.0.join(COMPLETE)).unwrap();
        assert!(!is_complete(&place.0), "interrupted");
    }

    #[test]
    fn the_table_has_medians_and_ratios() {
        let printed = python(
            "import peers; print(peers.table({'pendulum': {'supple': [1, 300, 200], 'sb3': [50, \
             150, 1000, 50], 'thrust': []}, 'cartpole': {'supple': [1200], 'thrust': [600]}}))",
        );
        let expected = "\
| training, steps/s | Supple | Stable-Baselines3 | thrust-rl | Supple / Stable-Baselines3 | Supple / thrust-rl |
| --- | ---: | ---: | ---: | ---: | ---: |
| SAC, Pendulum-v1, 2x64, batch 256 | 200 | 100 |  | 2.00 |  |
| DQN, CartPole-v1, 2x128, batch 64 | 1,200 |  | 600 |  | 2.00 |";
        assert_eq!(printed, expected);
    }

    #[test]
    fn a_run_is_timed_after_its_warm_up() {
        let scratch = Scratch::new("peers-program");
        // The last argument is the run folder; the quick run's warm-up ends at step 500.
        scratch.write(
            "supple",
            r#"#!/bin/sh
for folder; do :; done
test "$folder" = --version && echo "supple 1.2.3" && exit
mkdir "$folder"
for line in "400 9" "500 10" "700 11" "900 12"; do
    set -- $line
    echo "{\"step\": $1, \"wall_s\": $2}"
done > "$folder/metrics.jsonl"
"#,
        );
        let program = scratch.0.join("supple");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new("python3");
        command.arg(script(checkout())).args(["cartpole", "--only", "supple", "--quick"]);
        command.args(["--rounds", "2", "--built"]).arg(&program);
        let output = command.output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(printed.contains("| DQN, CartPole-v1, 2x128, batch 64 | 200 |\n"), "{output:?}");
        assert!(printed.contains("supple 1.2.3"), "{printed}");
        let command = "`cargo xtask peers cartpole --only supple --quick --rounds 2`";
        assert!(printed.contains(command), "{printed}");
    }

    #[test]
    fn nonsense_is_refused_before_anything_is_built() {
        let ask = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            needs_supple(checkout(), &words)
        };
        assert!(ask(&["pendulum"]).unwrap());
        assert!(!ask(&["--only", "sb3"]).unwrap());
        for words in [&["pendulumm"][..], &["--rounds", "0"], &["--cores", "x"], &["--only", "x"]] {
            assert_eq!(ask(words).unwrap_err().code(), 2, "{words:?}");
        }
    }
}
