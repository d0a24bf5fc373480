//! A checkpoint written, and settled once its evaluations are over.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
};

use networks::params::StateDict;

use super::{
    files::{EVALUATING, Manifest, check_of, evaluating_files, read_json, write_json},
    folders::{begin, put},
};
use crate::{
    error::Error,
    storage::{
        state::State,
        tensor_file::{self, Saved},
    },
};

/// What a checkpoint is written from.
pub struct Content<'a> {
    /// Everything but arrays.
    pub state: &'a State,
    /// Arrays of the agent.
    pub model: &'a StateDict,
    /// Weights whose evaluation is not over, oldest first, and the states they are of.
    pub evaluating: Vec<(&'a State, &'a StateDict)>,
    /// Columns of the replay; a best checkpoint has none.
    pub replay: Option<&'a [(String, Saved<'a>)]>,
}

/// Writes `run/checkpoints/KIND-STEP`; kind is `step`, `best` or `init`.
///
/// # Errors
/// When the disk is full or the folder cannot be written; older checkpoints are untouched then.
pub fn write(run: &Path, kind: &str, content: &Content<'_>) -> Result<PathBuf, Error> {
    let Content { state, model, evaluating, replay } = content;
    let target = run.join("checkpoints").join(format!("{kind}-{:012}", state.env_steps));
    let temporary = begin(&target)?;
    write_json(&temporary, "state.json", state)?;
    write_model(&temporary, "model.safetensors", model)?;
    let mut files = vec!["state.json".to_owned(), "model.safetensors".to_owned()];
    for (i, (state, model)) in evaluating.iter().enumerate() {
        let (json, arrays) = evaluating_files(i);
        write_json(&temporary, &json, state)?;
        write_model(&temporary, &arrays, model)?;
        files.extend([json, arrays]);
    }
    if let Some(columns) = replay {
        tensor_file::write(&temporary.join("replay.safetensors"), columns)?;
        files.push("replay.safetensors".to_owned());
    }
    let mut manifest = Manifest { files: BTreeMap::new() };
    for file in files {
        let path = temporary.join(&file);
        File::open(&path).and_then(|f| f.sync_all()).map_err(|e| Error::io("write", &path, e))?;
        let check = check_of(&path).map_err(|e| Error::io("read", &path, e))?;
        manifest.files.insert(file, check);
    }
    write_json(&temporary, "manifest.json", &manifest)?;
    put(&temporary, &target)?;
    Ok(target)
}

/// Gives the `step` checkpoint at `env_steps` another state once the evaluations that it was saved
/// during are over, and takes their weights out. What does not change is linked, not written again.
///
/// # Errors
/// As [`write()`]; the old one is untouched then.
pub fn settle(
    run: &Path,
    env_steps: u64,
    change: impl FnOnce(State) -> State,
) -> Result<(), Error> {
    let target = run.join("checkpoints").join(format!("step-{env_steps:012}"));
    let mut manifest: Manifest = read_json(&target, "manifest.json")?;
    let state: State = read_json(&target, "state.json")?;
    let temporary = begin(&target)?;
    manifest.files.retain(|name, _| !name.starts_with(EVALUATING));
    for name in manifest.files.keys().filter(|name| *name != "state.json") {
        let (from, to) = (target.join(name), temporary.join(name));
        // Some file systems have no links.
        fs::hard_link(&from, &to)
            .or_else(|_| fs::copy(&from, &to).and_then(|_| File::open(&to)?.sync_all()))
            .map_err(|e| Error::io("write", &to, e))?;
    }
    write_json(&temporary, "state.json", &change(state))?;
    let path = temporary.join("state.json");
    let check = check_of(&path).map_err(|e| Error::io("read", &path, e))?;
    manifest.files.insert("state.json".to_owned(), check);
    write_json(&temporary, "manifest.json", &manifest)?;
    put(&temporary, &target)
}

fn write_model(folder: &Path, name: &str, model: &StateDict) -> Result<(), Error> {
    let arrays: Vec<_> = model.iter().map(|(k, t)| (k.clone(), Saved::tensor(t))).collect();
    tensor_file::write(&folder.join(name), &arrays)
}
