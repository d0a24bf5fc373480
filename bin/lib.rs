//! The command line, as a library: a downstream crate calls [`run`] with registries that hold its own
//! environments, optimisers, interventions and diagnostics, and gets the same commands, files and messages as the stock `supple`.

mod args;
mod bug;
mod commands;
mod output;
mod progress;
mod registries;
mod stop;
mod video;

pub use agents;
pub use envs;
pub use networks;
pub use registries::Registries;
pub use tch;

use std::process::ExitCode;

use clap::Parser;
use envs::sentence_and_details;
use networks::exec::fused_cpu::Isa;

/// Parses the command line, runs the command, prints an error: one line that begins with
/// `error:`, and below it the traceback where Python raised it.
///
/// Exit codes: 0 done, 1 error, 2 wrong usage, 101 a bug, 130 interrupted with a checkpoint saved.
pub fn run(registries: impl Into<Registries>) -> ExitCode {
    let Registries { envs, parts, diagnostics } = registries.into();
    bug::watch();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        Isa::asked().map_err(anyhow::Error::msg)?;
        diagnostics.scope(|| parts.scope(|| commands::run(args::Args::parse(), &envs)))
    }));
    let bug = match result {
        Ok(Ok(code)) => return code,
        Ok(Err(error)) => {
            let Some(sentence) = bug::of_thread(&error) else {
                output::note(&format!("error: {}", laid_out(&format!("{error:#}"))));
                return ExitCode::FAILURE;
            };
            sentence
        }
        Err(panic) => bug::sentence("supple", bug::text(panic.as_ref())),
    };
    output::note(&format!("error: {bug}"));
    ExitCode::from(101)
}

/// The sentence of an error in one line, its details on lines of their own below it. These are indented,
/// so that only one line begins with `error:`.
fn laid_out(message: &str) -> String {
    let (mut text, details) = sentence_and_details(message);
    for line in details.lines() {
        text += "\n  ";
        text += line;
    }
    text
}
