//! A worker process, its socket, and the memory shared with it.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio, id};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;

use super::child::{died, spawn, wait};
use super::layout::Layout;
use super::link::Link;
use super::options::Options;
use crate::{EnvError, EnvSpec, Sources};

const SCRIPT: &str = concat!(
    include_str!("worker/link.py"),
    include_str!("worker/spaces.py"),
    include_str!("worker/make.py"),
    include_str!("worker/run.py"),
);
/// How often a long wait checks that the worker is still running.
const LOOK: Duration = Duration::from_millis(100);
/// How long a worker may take to end by itself.
const FAREWELL: Duration = Duration::from_secs(5);

/// A running worker.
pub(super) struct Process {
    child: Child,
    link: BufReader<Link>,
    /// Inputs of all slots, then their outputs; set by [`Process::share`].
    memory: Option<(File, Layout)>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The environment cannot do what was asked; the worker keeps running.
    Refused(String),
    /// The worker has ended.
    Gone(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Refused(text) | Self::Gone(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for Failure {}

/// What a worker says when it has made its first environment.
#[derive(Deserialize)]
pub(super) struct Made {
    pub(super) spec: EnvSpec,
    pub(super) sources: Sources,
}

impl Process {
    /// Starts a worker and has it make its first environment.
    pub(super) fn start(options: &Options) -> Result<(Self, Made), EnvError> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = Command::new(&options.python);
        command
            .args(["-u", "-c", SCRIPT])
            .stdin(Stdio::null())
            // Not standard input: a bash on the way to Python would take that for a login.
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            // Ctrl-C in a terminal is for us, who end the run in order.
            .process_group(0);
        let child = spawn(command).map_err(|error| {
            format!(
                "cannot start the Python interpreter `{}`: {error}; install it, or name another \
                 one with `python`",
                options.python
            )
        })?;
        let link = BufReader::new(Link::new(ours)?);
        let mut process = Self { child, link, memory: None };
        let header = process.call(&options.request, options.start_timeout())?;
        Ok((process, serde_json::from_slice(&header)?))
    }

    /// Creates the shared memory for this many environments.
    pub(super) fn share(&mut self, layout: Layout, timeout: Duration) -> Result<(), EnvError> {
        static FILES: AtomicU64 = AtomicU64::new(0);
        let shm = Path::new("/dev/shm");
        let folder = if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() };
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("supple-{}-{number}", id()));
        let size = layout.inputs() + layout.outputs();
        let file = create(&path, size).map_err(|error| {
            format!(
                "cannot create {size} bytes of shared memory, {}: {error}; make room there",
                path.display()
            )
        })?;
        // The name is not needed any more, whatever happens.
        let _unlink = Unlink(path.clone());
        let place = json!({
            "path": path,
            "input_stride": layout.input_stride,
            "outputs_at": layout.inputs(),
            "output_stride": layout.output_stride,
        });
        self.call(&place.to_string(), timeout)?;
        self.memory = Some((file, layout));
        Ok(())
    }

    /// Sends a block and waits for the answer to it.
    fn call(&mut self, json: &str, timeout: Duration) -> Result<Vec<u8>, EnvError> {
        let mut block = (json.len() as u32).to_ne_bytes().to_vec();
        block.extend(json.as_bytes());
        self.link.get_mut().write_all(&block).map_err(|error| self.gone(&error, timeout))?;
        Ok(self.answer(timeout)?)
    }

    /// Sends commands, with the inputs of all slots.
    pub(super) fn send(&mut self, commands: &[u8], inputs: &[u8]) -> Result<(), Failure> {
        if let Some((memory, _)) = &self.memory {
            memory.write_all_at(inputs, 0).map_err(|error| self.gone(&error, FAREWELL))?;
        }
        self.link.get_mut().write_all(commands).map_err(|error| self.gone(&error, FAREWELL))
    }

    /// Waits for the next answer. The usual one is empty, and then nothing is allocated.
    pub(super) fn answer(&mut self, timeout: Duration) -> Result<Vec<u8>, Failure> {
        self.read(timeout).map_err(|error| self.gone(&error, timeout))?
    }

    fn read(&mut self, timeout: Duration) -> io::Result<Result<Vec<u8>, Failure>> {
        let mut status = [0];
        self.take(&mut status, timeout)?;
        if status == [0] {
            return Ok(Ok(Vec::new()));
        }
        if status > [2] {
            let what = "something was printed to its standard output before it was ready";
            return Err(io::Error::new(ErrorKind::InvalidData, what));
        }
        let mut length = [0; 4];
        self.take(&mut length, timeout)?;
        let mut payload = vec![0; u32::from_ne_bytes(length) as usize];
        self.take(&mut payload, timeout)?;
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Ok(if status == [1] { Err(Failure::Refused(text(&payload))) } else { Ok(payload) })
    }

    /// Fills `bytes` from the socket. A process that the environment forked may hold the other end
    /// open for as long as it likes, so the worker's own end counts as the end of the socket.
    fn take(&mut self, mut bytes: &mut [u8], timeout: Duration) -> io::Result<()> {
        let begin = Instant::now();
        let mut ended = false;
        while !bytes.is_empty() {
            let left = timeout.saturating_sub(begin.elapsed());
            self.link.get_mut().set_timeout(left.clamp(Duration::from_millis(1), LOOK))?;
            match self.link.read(bytes) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => bytes = &mut bytes[count..],
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                        // What it sent before its end has been read by now.
                        if ended {
                            return Err(ErrorKind::UnexpectedEof.into());
                        }
                        ended = !matches!(self.child.try_wait(), Ok(None));
                        if !ended && begin.elapsed() >= timeout {
                            return Err(error);
                        }
                    }
                    _ => return Err(error),
                },
            }
        }
        Ok(())
    }

    /// Reads the outputs of some slots.
    pub(super) fn outputs(
        &mut self,
        slots: std::ops::RangeInclusive<usize>,
        outputs: &mut [u8],
    ) -> Result<(), Failure> {
        let Some((memory, layout)) = &self.memory else { return Ok(()) };
        let span = layout.output(*slots.start()).start..layout.output(*slots.end()).end;
        let at = (layout.inputs() + span.start) as u64;
        memory.read_exact_at(&mut outputs[span], at).map_err(|error| self.gone(&error, FAREWELL))
    }

    /// Ends the worker after an error of the link, and says how it came.
    fn gone(&mut self, error: &io::Error, timeout: Duration) -> Failure {
        let pid = self.child.id();
        let how = match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                let seconds = timeout.as_secs_f64();
                format!("did not answer within {seconds} s; give it a longer `timeout_s`")
            }
            ErrorKind::InvalidData => format!("cannot be understood: {error}"),
            // The socket closes a moment before the process has ended.
            _ => match wait(&mut self.child, Duration::from_secs(1)) {
                Some(status) => format!("{}; its last words are above", died(status)),
                None => format!("cannot be reached: {error}"),
            },
        };
        self.kill();
        Failure::Gone(format!("the Python worker (process {pid}) {how}"))
    }

    fn kill(&mut self) {
        // For a worker behind a script: the script is what is killed.
        let _ = self.link.get_ref().shutdown(Shutdown::Both);
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    /// Lets the worker close its environments; one that takes too long is killed.
    fn drop(&mut self) {
        let _ = self.link.get_ref().shutdown(Shutdown::Write);
        // Nothing more is sent: this waits for the end of the process.
        let _ = self.take(&mut [0], FAREWELL);
        if wait(&mut self.child, Duration::from_secs(1)).is_none() {
            self.kill();
        }
    }
}

struct Unlink(PathBuf);

impl Drop for Unlink {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A file full of zeros: written, so that a full disk shows now and not as a signal later.
fn create(path: &Path, size: usize) -> io::Result<File> {
    let mut open = OpenOptions::new();
    let mut file = open.read(true).write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&vec![0; size]).inspect_err(|_| drop(Unlink(path.to_owned())))?;
    Ok(file)
}
