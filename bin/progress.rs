//! What a person sees during a run: a bar on a terminal, plain lines elsewhere. All of it on
//! standard error.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use agents::runtime::{message::EvalResult, session::Progress};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::output::{cut_off_note, interrupted_too_often, note};

/// Plain mode says something at least this often.
const SILENCE: Duration = Duration::from_secs(60);

/// Shows one run.
pub(crate) struct Display {
    bar: Option<ProgressBar>,
    total: u64,
    /// Plain mode: environment step and time of the last line about progress.
    last: (u64, Instant),
    greeted: bool,
    /// Whether it was said that evaluations cut episodes off.
    told_of_cuts: bool,
}

/// Prints lines in between, from any thread.
pub(crate) struct Notes(Option<ProgressBar>);

impl Notes {
    pub(crate) fn line(&self, line: &str) {
        match &self.0 {
            Some(bar) => bar.println(line),
            None => note(line),
        }
    }
}

impl Display {
    /// Of a run to `total` steps that stands at `done`.
    pub(crate) fn new(total: u64, done: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| bar(total, done));
        Display { bar, total, last: (done, Instant::now()), greeted: false, told_of_cuts: false }
    }

    pub(crate) fn notes(&self) -> Notes {
        Notes(self.bar.clone())
    }

    pub(crate) fn update(&mut self, p: &Progress) {
        if !self.greeted {
            self.greeted = true;
            if p.restarted > 0 {
                self.notes().line(&format!(
                    "warning: {} of the environments cannot save their state and began a new \
                     episode",
                    p.restarted
                ));
            }
        }
        if let Some(result) = &p.eval {
            self.notes().line(&self.evaluation(result));
            if !self.told_of_cuts
                && let Some(warning) = cut_off_note(result)
            {
                self.told_of_cuts = true;
                self.notes().line(&warning);
            }
        }
        if let Some(bar) = &self.bar {
            bar.set_position(p.env_steps.min(self.total));
            if let Some(result) = p.eval.as_ref().filter(|e| !e.returns.is_empty()) {
                bar.set_message(format!("return {:.1}", result.mean()));
            }
        } else {
            self.plain(p);
        }
    }

    /// A line every tenth of the run, or every minute if that is sooner.
    fn plain(&mut self, p: &Progress) {
        let (step, time) = self.last;
        let tenth = self.total.div_ceil(10);
        let due = p.env_steps / tenth > step / tenth || time.elapsed() >= SILENCE;
        if !due || p.env_steps >= self.total {
            return; // the end has its own line
        }
        let rate = (p.env_steps - step) as f64 / time.elapsed().as_secs_f64().max(1e-9);
        let left = (self.total - p.env_steps) as f64 / rate;
        note(&format!(
            "{}  {} updates, {} episodes, {rate:.0} steps/s, {} left",
            self.step(p.env_steps),
            p.updates,
            p.episodes,
            clock(left)
        ));
        self.last = (p.env_steps, Instant::now());
    }

    fn evaluation(&self, e: &EvalResult) -> String {
        if e.returns.is_empty() {
            return format!(
                "warning: evaluation of step {}: {}",
                e.env_step,
                interrupted_too_often()
            );
        }
        let (mean, std, n) = (e.mean(), e.std(), e.returns.len());
        format!("{}  return {mean:.1} +- {std:.1} over {n} episodes", self.step(e.env_step))
    }

    /// Aligned, whatever the number.
    fn step(&self, step: u64) -> String {
        let total = self.total.to_string();
        format!("step {step:>width$}/{total}", width = total.len())
    }

    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Shows a stream of examples.
pub(crate) struct Examples {
    bar: Option<ProgressBar>,
    total: u64,
    last: (u64, Instant),
}

impl Examples {
    pub(crate) fn new(total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| bar(total, 0));
        Examples { bar, total, last: (0, Instant::now()) }
    }

    /// A line every minute where there is no bar: most streams are over before.
    pub(crate) fn update(&mut self, seen: u64) {
        if let Some(bar) = &self.bar {
            return bar.set_position(seen);
        }
        let (before, time) = self.last;
        if time.elapsed() >= SILENCE && seen < self.total {
            let rate = (seen - before) as f64 / time.elapsed().as_secs_f64();
            let left = clock((self.total - seen) as f64 / rate);
            note(&format!("example {seen}/{}  {rate:.0} examples/s, {left} left", self.total));
            self.last = (seen, Instant::now());
        }
    }

    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(total: u64, done: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    let template = "{bar:30.cyan} {pos}/{len} steps  {rate}  {left} left  {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = write!(out, "{:.0} steps/s", state.per_sec());
        };
        let left = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = write!(out, "{}", clock(state.eta().as_secs_f64()));
        };
        bar.set_style(style.with_key("rate", rate).with_key("left", left));
    }
    bar.set_position(done);
    bar.reset_eta();
    bar
}

/// `42 s`, `3:07`, `2:05:00`.
pub(crate) fn clock(seconds: f64) -> String {
    let s = seconds.ceil() as u64;
    match (s / 3600, s / 60 % 60, s % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m}:{s:02}"),
        (h, m, s) => format!("{h}:{m:02}:{s:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_like_a_clock() {
        for (seconds, wanted) in
            [(0.0, "0 s"), (0.2, "1 s"), (59.0, "59 s"), (187.0, "3:07"), (7_500.0, "2:05:00")]
        {
            assert_eq!(clock(seconds), wanted, "{seconds}");
        }
    }

    #[test]
    fn steps_are_aligned() {
        let display = Display::new(3_000, 0);
        assert_eq!(display.step(7), "step    7/3000");
        assert_eq!(display.step(3_000), "step 3000/3000");
    }
}
