//! [`Finding`]: one thing wrong with an environment.

use std::fmt;

use crate::sentence_and_details;

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
