//! `supple resume`

use std::{path::Path, process::ExitCode};

use agents::{
    config::Config,
    runtime::session::Parts,
    storage::{checkpoint, run_dir::RunDir},
};
use anyhow::{Result, anyhow, bail};
use envs::Registry;

use super::{
    earlier_run::same_modules,
    train::{How, Start, execute},
};
use crate::output::note;

pub(super) fn run(registry: &Registry, path: &Path, set: &[String], how: How) -> Result<ExitCode> {
    for item in set {
        let key = item.split('=').next().unwrap_or_default().trim();
        if !Config::may_change_on_resume(key) {
            bail!(
                "--set {item}: a resumed run can change total_steps, log_every_updates, eval.*, \
                 checkpoint.* and diagnostics.* only; start a new run for the rest"
            );
        }
    }
    let run = RunDir::open(path)?;
    let config = Config::load_resolved(&path.join("config.toml"), set)?;
    let (checkpoint, warnings) = checkpoint::read_newest(path)?;
    for warning in warnings {
        note(&format!("warning: {warning}"));
    }
    let done = checkpoint.state.env_steps;
    // A suite that was killed before it had the result of a run asks for it.
    if done >= config.total_steps && checkpoint.evaluating.is_empty() && !how.until_eof {
        bail!(
            "{} is complete at {done} steps; give --set total_steps=N with a larger N to continue",
            path.display(),
        );
    }
    let mut parts = Parts::new(&config, registry)?;
    same_modules(path, registry)?;
    if let Some(before) = &checkpoint.state.config {
        parts
            .config()
            .check_resumes(before)
            .map_err(|e| anyhow!("{} {e}", path.join("config.toml").display()))?;
    }
    if let Some(init) = checkpoint::read_init(path)? {
        parts.start_at(&init.model)?;
    }
    run.write_config(parts.config())?;
    note(&format!("resuming at step {done} from {}", checkpoint.path.display()));
    execute(parts, &config, &run, Start::Resumed(checkpoint), how)
}
