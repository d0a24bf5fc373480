//! A checkpoint read back, checked against its manifest.

use std::{
    fs,
    path::{Path, PathBuf},
};

use networks::params::StateDict;

use super::{
    files::{Manifest, check_of, evaluating_files},
    folders::list,
};
use crate::{
    error::{CheckpointError, Error},
    paths::shown,
    storage::{state::State, tensor_file::TensorFile},
};

/// A checkpoint read back.
pub struct Checkpoint {
    /// Where it was.
    pub path: PathBuf,
    /// Everything but arrays.
    pub state: State,
    /// Arrays of the agent.
    pub model: StateDict,
    /// Weights whose evaluation was not over, oldest first, and the states they are of.
    pub evaluating: Vec<(State, StateDict)>,
    /// Columns of the replay; `None` in a best checkpoint.
    pub replay: Option<TensorFile>,
}

/// The newest checkpoint of a run that is whole, and a sentence about each damaged one passed over.
///
/// # Errors
/// When there is none.
pub fn read_newest(run: &Path) -> Result<(Checkpoint, Vec<String>), Error> {
    let mut warnings = Vec::new();
    for path in list(run, "step")?.into_iter().rev() {
        match read(&path) {
            Ok(checkpoint) => return Ok((checkpoint, warnings)),
            Err(e) => warnings.push(format!("{e}; trying the one before")),
        }
    }
    let run = shown(run);
    Err(if warnings.is_empty() {
        CheckpointError::NoneYet { run }.into()
    } else {
        CheckpointError::NoneUsable { run, faults: warnings.join("; ") }.into()
    })
}

/// The best checkpoint of a run, if an evaluation made one.
///
/// # Errors
/// When it is damaged.
pub fn read_best(run: &Path) -> Result<Option<Checkpoint>, Error> {
    list(run, "best")?.last().map(|path| read(path)).transpose()
}

/// The weights that a run began with, if they are another run's (`--init-from`).
///
/// # Errors
/// When they are damaged.
pub fn read_init(run: &Path) -> Result<Option<Checkpoint>, Error> {
    list(run, "init")?.last().map(|path| read(path)).transpose()
}

/// One checkpoint folder, checked against its manifest.
///
/// # Errors
/// When it is damaged, or has the layout of another version.
pub fn read(path: &Path) -> Result<Checkpoint, Error> {
    let damaged = |what: String| CheckpointError::Damaged { path: shown(path), what };
    let whole = |name: &str| {
        let bytes = fs::read(path.join(name));
        bytes.map_err(|e| damaged(format!("{name} cannot be read: {e}")))
    };
    let manifest: Manifest = serde_json::from_slice(&whole("manifest.json")?)
        .map_err(|_| damaged("manifest.json is not whole".to_owned()))?;
    for (name, expected) in &manifest.files {
        let found = check_of(&path.join(name))
            .map_err(|e| damaged(format!("{name} cannot be read: {e}")))?;
        if found != *expected {
            return Err(damaged(format!(
                "{name} has {} bytes that are not the {} that were written",
                found.bytes, expected.bytes
            ))
            .into());
        }
    }
    let state = |name: &str| -> Result<State, CheckpointError> {
        let state: State =
            serde_json::from_slice(&whole(name)?).map_err(|e| damaged(format!("{name}: {e}")))?;
        if state.format == State::FORMAT {
            return Ok(state);
        }
        let (found, known) = (state.format, State::FORMAT);
        Err(CheckpointError::Layout { path: shown(path), found, known })
    };
    let arrays = |name: &str| {
        TensorFile::open(&path.join(name)).map_err(|e| damaged(format!("{name}: {e}")))
    };
    let model =
        |name: &str| arrays(name)?.state_dict().map_err(|e| damaged(format!("{name}: {e}")));
    let has = |name: &str| manifest.files.contains_key(name);
    let mut evaluating = Vec::new();
    for (json, weights) in (0..).map(evaluating_files).take_while(|(json, _)| has(json)) {
        evaluating.push((state(&json)?, model(&weights)?));
    }
    let replay = has("replay.safetensors").then(|| arrays("replay.safetensors")).transpose()?;
    let (state, model) = (state("state.json")?, model("model.safetensors")?);
    Ok(Checkpoint { path: path.to_owned(), state, model, evaluating, replay })
}
