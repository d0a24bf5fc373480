//! `cargo xtask`: the commands a newcomer needs, from a bare checkout to a trained agent.
//!
//! Uses the standard library only: it must build in seconds on a machine without
//! libtorch, because getting libtorch, and MuJoCo, is its first job.

mod cargo;
mod command_line;
mod compiler;
mod error;
mod fetch;
mod libtorch;
mod mujoco;
mod peers;
mod pip_log;
mod tree;

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cargo::Cargo;
use command_line::Command;
use error::Error;
use libtorch::{LIBTORCH, Source};
use mujoco::{MUJOCO, State};
use peers::Program;
use tree::Tree;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A program that we only ran has said it already.
            if !matches!(error, Error::Exit(_)) {
                eprintln!("error: {error}");
            }
            ExitCode::from(error.code())
        }
    }
}

fn run() -> Result<(), Error> {
    let command = command_line::parse(env::args_os().skip(1))?;
    if let Command::Help(text) = command {
        // A closed pipe (`| head`) is no reason to complain.
        let _ = io::stdout().write_all(text.as_bytes());
        return Ok(());
    }
    let checkout = checkout();
    compiler::check()?;
    if let Command::Peers { program, arguments } = &command {
        let needed = peers::needs_supple(&checkout, arguments)?;
        if !needed || program.is_some() {
            let program = program.clone().map(Program::Named);
            return peers::measure(&checkout, &peers::ensure()?, program, arguments);
        }
    }
    let linked = || fs::symlink_metadata(checkout.join(LIBTORCH.link)).is_ok();
    let was_linked = linked();
    let source = libtorch::ensure(&checkout)?;
    // Whatever sets up libtorch is the first command in this checkout, and gets MuJoCo too.
    // Peers are compared in an environment of it.
    let asked = matches!(command, Command::Setup | Command::Peers { .. });
    let fetch = asked || (linked() && !was_linked);
    let mujoco = mujoco::ensure(&checkout, fetch);
    if command == Command::Setup {
        eprintln!("{}", describe(&source));
    }
    match &mujoco {
        State::Ready(tree) if command == Command::Setup => {
            let Tree { name, version, link, .. } = MUJOCO;
            eprintln!("{name} {version} is ready: {link} -> {}", tree.display());
        }
        State::Off(why) => {
            eprintln!("note: the MuJoCo environments are off, all else works: {why}");
        }
        State::Ready(_) | State::Absent => {}
    }
    let cargo = Cargo::new(checkout.clone(), matches!(mujoco, State::Ready(_)));
    match command {
        Command::Help(_) | Command::Setup => Ok(()),
        Command::Train { config, arguments } => cargo.train(config, arguments),
        Command::Test { slow, arguments } => cargo.test(slow, arguments),
        Command::Check => cargo.check(),
        Command::Bench { arguments } => cargo.bench(arguments),
        Command::Peers { arguments, .. } => {
            let python = peers::ensure()?;
            peers::measure(
                &checkout,
                &python,
                Some(Program::Built(cargo.build_trainer()?)),
                &arguments,
            )
        }
    }
}

/// The workspace's folder. Cargo's variable comes first: the path compiled in is stale
/// once the checkout has been moved.
fn checkout() -> PathBuf {
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let package = package.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    package.parent().map_or_else(|| package.clone(), Path::to_path_buf)
}

fn describe(source: &Source) -> String {
    let version = libtorch::VERSION;
    match source {
        Source::PyTorch => {
            format!("using PyTorch {version} of your Python (LIBTORCH_USE_PYTORCH is set)")
        }
        Source::Own(_, place) => format!("using the libtorch of your own, {place}"),
        Source::Ready(tree) => {
            format!("libtorch {version} is ready: .libtorch -> {}", tree.display())
        }
    }
}
