//! [`Probe`]: an environment under examination, and how its faults become findings.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::finding::{Finding, Severity};
use crate::{Env, EnvError};

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

/// An environment under examination.
pub(super) struct Probe<'a> {
    pub(super) env: &'a mut dyn Env,
    pub(super) id: &'a str,
    pub(super) findings: Vec<Finding>,
    pub(super) watch: Watch<'a>,
    pub(super) now: Progress,
    /// What there was no time for.
    pub(super) left_out: Vec<String>,
}

impl Probe<'_> {
    /// Runs a piece of the environment, turning its errors and panics into findings.
    pub(super) fn call<T>(
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
    pub(super) fn is_python(&self) -> bool {
        ["gymnasium:", "python:"].iter().any(|family| self.id.starts_with(family))
    }

    /// What its author calls the space of observations.
    pub(super) fn obs_space(&self) -> &'static str {
        if self.is_python() { "observation_space" } else { "spec().obs" }
    }

    pub(super) fn error(&mut self, what: String, place: &str, remedy: &str) {
        self.report(Severity::Error, what, place, remedy);
    }

    pub(super) fn warning(&mut self, what: String, place: &str, remedy: &str) {
        self.report(Severity::Warning, what, place, remedy);
    }

    /// Keeps the first finding of each kind; the remedy tells the kinds apart.
    pub(super) fn report(&mut self, severity: Severity, what: String, place: &str, remedy: &str) {
        if self.findings.iter().any(|finding| finding.remedy == remedy) {
            return;
        }
        let where_ = format!("{}, {place}", self.id);
        self.findings.push(Finding { severity, what, where_, remedy: remedy.into() });
    }
}

pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_string())
}
