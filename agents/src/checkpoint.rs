//! Checkpoints: folders that appear whole or not at all, and are checked before they are trusted.
//!
//! `checkpoints/step-000000010000/` holds `state.json` (counters, generators, actors),
//! `model.safetensors` (parameters, targets, moments, method state), `replay.safetensors`, and
//! `manifest.json` with the size and CRC-32 of each. `checkpoints/best-...` has no replay: it is
//! for `supple eval`.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use networks::{params::StateDict, random::Rng};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::{
    error::Error,
    message::{ActorState, Experience},
    replay::ReplayMeta,
    run_dir::{sync_folder, write_atomically},
    tensor_file::{self, Saved, TensorFile},
};

/// Version of the layout; a reader refuses others.
const FORMAT: u32 = 1;

/// All of the learner's state that is not an array.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Layout version.
    pub format: u32,
    /// Environment steps over all actors.
    pub env_steps: u64,
    /// Steps of each environment.
    pub rounds: u64,
    /// Gradient updates.
    pub updates: u64,
    /// Episodes ended.
    pub episodes: u64,
    /// Task of the newest step; checkpoints from before tasks were logged have none.
    pub task: Option<usize>,
    /// Best evaluation so far: environment step and mean return.
    pub best: Option<(u64, f64)>,
    /// Evaluated last: environment step, mean and standard deviation of the return.
    pub last_eval: Option<(u64, f64, f64)>,
    /// Seconds the run took so far.
    pub wall_s: f64,
    /// libtorch threads of the learner; other numbers change the last bits.
    pub torch_threads: usize,
    /// The learner's generator.
    pub rng: Rng,
    /// The generator that samples from replay.
    pub replay_rng: Rng,
    /// Replay counters; `None` in a best checkpoint.
    pub replay: Option<ReplayMeta>,
    /// Every actor; empty in a best checkpoint.
    pub actors: Vec<ActorState>,
    /// Rounds received but not yet learned from, per actor (async mode only).
    pub pending: Vec<Vec<Experience>>,
}

impl State {
    /// The current layout version.
    pub const FORMAT: u32 = FORMAT;
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    files: BTreeMap<String, FileCheck>,
}

#[derive(Serialize, Deserialize, PartialEq)]
struct FileCheck {
    bytes: u64,
    crc32: u32,
}

/// A checkpoint read back.
pub struct Checkpoint {
    /// Where it was.
    pub path: PathBuf,
    /// Everything but arrays.
    pub state: State,
    /// Arrays of the agent.
    pub model: StateDict,
    /// Columns of the replay; `None` in a best checkpoint.
    pub replay: Option<TensorFile>,
}

/// Writes `run/checkpoints/KIND-STEP` (kind is `step` or `best`) and removes what is older than the
/// newest `keep` of the kind.
///
/// # Errors
/// When the disk is full or the folder cannot be written; older checkpoints are untouched then.
pub fn write(
    run: &Path,
    kind: &str,
    keep: usize,
    state: &State,
    model: &StateDict,
    replay: Option<&[(String, Saved<'_>)]>,
) -> Result<PathBuf, Error> {
    let root = run.join("checkpoints");
    let name = format!("{kind}-{:012}", state.env_steps);
    let (temporary, target) = (root.join(format!(".tmp-{name}")), root.join(&name));
    remove(&temporary)?;
    fs::create_dir_all(&temporary).map_err(|e| Error::io("create", &temporary, e))?;

    let json = serde_json::to_vec(state).map_err(|e| Error::Run(format!("state: {e}")))?;
    let mut files = vec!["state.json", "model.safetensors"];
    write_atomically(&temporary.join("state.json"), &json)?;
    let arrays: Vec<_> = model.iter().map(|(k, t)| (k.clone(), Saved::tensor(t))).collect();
    tensor_file::write(&temporary.join("model.safetensors"), &arrays)?;
    if let Some(columns) = replay {
        tensor_file::write(&temporary.join("replay.safetensors"), columns)?;
        files.push("replay.safetensors");
    }
    let mut manifest = Manifest { files: BTreeMap::new() };
    for file in files {
        let path = temporary.join(file);
        File::open(&path).and_then(|f| f.sync_all()).map_err(|e| Error::io("write", &path, e))?;
        let bytes = fs::read(&path).map_err(|e| Error::io("read", &path, e))?;
        manifest.files.insert(file.to_owned(), check_of(&bytes));
    }
    let json = serde_json::to_vec(&manifest).map_err(|e| Error::Run(format!("manifest: {e}")))?;
    write_atomically(&temporary.join("manifest.json"), &json)?;

    remove(&target)?;
    fs::rename(&temporary, &target)
        .and_then(|()| sync_folder(&target))
        .map_err(|e| Error::io("write", &target, e))?;
    for old in list(run, kind)?.into_iter().rev().skip(keep) {
        remove(&old)?;
    }
    Ok(target)
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
    Err(Error::Run(if warnings.is_empty() {
        format!("{} has no checkpoint yet; start the run anew with `supple train`", run.display())
    } else {
        format!("{} has no usable checkpoint: {}", run.display(), warnings.join("; "))
    }))
}

/// The best checkpoint of a run, if an evaluation made one.
///
/// # Errors
/// When it is damaged.
pub fn read_best(run: &Path) -> Result<Option<Checkpoint>, Error> {
    list(run, "best")?.last().map(|path| read(path)).transpose()
}

/// Removes the checkpoints of a run beyond `env_steps`: damaged ones that a resume passed over, and
/// best weights of a future that is now lived again. Left there, they would count as the newest.
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

/// One checkpoint folder, checked against its manifest.
///
/// # Errors
/// One sentence that names the folder and what is damaged.
pub fn read(path: &Path) -> Result<Checkpoint, Error> {
    let damaged =
        |what: String| Error::Run(format!("checkpoint {} is damaged: {what}", path.display()));
    let load = |name: &str| {
        fs::read(path.join(name)).map_err(|e| damaged(format!("{name} cannot be read: {e}")))
    };
    let manifest: Manifest = serde_json::from_slice(&load("manifest.json")?)
        .map_err(|_| damaged("manifest.json is not whole".to_owned()))?;
    let mut files = BTreeMap::new();
    for (name, expected) in &manifest.files {
        let bytes = load(name)?;
        if check_of(&bytes) != *expected {
            return Err(damaged(format!(
                "{name} has {} bytes that are not the {} that were written",
                bytes.len(),
                expected.bytes
            )));
        }
        files.insert(name.as_str(), bytes);
    }
    let mut take = |name: &str| files.remove(name).ok_or_else(|| damaged(format!("no {name}")));
    let state: State = serde_json::from_slice(&take("state.json")?)
        .map_err(|e| damaged(format!("state.json: {e}")))?;
    if state.format != FORMAT {
        return Err(Error::Run(format!(
            "checkpoint {} has layout {} and this version of supple reads {FORMAT}",
            path.display(),
            state.format
        )));
    }
    let model = TensorFile::new(take("model.safetensors")?)
        .and_then(|f| f.state_dict())
        .map_err(|e| damaged(format!("model.safetensors: {e}")))?;
    let replay = match files.remove("replay.safetensors") {
        Some(bytes) => {
            Some(TensorFile::new(bytes).map_err(|e| damaged(format!("replay.safetensors: {e}")))?)
        }
        None => None,
    };
    Ok(Checkpoint { path: path.to_owned(), state, model, replay })
}

/// Folders `KIND-*` in order of steps.
fn list(run: &Path, kind: &str) -> Result<Vec<PathBuf>, Error> {
    let root = run.join("checkpoints");
    if !root.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(&root).map_err(|e| Error::io("read", &root, e))?;
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|p| {
            p.file_name()
                .and_then(|n| n.to_str())
                .is_some_and(|n| n.strip_prefix(kind).is_some_and(|rest| rest.starts_with('-')))
        })
        .collect();
    found.sort();
    Ok(found)
}

fn check_of(bytes: &[u8]) -> FileCheck {
    FileCheck { bytes: bytes.len() as u64, crc32: crc32fast::hash(bytes) }
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path, e)),
        _ => Ok(()),
    }
}
