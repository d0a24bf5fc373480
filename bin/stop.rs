//! Asking a run to stop: Ctrl-C, SIGTERM, or the end of standard input.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use crossbeam::channel::{Receiver, bounded};

/// Signals that follow the first one within this time belong to it: `timeout`, Slurm and shells signal a
/// process and its group, and nobody who presses Ctrl-C a second time has read the message sooner.
const SAME: Duration = Duration::from_secs(1);

/// One message when the run should save itself and end; a second Ctrl-C, more than a second after the first,
/// ends the process at once. `noted` is called at the first. `until_eof`: also when standard input ends, which it does however the process at
/// its other end dies.
pub(crate) fn signal(until_eof: bool, noted: impl Fn() + Send + 'static) -> Result<Receiver<()>> {
    let (ask, stop) = bounded(1);
    if until_eof {
        let eof = ask.clone();
        std::thread::spawn(move || {
            // What is read does not matter, nor why it ended.
            let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
            let _ = eof.try_send(());
        });
    }
    let mut first: Option<Instant> = None;
    ctrlc::set_handler(move || match first {
        None => {
            let _ = ask.try_send(()); // one place, one message; a run that is over needs none
            noted();
            first = Some(Instant::now()); // last, because a slow terminal may keep `noted` waiting
        }
        Some(first) if pressed_again(first, Instant::now()) => end_at_once(),
        Some(_) => {}
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(stop)
}

/// Whether a signal at `now` is a second request, rather than part of the one at `first`.
fn pressed_again(first: Instant, now: Instant) -> bool {
    now.saturating_duration_since(first) >= SAME
}

/// Ends the process with code 130 and no clean-up: `std::process::exit` would run libtorch's destructors
/// under threads that are still computing, which panic.
fn end_at_once() -> ! {
    #[expect(unsafe_code, reason = "the standard library has no exit without destructors")]
    // SAFETY: `_exit` takes a number, touches no memory of ours, and does not return.
    unsafe {
        libc::_exit(130)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_signal_a_second_later_is_a_second_request() {
        let first = Instant::now();
        for (ms, again) in [(0, false), (5, false), (999, false), (1000, true), (60_000, true)] {
            let now = first + Duration::from_millis(ms);
            assert_eq!(pressed_again(first, now), again, "{ms} ms later");
        }
    }
}
