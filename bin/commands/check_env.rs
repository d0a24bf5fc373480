//! `supple check-env`

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use agents::config::load::apply_override;
use anyhow::{Result, anyhow};
use envs::{Kwargs, Progress, Registry, Severity, Watch, drift::Drift};

use crate::output::{note, print};

/// Between two lines about how far it is.
const SILENCE: Duration = Duration::from_secs(5);

pub(super) fn run(registry: &Registry, id: &str, set: &[String], seconds: u64) -> Result<ExitCode> {
    let mut kwargs = Kwargs::new();
    for item in set {
        apply_override(&mut kwargs, item).map_err(|e| anyhow!(e))?;
    }
    let drift: Vec<Drift> = match kwargs.remove("drift") {
        Some(list) => list.try_into().map_err(|e| anyhow!("--set drift: {e}"))?,
        None => Vec::new(),
    };
    let mut env = registry.make_drifting(id, &kwargs, &drift).map_err(|e| anyhow!(e))?;
    let (begin, mut said) = (Instant::now(), Duration::ZERO);
    let mut progress = |now: &Progress| {
        let elapsed = begin.elapsed();
        if elapsed >= said + SILENCE {
            said = elapsed;
            note(&format!(
                "{} of at most {seconds} s: {}, {} steps so far",
                elapsed.as_secs(),
                now.doing,
                now.steps
            ));
        }
    };
    let watch = Watch {
        budget: Duration::from_secs(seconds),
        elapsed: &mut || begin.elapsed(),
        progress: &mut progress,
    };
    let findings = envs::check_within(env.as_mut(), id, watch);
    for finding in &findings {
        print(&finding.to_string())?;
    }
    if findings.iter().all(|f| f.severity == Severity::Note) {
        print(&format!("{id}: nothing to fix"))?;
    }
    let fit = findings.iter().all(|f| f.severity < Severity::Error);
    Ok(if fit { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
