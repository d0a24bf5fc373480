//! Everything that can go wrong for a user, one sentence each: what and what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Error {
    /// The command line makes no sense.
    Usage(String),
    /// A program we ran has already said what is wrong; pass its exit code on.
    Exit(u8),
    /// These steps of `check` failed, after saying why.
    Steps(Vec<&'static str>),
    /// A program could not be started at all.
    Start { program: String, error: io::Error },
    /// No wheels for this machine.
    Platform { name: &'static str, found: String, elsewhere: Option<&'static str> },
    /// glibc is older than the wheels need.
    OldGlibc { name: &'static str, found: String, elsewhere: Option<&'static str> },
    /// `python3` is missing or broken.
    NoPython { name: &'static str },
    /// `python3 -m pip` does not run.
    NoPip { name: &'static str },
    /// pip does not know the platform names of the wheels.
    OldPip { name: &'static str, found: String },
    /// No C++ compiler, or one that the build would not find.
    NoCompiler { tried: String, alternative: Option<&'static str> },
    /// Neither of the variables that could tell where the cache is.
    NoCache,
    /// Too little room before starting.
    DiskSpace { name: &'static str, cache: PathBuf, free_mb: u64, needed_mb: u64 },
    /// Room ran out on the way.
    DiskFull { name: &'static str, cache: PathBuf, needed_mb: u64 },
    /// The wheels cannot be had.
    Registry { name: &'static str, reached: bool, wheels: Vec<String>, pip: PipSaid },
    /// `SUPPLE_WHEELS` lacks something.
    WheelsFolder { name: &'static str, folder: PathBuf, wheels: Vec<String>, pip: PipSaid },
    /// A wheel is not the one that was pinned.
    Hash { wheels_file: &'static str, pip: PipSaid },
    /// The environment of `peers` cannot be made.
    Peers(PeersError),
    /// pip or the unpacking failed in a way not foreseen.
    Fetch { what: String, line: String, log: PathBuf },
    /// `LIBTORCH_USE_PYTORCH` is set but there is no fitting `PyTorch`.
    PyTorch { python: &'static str, problem: String },
    /// `LIBTORCH` is set to nothing.
    EmptyLibtorch,
    /// A libtorch of the user's own does not fit.
    OwnLibtorch { place: String, problem: String, remedy: &'static str },
    /// A file operation failed.
    Io { doing: &'static str, path: PathBuf, error: io::Error },
}

/// Why the environment of `peers` cannot be made.
#[derive(Debug)]
pub(crate) enum PeersError {
    /// `python3 -m venv` does not work.
    NoVenv { log: PathBuf },
    /// This Python is too old for the pinned versions.
    OldPython { found: String },
    /// The registry does not answer.
    Unreachable(PipSaid),
    /// A wheel is missing: for this Python, or from `SUPPLE_WHEELS`.
    Wheels { found: String, folder: Option<PathBuf>, pip: PipSaid },
}

/// pip's own words, for those who know it better than we do.
#[derive(Debug)]
pub(crate) struct PipSaid {
    /// The line that says most.
    pub(crate) line: String,
    /// Where all lines are.
    pub(crate) log: PathBuf,
}

impl fmt::Display for PipSaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(pip: \"{}\"; full log: {})", self.line, self.log.display())
    }
}

impl fmt::Display for PeersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoVenv { log } => write!(
                f,
                "`python3 -m venv` fails, and the peers need it; install it (Debian, Ubuntu: `apt \
                 install python3-venv`; full log: {})",
                log.display()
            ),
            Self::OldPython { found } => write!(
                f,
                "the peers need Python 3.11 or newer and `python3` is {found}; put a newer one \
                 first on PATH"
            ),
            Self::Unreachable(pip) => write!(
                f,
                "the package registry cannot be reached for the peers; restore access, or put the \
                 wheels of benchmarks/peers/requirements.txt into a folder and set SUPPLE_WHEELS \
                 to it {pip}"
            ),
            Self::Wheels { found, folder: None, pip } => write!(
                f,
                "the package registry lacks a wheel of benchmarks/peers/requirements.txt for \
                 Python {found}; put Python 3.11 to 3.13 first on PATH {pip}"
            ),
            Self::Wheels { found, folder: Some(folder), pip } => write!(
                f,
                "SUPPLE_WHEELS={} does not hold all wheels of benchmarks/peers/requirements.txt \
                 for Python {found}; put them there {pip}",
                folder.display()
            ),
        }
    }
}

impl Error {
    /// Attaches what was being done, and to what, to an I/O error.
    pub(crate) fn io<'a>(
        doing: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |error| Self::Io { doing, path: path.to_path_buf(), error }
    }

    /// The process's exit code: what a child said, 2 for wrong usage, else 1.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Exit(code) => *code,
            Self::Usage(_) => 2,
            _ => 1,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(problem) => write!(f, "{problem}; see `cargo xtask --help`"),
            Self::Exit(code) => write!(f, "ended with exit code {code}"),
            Self::Steps(names) => write!(f, "failed: {}", names.join(", ")),
            Self::Start { program, error } => {
                write!(f, "cannot run `{program}` ({error}); install it or put it on PATH")
            }
            Self::Platform { name, found, elsewhere } => write!(
                f,
                "there is no ready-made {name} for {found}, only for x86-64 Linux with glibc{}",
                joined("; ", *elsewhere)
            ),
            Self::OldGlibc { name, found, elsewhere } => write!(
                f,
                "this system has {found} but the {name} wheels need glibc 2.28 or newer; use a \
                 newer distribution{}",
                joined(", or ", *elsewhere)
            ),
            Self::NoPython { name } => write!(
                f,
                "`python3` does not run, and setup needs it to fetch {name}; install Python 3 \
                 (Debian, Ubuntu: `apt install python3 python3-pip`)"
            ),
            Self::NoPip { name } => write!(
                f,
                "`python3 -m pip` does not run, and setup needs it to fetch {name}; install pip \
                 (Debian, Ubuntu: `apt install python3-pip`; elsewhere: `python3 -m ensurepip`)"
            ),
            Self::OldPip { name, found } => write!(
                f,
                "pip {found} is too old to find the {name} wheels; upgrade it to 20.3 or newer \
                 (`python3 -m pip install --upgrade pip`)"
            ),
            Self::NoCompiler { tried, alternative: Some(other) } => write!(
                f,
                "the C++ compiler `{tried}` does not run but `{other}` does; set CXX={other}"
            ),
            Self::NoCompiler { tried, alternative: None } => write!(
                f,
                "the C++ compiler `{tried}` does not run; install one (Debian, Ubuntu: `apt \
                 install g++`) or set CXX to yours"
            ),
            Self::NoCache => {
                write!(f, "HOME is not set, so there is no cache folder; set SUPPLE_CACHE to one")
            }
            Self::DiskSpace { name, cache, free_mb, needed_mb } => write!(
                f,
                "setting up {name} needs {needed_mb} MB free in {} but there are {free_mb} MB; \
                 free some, or set SUPPLE_CACHE to a folder on a larger disk",
                cache.display()
            ),
            Self::DiskFull { name, cache, needed_mb } => write!(
                f,
                "the disk of {} filled up while setting up {name}; free {needed_mb} MB, or set \
                 SUPPLE_CACHE to a folder on a larger disk",
                cache.display()
            ),
            Self::Registry { name, reached, wheels, pip } => write!(
                f,
                "the package registry {} the {name} wheels; restore access, or put {} into a \
                 folder and set SUPPLE_WHEELS to it {pip}",
                if *reached { "does not offer" } else { "cannot be reached for" },
                wheels.join(", "),
            ),
            Self::WheelsFolder { name, folder, wheels, pip } => write!(
                f,
                "SUPPLE_WHEELS={} does not hold all {name} wheels; put {} there {pip}",
                folder.display(),
                wheels.join(", "),
            ),
            Self::Hash { wheels_file, pip } => write!(
                f,
                "a downloaded wheel is not the one pinned in {wheels_file}, so it \
                 was not used; try again, and if it persists suspect the registry or mirror {pip}"
            ),
            Self::Peers(error) => write!(f, "{error}"),
            Self::Fetch { what, line, log } => {
                write!(f, "{what} failed: \"{line}\"; the full log is {}", log.display())
            }
            Self::PyTorch { python, problem } => write!(
                f,
                "LIBTORCH_USE_PYTORCH is set but {problem}; install torch==2.11.0 for `{python}`, \
                 or unset LIBTORCH_USE_PYTORCH"
            ),
            Self::EmptyLibtorch => write!(
                f,
                "LIBTORCH is set to nothing; unset it, or set it to a libtorch 2.11.0 folder"
            ),
            Self::OwnLibtorch { place, problem, remedy } => {
                write!(f, "{place} {problem}; {remedy}")
            }
            Self::Io { doing, path, error } => {
                let full = error.kind() == io::ErrorKind::StorageFull;
                let remedy = if full { "free disk space" } else { "check that you may write" };
                write!(f, "cannot {doing} {} ({error}); {remedy} there", path.display())
            }
        }
    }
}

/// A remedy, if there is one, after what joins it to the sentence.
fn joined(joint: &str, remedy: Option<&str>) -> String {
    remedy.map(|remedy| format!("{joint}{remedy}")).unwrap_or_default()
}
