//! Checkpoints: folders that appear whole or not at all, and are checked before they are trusted.
//!
//! `checkpoints/step-000000010000/` holds `state.json` (counters, generators, actors),
//! `model.safetensors` (parameters, targets, moments, state of interventions), `replay.safetensors`, and
//! `manifest.json` with the size and CRC-32 of each. `evaluating-N.json` and `.safetensors` are weights
//! whose evaluation was not over, for a resume to play. `checkpoints/best-...` has no replay: it is for
//! `supple eval`. Files are written, checked and read in pieces: a replay is never in memory twice.

use std::{
    fs::{self, File},
    io::{BufReader, ErrorKind, Read},
    path::{Path, PathBuf},
};

use networks::params::StateDict;
use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

use crate::storage::state::State;
use crate::{
    error::Error,
    paths::shown,
    storage::{
        run_dir::{sync_folder, write_atomically},
        tensor_file::{self, Saved, TensorFile},
    },
};

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
    /// Weights whose evaluation was not over, oldest first, and the states they are of.
    pub evaluating: Vec<(State, StateDict)>,
    /// Columns of the replay; `None` in a best checkpoint.
    pub replay: Option<TensorFile>,
}

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

/// An empty folder beside a checkpoint, in which it is written.
fn begin(target: &Path) -> Result<PathBuf, Error> {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let temporary = target.with_file_name(format!(".tmp-{name}"));
    remove(&temporary)?;
    fs::create_dir_all(&temporary).map_err(|e| Error::io("create", &temporary, e))?;
    Ok(temporary)
}

/// Puts a folder in its place, in that of an older one if there is one: there is always one that is whole.
fn put(temporary: &Path, target: &Path) -> Result<(), Error> {
    let written = |e| Error::io("write", target, e);
    match renameat_with(CWD, temporary, CWD, target, RenameFlags::EXCHANGE) {
        Ok(()) => remove(temporary)?, // the older one
        Err(Errno::NOENT) => fs::rename(temporary, target).map_err(written)?,
        // A file system that cannot exchange: for a moment, neither is in place.
        Err(_) => {
            remove(target)?;
            fs::rename(temporary, target).map_err(written)?;
        }
    }
    sync_folder(target).map_err(written)
}

fn write_json(folder: &Path, name: &str, value: &impl Serialize) -> Result<(), Error> {
    let json = serde_json::to_vec(value).map_err(|e| Error::Run(format!("{name}: {e}")))?;
    write_atomically(&folder.join(name), &json)
}

fn write_model(folder: &Path, name: &str, model: &StateDict) -> Result<(), Error> {
    let arrays: Vec<_> = model.iter().map(|(k, t)| (k.clone(), Saved::tensor(t))).collect();
    tensor_file::write(&folder.join(name), &arrays)
}

fn read_json<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<T, Error> {
    let path = folder.join(name);
    let file = File::open(&path).map_err(|e| Error::io("read", &path, e))?;
    serde_json::from_reader(BufReader::new(file)).map_err(|e| Error::io("read", &path, e.into()))
}

const EVALUATING: &str = "evaluating-";

fn evaluating_files(i: usize) -> (String, String) {
    (format!("{EVALUATING}{i}.json"), format!("{EVALUATING}{i}.safetensors"))
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
        format!(
            "{} has no checkpoint yet; start the run anew with `supple train`",
            shown(run).display()
        )
    } else {
        format!("{} has no usable checkpoint: {}", shown(run).display(), warnings.join("; "))
    }))
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
    let damaged = |what: String| {
        Error::Run(format!("checkpoint {} is damaged: {what}", shown(path).display()))
    };
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
            )));
        }
    }
    let state = |name: &str| -> Result<State, Error> {
        let state: State =
            serde_json::from_slice(&whole(name)?).map_err(|e| damaged(format!("{name}: {e}")))?;
        if state.format == State::FORMAT {
            return Ok(state);
        }
        Err(Error::Run(format!(
            "checkpoint {} has layout {} and this version of supple reads {}",
            shown(path).display(),
            state.format,
            State::FORMAT
        )))
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

/// Size and checksum of a file, read in pieces.
fn check_of(path: &Path) -> std::io::Result<FileCheck> {
    let (mut file, mut piece) = (File::open(path)?, vec![0; 1 << 20]);
    let (mut hasher, mut bytes) = (crc32fast::Hasher::new(), 0);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(FileCheck { bytes, crc32: hasher.finalize() }),
            Ok(n) => {
                hasher.update(&piece[..n]);
                bytes += n as u64;
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Removes a checkpoint, which is first renamed to what [`discard_newer`] clears away: a process that is killed
/// meanwhile leaves nothing under its name that is half a checkpoint.
fn remove(path: &Path) -> Result<(), Error> {
    let gone = |result: std::io::Result<()>| match result {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::io("remove", path, e)),
        _ => Ok(()),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with(".tmp") {
        return gone(fs::remove_dir_all(path));
    }
    let aside = path.with_file_name(format!(".tmp-old-{name}"));
    gone(fs::remove_dir_all(&aside))?; // of a process that was killed here
    gone(fs::rename(path, &aside))?;
    gone(fs::remove_dir_all(&aside))
}
