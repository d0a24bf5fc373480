//! A study of any run folders: which of them are one method, and how it is called.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::{
    Failure, Method, Study,
    folder::Folder,
    load::load_beginning,
    names::{differing, names, settings, stem_and_number},
};
use crate::{measures::final_performance, score::Score};

/// Diagnostics of whole networks that are shown beside returns, where they were measured.
const BESIDE: [&str; 5] =
    ["dead", "dormant", "effective_rank", "weight_norm", "distance_from_init"];

/// The performance of supervised learners.
const ERROR: &str = "stream/error";

/// All runs in `dirs`, each a run folder or a folder with run folders somewhere in it. Runs whose
/// configurations differ in seeds and checkpoints only are one method; the method of the first is the
/// baseline. `steps`: looks at no more than the first so many of each run, which then need not have ended.
///
/// # Errors
/// One sentence when there is no run, or none that can be shown.
pub fn plain(dirs: &[PathBuf], steps: Option<u64>) -> Result<Study, String> {
    let most = steps.unwrap_or(u64::MAX);
    let mut found = Vec::new();
    for dir in dirs {
        let before = found.len();
        find(dir, &mut found)?;
        if found.len() == before {
            return Err(format!(
                "{} holds no run: a run folder has config.toml and metrics.jsonl; give the folder that \
                 `supple train` printed, or one with such folders in it",
                dir.display()
            ));
        }
    }
    let mut seen = BTreeSet::new();
    found.retain(|dir| seen.insert(fs::canonicalize(dir).unwrap_or_else(|_| dir.clone())));
    let folders = found.into_iter().map(|dir| Folder::read(dir, most));
    let folders = folders.collect::<Result<Vec<_>, _>>()?;
    let mut groups: Vec<Vec<Folder>> = Vec::new();
    for folder in folders {
        match groups.iter_mut().find(|g| g[0].config == folder.config) {
            Some(group) => group.push(folder),
            None => groups.push(vec![folder]),
        }
    }
    let names = names(&groups);
    let mut score = score(&groups);
    let mut study = Study {
        name: "runs".to_owned(),
        title: "Runs side by side".to_owned(),
        about: String::new(),
        source: String::new(),
        expected: String::new(),
        score: score.clone(),
        methods: Vec::new(),
        failures: Vec::new(),
    };
    let different = differing(groups.iter().map(|g| &g[0].config));
    for (mut group, name) in groups.into_iter().zip(names) {
        group.sort_by_key(|folder| folder.seed);
        let mut method = Method {
            about: settings(&group[0].config, &different),
            name,
            baseline: study.methods.is_empty(),
            fresh: false,
            anchor: None,
            config: group[0].text.clone(),
            runs: Vec::new(),
        };
        for Folder { dir, seed, fault, .. } in group {
            let twin = method.runs.iter().find(|run| run.seed == seed);
            let fault = fault.or_else(|| {
                let twin = twin?.dir.display();
                Some(format!(
                    "{} was left out: {twin} has the same configuration and seed",
                    dir.display()
                ))
            });
            let run = fault.map_or_else(|| load_beginning(&dir, &score, seed, most), Err);
            match run {
                Ok(run) => method.runs.push(run),
                Err(what) => {
                    study.failures.push(Failure { method: method.name.clone(), seed, what });
                }
            }
        }
        if !method.runs.is_empty() {
            study.methods.push(method);
        }
    }
    let finals: Vec<f64> = (study.methods.iter().flat_map(|m| &m.runs))
        .map(|run| score.oriented(final_performance(&run.curve, score.final_share)))
        .collect();
    let Some(worst) = finals.iter().copied().reduce(f64::min) else {
        let first = study.failures.first().map_or("", |f| &f.what);
        return Err(format!("no run can be shown; the first one: {first}"));
    };
    let best = finals.iter().copied().fold(worst, f64::max);
    let best = if best == worst { worst + worst.abs().max(1.0) } else { best };
    (score.low, score.high) = (score.oriented(worst), score.oriented(best));
    study.about = about(&score, &different, steps);
    study.score = score;
    Ok(study)
}

/// Adds the run folders in `dir`, itself included, in the order of their names, numbers by size.
fn find(dir: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let recorded = ["metrics.jsonl", "failed.txt"].iter().any(|f| dir.join(f).is_file());
    if recorded && dir.join("config.toml").is_file() {
        found.push(dir.to_owned());
        return Ok(());
    }
    let fault = |e| format!("cannot read the folder {}: {e}", dir.display());
    let mut inside = Vec::new();
    for entry in fs::read_dir(dir).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        // Links are not followed: they could lead in circles.
        if entry.file_type().map_err(fault)?.is_dir() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let (stem, number) = stem_and_number(&name);
            inside.push((stem.to_owned(), number, entry.path()));
        }
    }
    inside.sort();
    inside.iter().try_for_each(|(_, _, path)| find(path, found))
}

/// Evaluations where all runs have them and more than one, else the returns of training; the errors of
/// supervised learners, if there are no returns.
fn score(groups: &[Vec<Folder>]) -> Score {
    let folders: Vec<&Folder> = groups.iter().flatten().filter(|f| f.fault.is_none()).collect();
    let steps = folders.iter().map(|f| f.total_steps.unwrap_or(f.last_step));
    let steps = steps.min().unwrap_or(0).max(1);
    let every = folders.iter().filter_map(|f| f.eval_every).max().unwrap_or(0);
    let has = |tag: &str| folders.iter().any(|f| f.tags.contains(tag));
    let evaluated = folders.iter().all(|f| f.tags.contains("eval/return_mean"));
    // One evaluation at the end is no curve.
    let (metric, bin) = if evaluated && every > 0 && every < steps {
        ("eval/return_mean", every)
    } else {
        let errors = has(ERROR) && !has("train/episode_return");
        let bin = if every > 0 && every < steps { every } else { steps.div_ceil(100) };
        (if errors { ERROR } else { "train/episode_return" }, bin)
    };
    let is_beside = |tag: &&String| {
        let global = tag.rsplit_once("/_global/");
        global.is_some_and(|(_, measure)| BESIDE.contains(&measure))
    };
    let tags: BTreeSet<&String> = folders.iter().flat_map(|f| &f.tags).filter(is_beside).collect();
    Score {
        metric: metric.to_owned(),
        lower_is_better: metric == ERROR,
        bin,
        task_steps: 0,
        tasks: 0,
        low: 0.0,
        high: 1.0,
        final_share: 0.1,
        beside: tags.into_iter().cloned().collect(),
    }
}

fn about(score: &Score, different: &[String], steps: Option<u64>) -> String {
    let mut about = format!(
        "Runs as they were found, scored by {} in bins of {} steps. Normalised scores have 0 at {:.6} and 1 \
         at {:.6}, the worst and the best final performance among these runs, so they say nothing \
         beyond them.",
        score.metric, score.bin, score.low, score.high
    );
    if let Some(steps) = steps {
        about = format!("{about} Of each run the first {steps} steps are looked at.");
    }
    if different.iter().any(|key| key == "env.name") {
        about.push_str(" These runs are of different environments, whose returns do not compare.");
    }
    about
}
