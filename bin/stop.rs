//! Asking a run to stop: Ctrl-C, SIGTERM, or the end of standard input.

use anyhow::{Context, Result};
use crossbeam::channel::{Receiver, bounded};

/// One message when the run should save itself and end; a second Ctrl-C ends the process at once. `noted`
/// is called at the first. `until_eof`: also when standard input ends, which it does however the process at
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
    let mut asked = false;
    ctrlc::set_handler(move || {
        if asked {
            std::process::exit(130); // pressed again: at once
        }
        asked = true;
        let _ = ask.try_send(()); // one place, one message; a run that is over needs none
        noted();
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(stop)
}
