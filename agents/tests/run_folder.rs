//! A run folder that is renamed, replaced or deleted while it is in use.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use std::{cell::Cell, fs, path::Path};

use agents::{
    config::Config,
    error::{CheckpointError, Error, RunFolderError},
    logging::metrics::read_rows,
    runtime::session::Report,
    storage::{checkpoint, run_dir::RunDir},
};
use harness::{Run, config};

const CONFIG: &str = "
    total_steps = 600
    [env]
    name = 'CartPole-v1'
    [replay]
    learning_starts = 100
    batch_size = 8
    [eval]
    every_steps = 200
    episodes = 1
    [checkpoint]
    every_steps = 200
    [agent]
    kind = 'dqn'
    [agent.network]
    arch = { kind = 'mlp', hidden = [8] }
";

/// Trains, and does something to the folder at step 300.
fn train(run: &Run, act: impl Fn(&Path)) -> Result<Report, String> {
    let done = Cell::new(false);
    let report = run.train_until(&mut |progress| {
        if progress.env_steps >= 300 && !done.replace(true) {
            act(&run.path);
        }
        false
    });
    report.map_err(|e| e.to_string())
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Everything is under the new name and nothing under the old one.
#[test]
fn a_run_goes_on_in_its_folder_under_a_new_name() {
    let run = Run::new(&config(CONFIG));
    let moved = run.path.with_extension("moved");
    train(&run, |path| fs::rename(path, &moved).unwrap()).unwrap();
    assert!(!run.path.exists(), "the old name was made again: {:?}", names(&run.path));
    let steps = names(&moved.join("checkpoints"));
    assert!(steps.contains(&"step-000000000600".to_owned()), "{steps:?}");
    assert!(moved.join("config.toml").exists());
    let rows = read_rows(&moved.join("metrics.jsonl"), u64::MAX).unwrap();
    assert_eq!(rows.last().unwrap().step, 600);
    agents::storage::checkpoint::read_newest(&moved).unwrap();
}

/// A folder that takes the name while the run goes on is another's and stays as it is.
#[test]
fn a_folder_that_takes_the_name_is_left_alone() {
    let run = Run::new(&config(CONFIG));
    let moved = run.path.with_extension("moved");
    train(&run, |path| {
        fs::rename(path, &moved).unwrap();
        fs::create_dir(path).unwrap();
        fs::write(path.join("thesis.tex"), "x").unwrap();
    })
    .unwrap();
    assert_eq!(names(&run.path), ["thesis.tex"]);
    assert!(moved.join("checkpoints/step-000000000600").exists());
}

/// A run cannot be saved without a folder, and says which is gone.
#[test]
fn a_deleted_folder_ends_the_run_with_an_error() {
    let run = Run::new(&config(CONFIG));
    let error = train(&run, |path| fs::remove_dir_all(path).unwrap()).unwrap_err();
    assert!(error.contains("run was deleted while it was in use"), "{error}");
    assert!(!run.path.exists(), "it is not made again");
}

/// A caller can tell the faults of run folders and checkpoints apart without reading their text.
#[test]
fn faults_of_run_folders_and_checkpoints_have_types() {
    let folder = tempfile::tempdir().unwrap();
    let (config, at) = (Config::default(), |name: &str| folder.path().join(name));
    let held = RunDir::create(&at("run"), &config).unwrap();
    let again = RunDir::create(&at("run"), &config).unwrap_err();
    assert!(matches!(again, Error::RunFolder(RunFolderError::HoldsRun { .. })), "{again}");
    let open = RunDir::open(&at("run")).unwrap_err();
    assert!(matches!(open, Error::RunFolder(RunFolderError::InUse { .. })), "{open}");
    let none = RunDir::open(&at("none")).unwrap_err();
    assert!(matches!(none, Error::RunFolder(RunFolderError::NoRun { .. })), "{none}");
    let file = RunDir::create(&at("run/config.toml/below"), &config).unwrap_err();
    assert!(matches!(file, Error::RunFolder(RunFolderError::FileInTheWay { .. })), "{file}");
    let full = RunDir::create(folder.path(), &config).unwrap_err();
    assert!(matches!(full, Error::RunFolder(RunFolderError::NotEmpty { .. })), "{full}");

    let young = checkpoint::read_newest(held.path()).err().unwrap();
    assert!(matches!(young, Error::Checkpoint(CheckpointError::NoneYet { .. })), "{young}");
    std::fs::create_dir_all(at("run/checkpoints/step-000000000100")).unwrap();
    let damaged = checkpoint::read(&at("run/checkpoints/step-000000000100")).err().unwrap();
    assert!(matches!(damaged, Error::Checkpoint(CheckpointError::Damaged { .. })), "{damaged}");
    let all = checkpoint::read_newest(held.path()).err().unwrap();
    assert!(matches!(all, Error::Checkpoint(CheckpointError::NoneUsable { .. })), "{all}");
}
