//! Output: results to standard output, all else to standard error.
//!
//! Neither may end a run: a reader that went away (`supple envs | head -1`) has had enough.

use std::io::{ErrorKind, Write};

use agents::runtime::{evaluate::MOST_INTERRUPTIONS, message::EvalResult};
use anyhow::{Context, Result};

/// Prints lines of the result.
pub(crate) fn print(lines: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{lines}").and_then(|()| out.flush()) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}

/// Prints a line of progress or a message.
pub(crate) fn note(line: &str) {
    // A closed standard error is no reason to stop.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The name this program was called by: `supple`, or that of a downstream crate.
pub(crate) fn program() -> String {
    let path = std::env::args_os().next().map(std::path::PathBuf::from).unwrap_or_default();
    path.file_name().map_or("supple".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Why an evaluation without episodes gives no number.
pub(crate) fn interrupted_too_often() -> String {
    format!(
        "no result: the environment was interrupted more than {MOST_INTERRUPTIONS} times, so its episodes could \
         not be played to their end; see the warnings about its worker above"
    )
}

/// What to say of an evaluation whose episodes only its own limit ended.
pub(crate) fn cut_off_note(e: &EvalResult) -> Option<String> {
    let n = e.returns.len();
    let longest = e.lengths.iter().max()?;
    (e.cut_off > 0).then(|| {
        format!(
            "note: {} of {n} evaluation episodes were cut off after {longest} steps; \
             eval.max_episode_steps sets how long they may be",
            e.cut_off
        )
    })
}

/// Lines of at most `width` characters, broken between words.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
