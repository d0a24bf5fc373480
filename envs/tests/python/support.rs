//! Python environments for the tests, in a Python that has just what they need.

#![allow(dead_code, reason = "each test program uses a part of it")]

#[path = "packages.rs"]
mod packages;

use std::path::PathBuf;
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

use envs::{Action, Env, EnvError, Kwargs, Registry, Step};
use serde_json::{Value, json};

pub(crate) use packages::packages;

/// Where the tests' Python files are.
pub(crate) fn sources() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python"))
}

/// Keyword arguments with an interpreter that knows our packages only.
pub(crate) fn kwargs(value: Value) -> Kwargs {
    let packages = packages();
    let ours = json!({ "python": packages.bare, "path": [packages.folder, sources()] });
    let mut kwargs = Kwargs::try_from(ours).expect("an object");
    kwargs.extend(Kwargs::try_from(value).expect("an object"));
    kwargs
}

pub(crate) fn try_make(id: &str, value: Value) -> Result<Box<dyn Env>, EnvError> {
    Registry::builtin().make(id, &kwargs(value))
}

pub(crate) fn make(id: &str, value: Value) -> Box<dyn Env> {
    try_make(id, value).unwrap_or_else(|error| panic!("{error}"))
}

/// One of `worlds.py`.
pub(crate) fn world(name: &str, value: Value) -> Box<dyn Env> {
    make(&format!("python:worlds:{name}"), value)
}

/// Why it cannot be made.
pub(crate) fn refusal(id: &str, value: Value) -> String {
    try_make(id, value).err().expect("must be refused").to_string()
}

pub(crate) fn reset(env: &mut dyn Env, seed: u64) -> Result<Vec<f32>, EnvError> {
    let mut obs = vec![f32::NAN; env.spec().obs.size()];
    env.reset(seed, &mut obs)?;
    Ok(obs)
}

pub(crate) fn step(env: &mut dyn Env, choice: usize) -> Result<(Vec<f32>, Step), EnvError> {
    let mut obs = vec![f32::NAN; env.spec().obs.size()];
    let step = env.step(Action::Discrete(choice), &mut obs)?;
    Ok((obs, step))
}

/// How many times longer than on an idle machine something may take before it counts as a hang.
const SLACK: u64 = 100;

/// Fails instead of hanging: `test` needs less than `seconds` on an idle machine, and has a hundred times that.
pub(crate) fn within<T: Send + 'static>(
    seconds: u64,
    test: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (done, result) = mpsc::sync_channel(1);
    let thread = std::thread::spawn(move || {
        let _ = done.send(test());
    });
    match result.recv_timeout(Duration::from_secs(SLACK * seconds)) {
        Ok(value) => value,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("not done after {SLACK} x {seconds} s"),
        Err(_) => std::panic::resume_unwind(thread.join().expect_err("it has sent nothing")),
    }
}

/// Does the process still run? A zombie does not.
pub(crate) fn runs(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z")))
}

/// A file for the workers to note their process numbers in; each test has its own.
pub(crate) fn mark(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.pids"));
    let _ = std::fs::remove_file(&path);
    let _ = std::fs::remove_file(path.with_extension("pids.met"));
    path
}

/// A `timeout_s` that this machine meets with ease where nothing hangs: four times what a worker takes to start, of
/// which a start may take five times as much again.
pub(crate) fn patience() -> u64 {
    static PATIENCE: OnceLock<u64> = OnceLock::new();
    *PATIENCE.get_or_init(|| {
        let begin = Instant::now();
        let mut env = world("Fault", json!({}));
        reset(env.as_mut(), 0).expect("reset");
        (4.0 * begin.elapsed().as_secs_f64()).ceil() as u64
    })
}

/// What they noted, one for each environment made.
pub(crate) fn pids(mark: &PathBuf) -> Vec<u32> {
    let text = std::fs::read_to_string(mark).unwrap_or_default();
    text.lines().map(|line| line.parse().expect("a process number")).collect()
}

/// Waits for something to come true.
pub(crate) fn eventually(what: &str, test: impl Fn() -> bool) {
    for _ in 0..1000 * SLACK {
        if test() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("after {SLACK} times ten seconds still not: {what}");
}
