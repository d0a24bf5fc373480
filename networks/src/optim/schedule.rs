//! Learning-rate schedules.

use serde::{Deserialize, Serialize};

use crate::unread::unread;

/// How the learning rate changes with the number of updates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// Always `lr`.
    Constant {},
    /// From `lr` to `end_factor * lr` along a line over `updates` updates, then constant.
    Linear {
        /// Fraction of `lr` at the end.
        end_factor: f64,
        /// Length in updates; 0 until [`Schedule::resolve`].
        #[serde(default)]
        updates: u64,
    },
    /// From `lr` to `end_factor * lr` along half a cosine over `updates` updates, then constant.
    Cosine {
        /// Fraction of `lr` at the end.
        end_factor: f64,
        /// Length in updates; 0 until [`Schedule::resolve`].
        #[serde(default)]
        updates: u64,
    },
    /// Cycles of a linear warm-up and half a cosine (Loshchilov & Hutter 2017, arXiv 1608.03983, with
    /// warm-up); NaP's sequential experiments restart with each task.
    CosineRestarts {
        /// Fraction of `lr` at the start of a cycle.
        #[serde(default = "whole")]
        start_factor: f64,
        /// Updates from there to `lr`.
        #[serde(default)]
        warmup_updates: u64,
        /// Fraction of `lr` at the end of a cycle.
        end_factor: f64,
        /// Length of a cycle in updates; 0 until [`Schedule::resolve`].
        #[serde(default)]
        updates: u64,
        /// When the next one begins.
        restart: Restart,
    },
}

fn whole() -> f64 {
    1.0
}

/// When a cycle of [`Schedule::CosineRestarts`] begins again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// When it is over.
    Period,
    /// When the task changes; between its end and that change the rate stays.
    Task,
}

impl Schedule {
    pub(crate) fn validate(self) -> Result<(), String> {
        let (start, end) = match self {
            Schedule::Constant {} => (1.0, 1.0),
            Schedule::Linear { end_factor, .. } | Schedule::Cosine { end_factor, .. } => {
                (1.0, end_factor)
            }
            Schedule::CosineRestarts {
                start_factor, end_factor, warmup_updates, updates, ..
            } => {
                if updates > 0 && warmup_updates >= updates {
                    return Err(format!(
                        "warmup_updates is {warmup_updates}; it must be below updates, {updates}"
                    ));
                }
                if warmup_updates == 0 {
                    unread("start_factor", &start_factor, &whole(), "warmup_updates = 0")?;
                }
                (start_factor, end_factor)
            }
        };
        for (key, value) in [("start_factor", start), ("end_factor", end)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(format!("{key} is {value}; it must be at least 0"));
            }
        }
        Ok(())
    }

    /// A length of 0 becomes `whole`, the updates of the whole run.
    pub fn resolve(&mut self, whole: u64) {
        match self {
            Schedule::Linear { updates, .. }
            | Schedule::Cosine { updates, .. }
            | Schedule::CosineRestarts { updates, .. }
                if *updates == 0 =>
            {
                *updates = whole;
            }
            _ => {}
        }
    }

    /// The factor on `lr` of update number `update`, counted from 0 (for cycles that restart with the
    /// task, from the update at which it changed).
    pub fn factor(self, update: u64) -> f64 {
        let progress = |updates: u64| (update as f64 / updates.max(1) as f64).min(1.0);
        match self {
            Schedule::Constant {} => 1.0,
            Schedule::Linear { end_factor, updates } => {
                1.0 + (end_factor - 1.0) * progress(updates)
            }
            Schedule::Cosine { end_factor, updates } => {
                end_factor + (1.0 - end_factor) * half_wave(progress(updates))
            }
            Schedule::CosineRestarts {
                start_factor,
                warmup_updates: warm,
                end_factor,
                updates,
                restart,
            } => {
                let at = match restart {
                    Restart::Period => update % updates.max(1),
                    Restart::Task => update,
                };
                if at < warm {
                    return start_factor + (1.0 - start_factor) * at as f64 / warm as f64;
                }
                let rest = updates.saturating_sub(warm).max(1);
                let progress = ((at - warm) as f64 / rest as f64).min(1.0);
                end_factor + (1.0 - end_factor) * half_wave(progress)
            }
        }
    }
}

/// From 1 to 0 along half a cosine.
fn half_wave(progress: f64) -> f64 {
    0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
}
