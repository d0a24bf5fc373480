//! Runs the real binary in a scratch folder. A process that hangs fails its test instead of stopping all.
#![allow(dead_code, reason = "every test file uses its own part of this")]

pub(crate) mod page;
pub(crate) mod remains;

use std::{
    ffi::OsStr,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// The stock binary.
pub(crate) const SUPPLE: &str = env!("CARGO_BIN_EXE_supple");

/// After this long a process hangs: two hours, since a test must pass on any machine that makes progress.
pub(crate) const LIMIT: Duration = Duration::from_secs(2 * 3600);

/// A small DQN run, of about a second.
pub(crate) const QUICK: &str = r#"
seed = 5
total_steps = 400
log_every_updates = 10
[env]
name = "CartPole-v1"
[runtime]
torch_threads = 1
update_to_data = 0.5
[replay]
capacity = 5_000
batch_size = 16
learning_starts = 50
[eval]
every_steps = 200
episodes = 2
[checkpoint]
every_steps = 100
[agent]
kind = "dqn"
target = { kind = "hard", every_updates = 100 }
[agent.network]
arch = { kind = "mlp", hidden = [16] }
"#;

/// A folder that is removed with the test; commands run in it.
pub(crate) struct Scratch(TempDir);

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code; `None` if a signal killed it.
    pub(crate) code: Option<i32>,
    /// Its standard output.
    pub(crate) stdout: String,
    /// Its standard error.
    pub(crate) stderr: String,
}

/// A process under way, with somebody reading what it says.
pub(crate) struct Running {
    child: Child,
    readers: [JoinHandle<String>; 2],
    deadline: Instant,
    what: String,
}

impl Scratch {
    /// An empty one.
    pub(crate) fn new() -> Scratch {
        Scratch(TempDir::new().expect("a temporary folder"))
    }

    /// One that holds [`QUICK`] as `quick.toml`.
    pub(crate) fn quick() -> Scratch {
        let scratch = Scratch::new();
        scratch.write("quick.toml", QUICK);
        scratch
    }

    /// A path in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file in it.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).expect("a file in the temporary folder");
    }

    /// `supple ARGS`, started.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        self.start_program(SUPPLE, args)
    }

    /// Any program, started here.
    pub(crate) fn start_program(&self, program: impl AsRef<OsStr>, args: &[&str]) -> Running {
        start_in(self.0.path(), program, args)
    }

    /// `supple ARGS`, to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        self.start(args).wait()
    }

    /// `supple ARGS`, which must end with code 0.
    pub(crate) fn succeed(&self, args: &[&str]) -> Ended {
        let ended = self.run(args);
        assert_eq!(ended.code, Some(0), "supple {args:?}\n{}", ended.stderr);
        ended
    }
}

/// Any program, started in `folder`.
pub(crate) fn start_in(folder: &Path, program: impl AsRef<OsStr>, args: &[&str]) -> Running {
    let mut child = Command::new(program.as_ref())
        .args(args)
        .current_dir(folder)
        .env("RUST_BACKTRACE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let readers =
        [reader(child.stdout.take().expect("piped")), reader(child.stderr.take().expect("piped"))];
    Running { child, readers, deadline: Instant::now() + LIMIT, what: args.join(" ") }
}

fn reader(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

impl Running {
    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Ended {
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child to wait for") {
                break status;
            }
            if Instant::now() >= self.deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                let [_, stderr] = self.readers.map(|r| r.join().unwrap_or_default());
                panic!("`{}` did not end within {LIMIT:?}\n{stderr}", self.what);
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let [stdout, stderr] = self.readers.map(|r| r.join().expect("a reader"));
        Ended { code: status.code(), stdout, stderr }
    }

    /// Whether it is still there.
    pub(crate) fn alive(&mut self) -> bool {
        self.child.try_wait().expect("a child to wait for").is_none()
    }

    /// `kill -SIGNAL`.
    pub(crate) fn signal(&self, signal: &str) {
        assert!(self.signal_if_there(signal), "kill -{signal} {}", self.child.id());
    }

    /// `kill -SIGNAL`; says whether there was a process, which can have ended by itself.
    pub(crate) fn signal_if_there(&self, signal: &str) -> bool {
        let args = [&format!("-{signal}"), &self.child.id().to_string()];
        let output = Command::new("kill").args(args).output();
        output.expect("kill runs").status.success()
    }

    /// Waits until `done` says so; the process must not end before.
    pub(crate) fn until(&mut self, what: &str, mut done: impl FnMut() -> bool) {
        while !done() {
            assert!(self.alive(), "`{}` ended before {what}", self.what);
            assert!(Instant::now() < self.deadline, "`{}`: no {what} in time", self.what);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Names of the folders `KIND-...` of a run's checkpoints, in order.
pub(crate) fn checkpoints(run: &Path, kind: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(run.join("checkpoints")) else { return Vec::new() };
    let names = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|n| n.starts_with(&format!("{kind}-"))).collect();
    names.sort();
    names
}

/// The last line, as JSON.
pub(crate) fn last_json(stdout: &str) -> serde_json::Value {
    let line = stdout.lines().last().expect("some output");
    serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}"))
}
