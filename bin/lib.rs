//! The command line, as a library: a downstream crate calls [`run`] with a registry that holds its
//! own environments and gets the same commands, files and messages as the stock `supple`.

mod args;
mod commands;
mod output;
mod progress;
mod stop;
mod video;

pub use envs;

use std::process::ExitCode;

use clap::Parser;
use envs::Registry;

/// Parses the command line, runs the command, prints an error in one line.
///
/// Exit codes: 0 done, 1 error, 2 wrong usage, 101 a bug, 130 interrupted with a checkpoint saved.
#[expect(clippy::needless_pass_by_value, reason = "the last line of main is shorter without &")]
pub fn run(registry: Registry) -> ExitCode {
    // Threads are joined and their panics reported with the thread's name; the default hook would
    // print each twice, with a backtrace hint.
    std::panic::set_hook(Box::new(|_| {}));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        commands::run(args::Args::parse(), &registry)
    }));
    match result {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            output::note(&format!("error: {}", one_line(&format!("{error:#}"))));
            ExitCode::FAILURE
        }
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            let line = text.lines().next().unwrap_or_default();
            output::note(&format!("error: a bug in supple, please report it: {line}"));
            ExitCode::from(101)
        }
    }
}

/// Environments write their own messages, some of them with line breaks.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
