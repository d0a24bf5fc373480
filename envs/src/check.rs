//! [`check`](check()): tells what is wrong with an environment, before a training run finds out.
//!
//! It plays the environment with random actions and reports what it sees, each kind of fault once.
//! It cannot tell whether the rewards make sense, nor notice a call that never returns.

mod play;
mod space;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::{Env, EnvError, sentence_and_details};

/// Everything found wrong with `env`; nothing if it is fine. `id` is what messages call it; if it
/// begins with `gymnasium:` or `python:`, advice is in the terms of Gymnasium.
///
/// The environment is reset and stepped up to some ten thousand times. A panic inside it is
/// caught and reported; the panic's own message still goes to standard error.
pub fn check(env: &mut dyn Env, id: &str) -> Vec<Finding> {
    let (mut elapsed, mut progress) = (|| Duration::ZERO, |_: &Progress| {});
    let watch = Watch { budget: Duration::MAX, elapsed: &mut elapsed, progress: &mut progress };
    check_within(env, id, watch)
}

/// [`check`](check()) that keeps to a time: of a slow environment less is tried, and the last finding says what was
/// left out.
pub fn check_within<'a>(env: &'a mut dyn Env, id: &'a str, watch: Watch<'a>) -> Vec<Finding> {
    let now = Progress { doing: "making it", steps: 0 };
    let mut probe = Probe { env, id, findings: Vec::new(), watch, now, left_out: Vec::new() };
    // A step that returns `None` has reported why nothing more can be tried.
    let _stopped = probe.all();
    if !probe.left_out.is_empty() {
        let what =
            format!("it is slow, so not everything was tried: {}", probe.left_out.join("; "));
        probe.report(
            Severity::Note,
            what,
            "the time for the check",
            "give the check more time: `supple check-env --seconds N`",
        );
    }
    probe.findings
}

/// The time that a check may take, and who is told how far it is.
pub struct Watch<'a> {
    /// How long it may take, about: one call of the environment is never cut short.
    pub budget: Duration,
    /// The time since it began.
    pub elapsed: &'a mut dyn FnMut() -> Duration,
    /// Called after every step.
    pub progress: &'a mut dyn FnMut(&Progress),
}

/// How far a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is tried now.
    pub doing: &'static str,
    /// Steps of the environment so far.
    pub steps: usize,
}

/// One thing wrong with an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What was seen; after a blank line the traceback of a Python exception.
    pub what: String,
    /// When or where it was seen.
    pub where_: String,
    /// What to do about it.
    pub remedy: String,
}

/// How bad a [`Finding`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Of the check, not of the environment.
    Note,
    /// May be meant so.
    Warning,
    /// Training would fail or learn nonsense.
    Error,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let (what, details) = sentence_and_details(&self.what);
        writeln!(f, "{severity}: {what}")?;
        writeln!(f, "  where: {}", self.where_)?;
        write!(f, "  to do: {}", self.remedy)?;
        details.lines().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

/// An environment under examination.
struct Probe<'a> {
    env: &'a mut dyn Env,
    id: &'a str,
    findings: Vec<Finding>,
    watch: Watch<'a>,
    now: Progress,
    /// What there was no time for.
    left_out: Vec<String>,
}

impl Probe<'_> {
    /// All checks in order; `None` once the environment cannot be used further.
    fn all(&mut self) -> Option<()> {
        let spec = self.spec()?;
        self.now.doing = "playing random actions";
        self.episodes(&spec)?;
        let compared = self.affordable();
        self.now.doing = "comparing episodes of equal and different seeds";
        self.seeds(&spec, compared)?;
        self.now.doing = "saving and loading a state";
        self.state(&spec, compared)?;
        self.params()?;
        let after = self.call("spec()", |env| Ok(env.spec()))?;
        if after != spec {
            self.error(
                "spec() changed between two calls".into(),
                "spec() after some episodes",
                "return the same spec for the life of the environment",
            );
        }
        Some(())
    }

    fn params(&mut self) -> Option<()> {
        let names = self.call("params()", |env| {
            let params = env.params();
            Ok(params.map(|p| p.names().into_iter().map(String::from).collect::<Vec<_>>()))
        })?;
        for name in names? {
            let place = format!("params(), constant '{name}'");
            let fault = self.call(&place, |env| Ok(params_fault(env, &name)))?;
            if let Some(what) = fault {
                self.error(
                    what,
                    &place,
                    "have Params::get return what Params::set was given, for all names",
                );
            }
        }
        Some(())
    }

    /// Runs a piece of the environment, turning its errors and panics into findings.
    fn call<T>(
        &mut self,
        place: &str,
        run: impl FnOnce(&mut dyn Env) -> Result<T, EnvError>,
    ) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(|| run(self.env))) {
            Ok(Ok(value)) => Some(value),
            Ok(Err(error)) => {
                let remedy = if self.is_python() {
                    "correct what raised it, or end the episode there; an exception stops the whole run"
                } else {
                    "return an error only for what cannot be recovered from"
                };
                self.error(format!("it failed: {error}"), place, remedy);
                None
            }
            Err(panic) => {
                let message = panic_message(panic.as_ref());
                self.error(
                    format!("it panicked: {message}"),
                    place,
                    "return an EnvError instead of panicking; a panic stops the whole run",
                );
                None
            }
        }
    }

    /// Is it written in Python? Its author then knows nothing of [`EnvSpec`](crate::EnvSpec).
    fn is_python(&self) -> bool {
        ["gymnasium:", "python:"].iter().any(|family| self.id.starts_with(family))
    }

    /// What its author calls the space of observations.
    fn obs_space(&self) -> &'static str {
        if self.is_python() { "observation_space" } else { "spec().obs" }
    }

    fn error(&mut self, what: String, place: &str, remedy: &str) {
        self.report(Severity::Error, what, place, remedy);
    }

    fn warning(&mut self, what: String, place: &str, remedy: &str) {
        self.report(Severity::Warning, what, place, remedy);
    }

    /// Keeps the first finding of each kind; the remedy tells the kinds apart.
    fn report(&mut self, severity: Severity, what: String, place: &str, remedy: &str) {
        if self.findings.iter().any(|finding| finding.remedy == remedy) {
            return;
        }
        let where_ = format!("{}, {place}", self.id);
        self.findings.push(Finding { severity, what, where_, remedy: remedy.into() });
    }
}

/// Sets a constant to itself and to something near, and puts it back.
fn params_fault(env: &mut dyn Env, name: &str) -> Option<String> {
    let params = env.params()?;
    let Some(before) = params.get(name) else {
        return Some("it is among the names, but has no value".into());
    };
    if let Err(error) = params.set(name, before) {
        return Some(format!("it refuses its own value {before}: {error}"));
    }
    let other = before * 1.125 + 0.125;
    // A constant may have a range that `other` is outside of.
    let after = if params.set(name, other).is_ok() { params.get(name) } else { Some(other) };
    let restored = params.set(name, before);
    if after != Some(other) {
        return Some(format!("it was set to {other} and is {after:?} afterwards"));
    }
    restored.err().map(|error| format!("it cannot be set back to {before}: {error}"))
}

pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_string())
}
