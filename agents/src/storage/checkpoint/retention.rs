//! Which checkpoints of a run are kept.

use std::path::Path;

use serde::Deserialize;

use super::{
    files::read_json,
    folders::{list, remove},
};
use crate::error::Error;

/// Removes all `step` checkpoints but the newest `keep`, and of the best ones all that none of these
/// names, but the newest: a resume from an older checkpoint needs the best of that time.
///
/// # Errors
/// When one cannot be removed.
pub fn prune(run: &Path, keep: usize) -> Result<(), Error> {
    let mut kept = list(run, "step")?;
    for old in kept.drain(..kept.len().saturating_sub(keep)) {
        remove(&old)?;
    }
    // What cannot be read is never resumed from.
    let named: Vec<u64> = kept.iter().filter_map(|path| named_best(path).ok().flatten()).collect();
    let mut best = list(run, "best")?;
    best.pop();
    for path in best {
        if !named.iter().any(|step| path.ends_with(format!("best-{step:012}"))) {
            remove(&path)?;
        }
    }
    Ok(())
}

/// The step of the best evaluation that a checkpoint knows.
fn named_best(path: &Path) -> Result<Option<u64>, Error> {
    #[derive(Deserialize)]
    struct Named {
        best: Option<(u64, f64)>,
    }
    Ok(read_json::<Named>(path, "state.json")?.best.map(|(step, _)| step))
}

/// Removes the checkpoints of a run beyond `env_steps`: damaged ones that a resume passed over, and
/// best weights of steps that the resumed run makes again. If they stayed, they would count as the newest.
/// Half-written ones go too.
///
/// # Errors
/// When one cannot be removed.
pub fn discard_newer(run: &Path, env_steps: u64) -> Result<(), Error> {
    for kind in ["step", "best"] {
        let last = format!("{kind}-{env_steps:012}");
        for path in list(run, kind)? {
            if path.file_name().is_some_and(|name| *name.to_string_lossy() > *last) {
                remove(&path)?;
            }
        }
    }
    list(run, ".tmp")?.iter().try_for_each(|path| remove(path))
}
