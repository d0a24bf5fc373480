//! Child processes: starting one that ends with this process, waiting for it, and how it ended.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// Starts a process from a thread that lives as long as this process does: on Linux a worker is
/// killed when the *thread* that started it ends.
pub(super) fn spawn(command: Command) -> io::Result<Child> {
    type Job = (Command, mpsc::SyncSender<io::Result<Child>>);
    static SPAWNER: OnceLock<mpsc::SyncSender<Job>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (jobs, queue) = mpsc::sync_channel::<Job>(0);
        let body = move || {
            for (mut command, reply) in queue {
                let _ = reply.send(command.spawn());
            }
        };
        // Without the thread, sending fails.
        let _ = thread::Builder::new().name("python-spawner".into()).spawn(body);
        jobs
    });
    let no_thread = || io::Error::other("there is no thread to start it from");
    let (reply, child) = mpsc::sync_channel(1);
    spawner.send((command, reply)).map_err(|_| no_thread())?;
    child.recv().map_err(|_| no_thread())?
}

pub(super) fn wait(child: &mut Child, longest: Duration) -> Option<ExitStatus> {
    let begin = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if begin.elapsed() < longest => thread::sleep(Duration::from_millis(1)),
            _ => return None,
        }
    }
}

pub(super) fn died(status: ExitStatus) -> String {
    match status.code() {
        // The interpreter may have been started by a shell script.
        Some(code @ 129..160) => {
            format!(
                "ended with exit code {code}, which is a shell's word for signal {}",
                code - 128
            )
        }
        Some(code) => format!("ended with exit code {code}"),
        // `signal: 9 (SIGKILL)`
        None => format!("was killed by {}", status.to_string().replacen(": ", " ", 1)),
    }
}
