//! What a person sees while a run goes on: a bar on a terminal, plain lines elsewhere. All of it on
//! standard error.

use std::io::IsTerminal;

use agents::{message::EvalResult, train::Progress};
use indicatif::{ProgressBar, ProgressStyle};

/// Shows one run.
pub(crate) struct Display {
    bar: Option<ProgressBar>,
    total: u64,
    /// Plain mode: environment step of the last line.
    last_line: u64,
}

impl Display {
    pub(crate) fn new(total: u64, done: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total);
            let template = "{bar:30.cyan} {pos}/{len} steps  {per_sec}  {eta} left  {msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_position(done);
            bar.reset_eta();
            bar
        });
        Display { bar, total, last_line: done }
    }

    pub(crate) fn update(&mut self, p: &Progress) {
        let eval = p.eval.as_ref().map(|e| line(e, self.total));
        match (&self.bar, eval) {
            (Some(bar), eval) => {
                bar.set_position(p.env_steps.min(self.total));
                if let Some(line) = eval {
                    bar.println(line);
                }
            }
            (None, Some(line)) => {
                eprintln!("{line}");
                self.last_line = p.env_steps;
            }
            (None, None) if p.env_steps >= self.last_line + self.total.div_ceil(10) => {
                eprintln!(
                    "step {}/{}  updates {}  episodes {}",
                    p.env_steps, self.total, p.updates, p.episodes
                );
                self.last_line = p.env_steps;
            }
            (None, None) => {}
        }
    }

    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn line(e: &EvalResult, total: u64) -> String {
    format!(
        "step {}/{total}  evaluation return {:.1} +- {:.1} over {} episodes",
        e.env_step,
        e.mean(),
        e.std(),
        e.returns.len()
    )
}
