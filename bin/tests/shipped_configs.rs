//! Every configuration of `supple train` in `configs/` is valid and trains: some steps, some updates, one
//! evaluation.
//!
//! Those for environments that this build does not have train on Pendulum-v1 instead, with all else
//! as it is, and their own name is refused with a sentence that says what to do.

mod cli;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use agents::{config::Config, storage::checkpoint};
use cli::{Scratch, last_json};
use envs::Registry;

/// All `.toml` files below `folder`, in order; grids and streams are no configurations of `supple train`.
fn tomls(folder: &Path, out: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).expect("a folder of configurations");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.ends_with("bench") || path.ends_with("stream") {
            continue;
        }
        if path.is_dir() {
            tomls(&path, out);
        } else if path.extension().is_some_and(|e| e == "toml") {
            out.push(path);
        }
    }
}

fn shipped() -> Vec<PathBuf> {
    let mut paths = Vec::new();
    tomls(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs"), &mut paths);
    assert!(paths.len() >= 18, "the shipped configurations were not found: {paths:?}");
    paths
}

/// `Err` says what is wrong with a short run of `path`.
fn try_out(path: &Path) -> Result<(), String> {
    let config = Config::load(path, &[]).map_err(|e| e.to_string())?;
    // Long enough for whole transitions of every environment, then 150 steps of learning.
    let starts = (config.replay.n_step + 3).max(12) * config.runtime.envs();
    let total = starts.next_multiple_of(50) + 150;
    let s = Scratch::new();
    let file = path.to_str().ok_or("a path in UTF-8")?;
    let mut items = vec![
        format!("replay.learning_starts={starts}"),
        format!("total_steps={total}"),
        "eval.episodes=1".to_owned(),
        format!("eval.every_steps={total}"),
        "log_every_updates=5".to_owned(),
    ];
    if !Registry::builtin().ids().any(|id| id == config.env.name) {
        let refused = s.run(&["train", file]);
        let helps = ["`supple envs` lists all", "run `cargo xtask setup`"];
        if refused.code != Some(1) || !helps.iter().any(|help| refused.stderr.contains(help)) {
            return Err(format!("{} is not refused:\n{}", config.env.name, refused.stderr));
        }
        items.push("env.name=Pendulum-v1".to_owned());
    }
    // Published networks take a second for some updates in this build.
    let large = ["mujoco", "dmc", "_256"].iter().any(|part| file.contains(part));
    if large {
        items.push("runtime.update_to_data=0.05".to_owned());
    }
    // Once, what a run would meet after minutes only.
    let once = if large { 5 } else { 50 };
    items.push(format!("diagnostics.every_updates={once}"));
    items.push(format!("diagnostics.rank_every_updates={once}"));
    let mut args = vec!["train", file, "--run-dir", "run", "--json"];
    for item in &items {
        args.extend(["--set", item.as_str()]);
    }
    let ended = s.run(&args);
    if ended.code != Some(0) {
        return Err(format!("exit code {:?}\n{}", ended.code, ended.stderr));
    }
    let json = last_json(&ended.stdout);
    let whole = |key: &str| json[key].as_u64().unwrap_or(0);
    if whole("steps") < total as u64 || whole("updates") == 0 || !json["return_mean"].is_f64() {
        return Err(format!("an odd result: {json}"));
    }
    let record = fs::read_to_string(s.path("run/metrics.jsonl")).map_err(|e| e.to_string())?;
    if !record.contains("\"loss/") || record.contains("null") {
        return Err(format!("no losses, or losses that are not finite:\n{record}"));
    }
    if !record.contains("/effective_rank\"") {
        return Err(format!("no ranks:\n{record}"));
    }
    checkpoint::read_newest(&s.path("run")).map_err(|e| e.to_string())?;
    Ok(())
}

#[test]
fn every_shipped_configuration_trains() {
    let paths = shipped();
    let (next, faults) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(fault) = try_out(path) {
                        let mut faults = faults.lock().expect("no panic in between");
                        faults.push(format!("{}: {fault}", path.display()));
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().expect("no panic in between");
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}
