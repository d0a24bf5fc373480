//! What commands read of a run that was: its folder, a checkpoint in it, and where its environments came from.

use std::path::{Path, PathBuf};

use agents::storage::{
    checkpoint::{self, Checkpoint},
    provenance,
    run_dir::RunDir,
};
use anyhow::{Context, Result, anyhow, bail};
use envs::Registry;

use crate::output::note;

/// The run folder and the checkpoint that `path` asks for.
pub(super) fn find(path: &Path, newest: bool) -> Result<(PathBuf, Checkpoint)> {
    if path.join("manifest.json").exists() {
        // A checkpoint folder lies two levels below its run.
        let folder =
            path.canonicalize().with_context(|| format!("cannot read {}", path.display()))?;
        let run = folder.ancestors().nth(2).unwrap_or(&folder).to_owned();
        if !run.join("config.toml").exists() {
            bail!(
                "{} is a checkpoint without its run: config.toml belongs two folders above it; copy the whole run folder",
                path.display()
            );
        }
        return Ok((run, checkpoint::read(path)?));
    }
    RunDir::config(path)?; // an error about the folder comes before one about what is in it
    if !newest {
        let best = checkpoint::read_best(path).map_err(|e| {
            anyhow!("{e}; `supple eval --newest` plays the newest weights, and a step-... folder can be given as RUN")
        })?;
        if let Some(best) = best {
            return Ok((path.to_owned(), best));
        }
    }
    let (checkpoint, warnings) = checkpoint::read_newest(path)?;
    for warning in warnings {
        note(&format!("warning: {warning}"));
    }
    Ok((path.to_owned(), checkpoint))
}

/// Whether the environments that were just made are the run's own; says which of their modules were edited.
pub(super) fn same_modules(run: &Path, registry: &Registry) -> Result<()> {
    for edited in provenance::check(run, &registry.sources())? {
        note(&format!("warning: {edited}"));
    }
    Ok(())
}
