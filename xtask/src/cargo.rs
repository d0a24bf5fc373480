//! The commands that run cargo, in an environment with libtorch and, if it is there, MuJoCo.

use std::env;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use crate::command_line::{MUJOCO_FEATURE, QUICKSTART, test_arguments};
use crate::error::Error;
use crate::libtorch::LIBTORCH;
use crate::mujoco;
use crate::tree::own_variable;

/// Cargo as seen from the checkout.
pub(crate) struct Cargo {
    checkout: PathBuf,
    /// Whether to build the MuJoCo environments.
    mujoco: bool,
}

impl Cargo {
    /// Cargo for the workspace in this folder.
    pub(crate) fn new(checkout: PathBuf, mujoco: bool) -> Self {
        Self { checkout, mujoco }
    }

    /// Builds the trainer and becomes it, so that Ctrl-C and the exit code are its own.
    pub(crate) fn train(
        &self,
        config: Option<OsString>,
        arguments: Vec<OsString>,
    ) -> Result<(), Error> {
        let program = self.build_trainer()?;
        let config = config.unwrap_or_else(|| self.quickstart());
        let error = Command::new(&program).arg("train").arg(config).args(arguments).exec();
        Err(Error::Start { program: program.display().to_string(), error })
    }

    /// Runs the tests.
    pub(crate) fn test(&self, slow: bool, arguments: Vec<OsString>) -> Result<(), Error> {
        let mut command = self.command(&["test"]);
        command.args(test_arguments(slow, self.mujoco, arguments));
        succeed(&mut command)
    }

    /// Runs every check, then says which failed.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let mut failed = Vec::new();
        let mut step = |name: &'static str, command: &mut Command| -> Result<(), Error> {
            eprintln!("check: {name}");
            if !status(command)?.success() {
                failed.push(name);
            }
            Ok(())
        };
        step("fmt", &mut self.command(&["fmt", "--all", "--", "--check"]))?;
        let mut clippy = self.command(&["clippy", "--workspace", "--all-targets"]);
        step("clippy", clippy.args(self.features()).args(["--", "-D", "warnings"]))?;
        let mut doc = self.command(&["doc", "--workspace", "--no-deps"]);
        doc.args(self.features());
        step("doc", doc.env("RUSTDOCFLAGS", "-D warnings"))?;
        if self.has_deny() {
            step("deny", &mut self.command(&["deny", "check"]))?;
        } else {
            eprintln!("check: deny skipped, cargo-deny is not installed");
        }
        if failed.is_empty() { Ok(()) } else { Err(Error::Steps(failed)) }
    }

    /// Runs the benchmarks.
    pub(crate) fn bench(&self, arguments: Vec<OsString>) -> Result<(), Error> {
        let mut command = self.command(&["bench", "--package", "benchmarks"]);
        succeed(command.args(self.features()).args(arguments))
    }

    fn features(&self) -> &'static [&'static str] {
        if self.mujoco { &MUJOCO_FEATURE } else { &[] }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments);
        // Cargo set these for us from .cargo/config.toml and will set them again. Passed on,
        // they would look like the user's own, and torch-sys be rebuilt (minutes) each time
        // somebody goes from `cargo xtask test` to `cargo test` or back.
        for (name, ours) in
            [("LIBTORCH", LIBTORCH.link), (mujoco::VARIABLE, mujoco::LIBRARY_FOLDER)]
        {
            if own_variable(env::var_os(name), &self.checkout, ours).is_none() {
                command.env_remove(name);
            }
        }
        command
    }

    /// The path of the fresh executable, as cargo tells it: the target folder depends on
    /// `CARGO_TARGET_DIR`, on `build.target-dir` and on `build.target`.
    pub(crate) fn build_trainer(&self) -> Result<PathBuf, Error> {
        eprintln!("building supple in release mode (the first time takes some minutes) ...");
        let mut command = self.command(&["build", "--release", "--package", "supple"]);
        command.args(self.features());
        command.arg("--message-format=json-render-diagnostics").stdout(Stdio::piped());
        let start = |error| Error::Start { program: "cargo".to_owned(), error };
        let mut child = command.spawn().map_err(start)?;
        let mut program = None;
        if let Some(messages) = child.stdout.take() {
            for message in BufReader::new(messages).lines().map_while(Result::ok) {
                program = executable(&message).or(program);
            }
        }
        if let Some(code) = failure(child.wait().map_err(start)?) {
            return Err(Error::Exit(code));
        }
        let error = || io::Error::other("cargo built no such program");
        program.ok_or_else(|| Error::Start { program: "supple".to_owned(), error: error() })
    }

    /// Relative where that names the file, so that messages stay short.
    fn quickstart(&self) -> OsString {
        if Path::new(QUICKSTART).exists() {
            QUICKSTART.into()
        } else {
            self.checkout.join(QUICKSTART).into_os_string()
        }
    }

    fn has_deny(&self) -> bool {
        let output = self.command(&["deny", "--version"]).output();
        output.is_ok_and(|output| output.status.success())
    }
}

/// The trainer's path, if this line of cargo's JSON is the one that tells it.
fn executable(message: &str) -> Option<PathBuf> {
    let (_, rest) = message.split_once(r#""executable":""#)?;
    let mut path = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => break,
            // Paths hold no control characters worth the name, so `\\` and `\"` are all.
            '\\' => path.push(characters.next()?),
            other => path.push(other),
        }
    }
    let path = PathBuf::from(path);
    (path.file_name()? == "supple").then_some(path)
}

fn status(command: &mut Command) -> Result<ExitStatus, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.status().map_err(|error| Error::Start { program, error })
}

fn succeed(command: &mut Command) -> Result<(), Error> {
    failure(status(command)?).map_or(Ok(()), |code| Err(Error::Exit(code)))
}

/// The exit code to pass on; a child killed by a signal has none.
fn failure(status: ExitStatus) -> Option<u8> {
    if status.success() {
        return None;
    }
    Some(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_found_among_cargos_messages() {
        let line = |value| format!(r#"{{"reason":"compiler-artifact","executable":{value}}}"#);
        assert_eq!(executable(&line("null")), None);
        assert_eq!(executable(&line(r#""/t/release/other""#)), None);
        assert_eq!(executable(&line(r#""/t/supple""#)), Some(PathBuf::from("/t/supple")));
        let quoted = executable(&line(r#""/a\\b\"c/supple""#));
        assert_eq!(quoted, Some(PathBuf::from(r#"/a\b"c/supple"#)));
    }
}
