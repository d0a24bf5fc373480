//! `supple check-env`

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use envs::{Kwargs, Registry, Severity, drift::Drift};

use crate::output::print;

pub(super) fn run(registry: &Registry, id: &str, set: &[String]) -> Result<ExitCode> {
    let mut kwargs = Kwargs::new();
    for item in set {
        let (key, value) = item.split_once('=').ok_or_else(|| {
            anyhow!("--set {item}: write it as key=value, for example gravity=12.0")
        })?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        kwargs.insert(key.to_owned(), value);
    }
    let drift: Vec<Drift> = match kwargs.remove("drift") {
        Some(list) => serde_json::from_value(list).map_err(|e| anyhow!("--set drift: {e}"))?,
        None => Vec::new(),
    };
    let mut env = registry.make_drifting(id, &kwargs, &drift).map_err(|e| anyhow!(e))?;
    let findings = envs::check(env.as_mut(), id);
    for finding in &findings {
        print(&finding.to_string())?;
    }
    if findings.is_empty() {
        print(&format!("{id}: nothing to mend"))?;
    }
    let fit = findings.iter().all(|f| f.severity < Severity::Error);
    Ok(if fit { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
