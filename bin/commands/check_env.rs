//! `supple check-env`

use std::process::ExitCode;

use agents::load_config::apply_override;
use anyhow::{Result, anyhow};
use envs::{Kwargs, Registry, Severity, drift::Drift};

use crate::output::print;

pub(super) fn run(registry: &Registry, id: &str, set: &[String]) -> Result<ExitCode> {
    let mut kwargs = Kwargs::new();
    for item in set {
        apply_override(&mut kwargs, item).map_err(|e| anyhow!(e))?;
    }
    let drift: Vec<Drift> = match kwargs.remove("drift") {
        Some(list) => list.try_into().map_err(|e| anyhow!("--set drift: {e}"))?,
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
