//! Runs out of folders, and plain folders to studies.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use agents::config::Config;
use benchmarks::{
    score::Score,
    study::{Study, load_fresh, load_method, load_run, plain, unfinished},
};

const RETURN: &str = "train/episode_return";

fn score(bin: u64, task_steps: u64) -> Score {
    Score {
        metric: RETURN.to_owned(),
        lower_is_better: false,
        bin,
        task_steps,
        tasks: 0,
        low: 0.0,
        high: 10.0,
        final_share: 0.1,
        beside: vec!["plasticity/q/_global/dead".to_owned()],
    }
}

/// A row of `metrics.jsonl` with one number; NaN becomes `null`.
fn row(step: u64, tag: &str, value: f64) -> String {
    let value = if value.is_finite() { value.to_string() } else { "null".to_owned() };
    format!(
        "{{\"step\":{step},\"wall_s\":{},\"metrics\":{{\"{tag}\":{value}}}}}\n",
        step as f64 / 100.0
    )
}

fn write(dir: &Path, config: &str, metrics: &str) {
    fs::create_dir_all(dir).unwrap();
    fs::write(dir.join("config.toml"), config).unwrap();
    fs::write(dir.join("metrics.jsonl"), metrics).unwrap();
}

fn returns(values: &[(u64, f64)]) -> String {
    values.iter().map(|(step, value)| row(*step, RETURN, *value)).collect()
}

#[test]
fn curves_are_means_of_half_open_bins() {
    let dir = tempfile::tempdir().unwrap();
    // Bins end at 10, 20, 30, 40, 45. Step 0 is in none, 10 in the first, 47 past the end in the last.
    let rows = [(0, 99.0), (11, 2.0), (20, 4.0), (10, 1.0), (31, 5.0), (47, 7.0)];
    write(dir.path(), "total_steps = 45", &returns(&rows));
    let run = load_run(dir.path(), &score(10, 0), 3).unwrap();
    assert_eq!(run.curve, [1.0, 3.0, 3.0, 5.0, 7.0]);
    assert_eq!((run.seed, run.dir.as_path(), run.wall_s), (3, dir.path(), 0.47));
    assert_eq!((run.matrix.len(), run.beside.len()), (0, 0));
}

#[test]
fn empty_bins_repeat_and_the_first_ones_wait() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "total_steps = 60", &returns(&[(25, 4.0), (27, 6.0), (45, 8.0)]));
    let run = load_run(dir.path(), &score(10, 0), 1).unwrap();
    assert_eq!(run.curve, [5.0, 5.0, 5.0, 5.0, 8.0, 8.0]);
    // Examples are steps; without either the rows say how long it is.
    write(dir.path(), "examples = 60", &returns(&[(25, 4.0)]));
    assert_eq!(load_run(dir.path(), &score(10, 0), 1).unwrap().curve, [4.0; 6]);
    write(dir.path(), "seed = 1", &returns(&[(25, 4.0)]));
    assert_eq!(load_run(dir.path(), &score(10, 0), 1).unwrap().curve, [4.0; 3]);
}

#[test]
fn damage_is_an_error_but_in_the_last_line() {
    let dir = tempfile::tempdir().unwrap();
    let good = returns(&[(5, 1.0), (15, 2.0)]);
    let half = "{\"step\":25,\"wall_s\":0.2,\"metr\u{e9}";
    // Cut within a character, too.
    let mut bytes = format!("{good}{half}").into_bytes();
    bytes.pop();
    write(dir.path(), "total_steps = 20", "");
    fs::write(dir.path().join("metrics.jsonl"), bytes).unwrap();
    assert_eq!(load_run(dir.path(), &score(10, 0), 1).unwrap().curve, [1.0, 2.0]);

    write(dir.path(), "total_steps = 20", &format!("{}{half}\n{}", row(1, "a", 1.0), good));
    let error = load_run(dir.path(), &score(10, 0), 1).unwrap_err();
    assert!(error.contains("metrics.jsonl is damaged in line 2: "), "{error}");

    write(dir.path(), "total_steps = 20", &format!("{good}{}", row(17, RETURN, f64::NAN)));
    let error = load_run(dir.path(), &score(10, 0), 1).unwrap_err();
    assert!(
        error.starts_with("train/episode_return is not a finite number at step 17 ("),
        "{error}"
    );
    assert!(error.ends_with("metrics.jsonl, line 3): the run has diverged"), "{error}");

    write(dir.path(), "total_steps = 20", &row(5, "loss/q", 1.0));
    let error = load_run(dir.path(), &score(10, 0), 1).unwrap_err();
    assert!(error.ends_with("never has train/episode_return; score what is in it"), "{error}");
    write(dir.path(), "total_steps = ", &good);
    let error = load_run(dir.path(), &score(10, 0), 1).unwrap_err();
    assert!(error.contains("config.toml is not TOML"), "{error}");
    let error = load_run(&dir.path().join("nowhere"), &score(10, 0), 1).unwrap_err();
    assert!(error.starts_with("cannot read "), "{error}");
}

#[test]
fn matrix_and_measures_beside_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = returns(&[(5, 1.0), (40, 2.0)]);
    let task = |j: usize| format!("eval/task_{j}/return_mean");
    // Written late and twice: the newest step of each task counts. Nothing of task 1 in the first task.
    for (step, j, value) in [
        (20, 0, 0.9),
        (10, 0, 0.1),
        (20, 2, 7.0),
        (21, 0, 0.3),
        (40, 1, 0.8),
        (40, 0, 0.4),
        (41, 0, 9.0),
    ] {
        text += &row(step, &task(j), value);
    }
    for (step, value) in [(10, 0.25), (20, f64::INFINITY), (30, 0.5)] {
        text += &row(step, "plasticity/q/_global/dead", value);
    }
    write(dir.path(), "total_steps = 45", &text);
    let run = load_run(dir.path(), &score(10, 20), 1).unwrap();
    // The third task is not whole: 5 of its 20 steps; of its bins there is one.
    assert_eq!(run.matrix, [vec![0.9], vec![0.4, 0.8]]);
    assert_eq!(run.beside["plasticity/q/_global/dead"], [(10, 0.25), (30, 0.5)]);
    assert_eq!(run.beside.len(), 1);
}

#[test]
fn fresh_agents_are_put_in_a_row() {
    let dir = tempfile::tempdir().unwrap();
    let dead = "plasticity/q/_global/dead";
    for (task, level) in [(0, 1.0), (1, 5.0), (2, 3.0)] {
        let text = returns(&[(10, level), (15, level + 1.0)]) + &row(20, dead, level);
        write(&dir.path().join(format!("task-{task}")), "total_steps = 20", &text);
        if task < 2 {
            fs::write(dir.path().join(format!("task-{task}/result.json")), "{}").unwrap();
        }
    }
    let run = load_fresh(dir.path(), 2, &score(10, 20), 4).unwrap();
    assert_eq!(run.curve, [1.0, 2.0, 5.0, 6.0]);
    assert_eq!(run.beside[dead], [(20, 1.0), (40, 5.0)]);
    assert_eq!((run.seed, run.wall_s, run.dir), (4, 0.4, dir.path().join("task-0")));
    // A last task that the run cut short.
    fs::write(dir.path().join("task-1/config.toml"), "total_steps = 10").unwrap();
    let run = load_fresh(dir.path(), 2, &score(10, 20), 4).unwrap();
    assert_eq!(run.curve, [1.0, 2.0, 5.5]);
    assert_eq!(load_fresh(dir.path(), 3, &score(10, 20), 4).unwrap_err(), "task 2: did not finish");
    assert_eq!(load_fresh(dir.path(), 4, &score(10, 20), 4).unwrap_err(), "task 2: did not finish");
    assert!(load_fresh(dir.path(), 2, &score(10, 0), 4).unwrap_err().contains("task_steps is 0"));
}

#[test]
fn runs_that_did_not_finish_are_failures() {
    let dir = tempfile::tempdir().unwrap();
    let folders: Vec<PathBuf> = (0..4).map(|i| dir.path().join(format!("seed-{i}"))).collect();
    for folder in &folders {
        write(folder, "total_steps = 10", &returns(&[(5, 1.0)]));
    }
    fs::write(folders[0].join("result.json"), "{}").unwrap();
    fs::write(folders[1].join("failed.txt"), "the loss of q is not finite\n").unwrap();
    fs::write(folders[3].join("result.json"), "{}").unwrap();
    fs::write(folders[3].join("metrics.jsonl"), "").unwrap();
    assert_eq!(unfinished(&folders[0]), None);
    let of = folders.iter().zip(0..).map(|(folder, seed)| (seed, folder.as_path()));
    let (runs, failures) = load_method("cbp", of, None, &score(10, 0));
    assert_eq!(runs.iter().map(|r| r.seed).collect::<Vec<_>>(), [0]);
    let said: Vec<_> =
        failures.iter().map(|f| (f.method.as_str(), f.seed, f.what.as_str())).collect();
    assert_eq!(
        said[..2],
        [("cbp", 1, "the loss of q is not finite"), ("cbp", 2, "did not finish")]
    );
    assert!(said[2].2.contains("never has train/episode_return"), "{said:?}");
}

const PLAIN: &str = "total_steps = 100\n[eval]\nevery_steps = 50\n[agent]\nkind = 'dqn'\n";

fn evaluations(first: f64, last: f64) -> String {
    row(7, RETURN, 0.0)
        + &row(50, "eval/return_mean", first)
        + &row(60, "plasticity/q/_global/dead", 0.5)
        + &row(60, "plasticity/q/hidden_0/dead", 0.5)
        + &row(100, "eval/return_mean", last)
}

fn names(study: &Study) -> Vec<&str> {
    study.methods.iter().map(|m| m.name.as_str()).collect()
}

#[test]
fn plain_runs_become_methods_by_their_configuration() {
    let dir = tempfile::tempdir().unwrap();
    // One method: seeds differ, also those of drift. Its folders are not in their order.
    for seed in [10, 2] {
        let drift = format!("[[env.drift]]\nkind = 'shift_obs'\nseed = {seed}\n");
        let config = format!("seed = {seed}\n{PLAIN}gamma = 0.9\n{drift}");
        write(
            &dir.path().join(format!("a/dqn-{}", 12 - seed)),
            &config,
            &evaluations(1.0, f64::from(seed)),
        );
    }
    // What is within a run folder is not looked at.
    write(&dir.path().join("a/dqn-2/checkpoints/x"), "seed = 9", "");
    let drift = "[[env.drift]]\nkind = 'obs_noise'\n";
    write(
        &dir.path().join("b/cbp-1"),
        &format!("seed = 2\n{PLAIN}{drift}"),
        &evaluations(1.0, 4.0),
    );
    let study = plain(&[dir.path().join("a"), dir.path().to_owned()], None).unwrap();
    assert_eq!(names(&study), ["dqn", "cbp"]);
    assert_eq!(study.methods[0].runs.iter().map(|r| r.seed).collect::<Vec<_>>(), [2, 10]);
    assert_eq!(study.methods[0].runs[1].curve, [1.0, 10.0]);
    assert_eq!(study.methods[0].about, "agent.gamma=0.9, env.drift.0.kind=shift_obs");
    assert!(study.methods[0].config.starts_with("seed = 2\n"));
    assert_eq!(study.methods.iter().map(|m| m.baseline).collect::<Vec<_>>(), [true, false]);
    assert_eq!((study.score.metric.as_str(), study.score.bin), ("eval/return_mean", 50));
    assert_eq!((study.score.low, study.score.high), (2.0, 10.0));
    assert_eq!(study.score.beside, ["plasticity/q/_global/dead"]);
    assert!(study.about.contains("0 at 2.000000 and 1 at 10.000000"), "{}", study.about);
    study.score.validate().unwrap();
    assert!(study.failures.is_empty());
}

#[test]
fn defaults_and_checkpoints_make_no_method_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let shipped = include_str!("../../configs/quickstart.toml");
    let rows = row(30_000, RETURN, 1.0);
    write(&dir.path().join("old-1"), shipped, &rows);
    let set = ["seed=2", "checkpoint.every_steps=7"].map(str::to_owned);
    let whole = Config::parse(shipped, &set).unwrap().to_toml().unwrap();
    write(&dir.path().join("new-2"), &whole, &rows);
    let other = Config::parse(shipped, &["agent.gamma=0.5".to_owned()]).unwrap();
    write(&dir.path().join("other-1"), &other.to_toml().unwrap(), &rows);
    let study = plain(&[dir.path().to_owned()], None).unwrap();
    let seeds = study.methods.iter().map(|m| m.runs.iter().map(|r| r.seed).collect::<Vec<_>>());
    assert_eq!(seeds.collect::<Vec<_>>(), [vec![1, 2], vec![1]]);
    assert_eq!(study.methods[1].name, "other");
}

#[test]
fn plain_names_say_what_differs() {
    let dir = tempfile::tempdir().unwrap();
    let run = |folder: &str, rest: &str| {
        write(&dir.path().join(folder), &format!("{PLAIN}{rest}"), &evaluations(1.0, 2.0));
        plain(&[dir.path().to_owned()], None).unwrap()
    };
    assert_eq!(names(&run("run-9", "gamma = 0.9")), ["dqn"]);
    // Names that say nothing. Ten comes after nine.
    assert_eq!(names(&run("run-10", "gamma = 0.8")), ["agent.gamma=0.9", "agent.gamma=0.8"]);
    // A name twice: only those two need more.
    run("x-1", "gamma = 0.9\ntau = 0.1");
    let study = run("x-2", "gamma = 0.9\ntau = 0.2");
    let want = ["agent.gamma=0.9", "agent.gamma=0.8", "x agent.tau=0.1", "x agent.tau=0.2"];
    assert_eq!(names(&study), want);
    // Many keys: those that are enough.
    run("y-1", "a = 1\nb = 1\nc = 1\nd = 1");
    run("y-2", "a = 1\nb = 2\nc = 2\nd = 2");
    let study = run("y-3", "a = 3\nb = 3\nc = 2\nd = 2");
    assert_eq!(names(&study)[4..], ["y agent.b=1", "y agent.b=2", "y agent.b=3"]);
    // Of a grid: the folder of the method.
    assert_eq!(names(&run("grid/cbp/seed-1", "rate = 7"))[0], "cbp");
}

#[test]
fn plain_looks_at_the_beginnings_of_runs_that_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let tag = "plasticity/q/_global/dead";
    // Stopped at step 110 of 1000, with an evaluation that diverged after the steps that are asked for; one
    // that is not there yet; one that is shorter.
    let rows = |last: f64| {
        [row(50, tag, 0.1), evaluations(1.0, last), row(101, tag, 0.9)].concat()
            + &row(105, "plasticity/q/_global/dormant", 0.9)
            + &row(110, "eval/return_mean", f64::NAN)
    };
    let config = |seed: u64, steps: u64| {
        format!("seed = {seed}\n{PLAIN}").replace("100", &steps.to_string())
    };
    write(&dir.path().join("dqn-1"), &config(1, 1000), &rows(3.0));
    fs::write(dir.path().join("dqn-1/failed.txt"), "the loss of q is not finite").unwrap();
    write(&dir.path().join("dqn-2"), &config(2, 1000), &row(60, "eval/return_mean", 1.0));
    write(
        &dir.path().join("short-1"),
        &config(1, 80),
        &(row(50, "eval/return_mean", 2.0) + &row(80, RETURN, 1.0)),
    );
    let study = plain(&[dir.path().to_owned()], Some(100)).unwrap();
    assert_eq!(names(&study), ["dqn", "short"]);
    assert_eq!(study.methods[0].runs.len(), 1);
    assert_eq!(study.methods[0].runs[0].curve, [1.0, 3.0]);
    assert_eq!(study.methods[0].runs[0].beside[tag], [(50, 0.1), (60, 0.5)]);
    assert_eq!(study.methods[1].runs[0].curve, [2.0, 2.0]);
    assert_eq!(study.score.beside, [tag]);
    let said: Vec<_> = study.failures.iter().map(|f| (f.seed, f.what.as_str())).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].1.contains("did not finish: it is at step 60 of 1000"), "{said:?}");
    assert!(
        study.about.contains("Of each run the first 100 steps are looked at."),
        "{}",
        study.about
    );
}

#[test]
fn plain_leaves_out_what_it_must_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let error = plain(&[dir.path().to_owned()], None).unwrap_err();
    assert!(
        error.contains("holds no run: a run folder has config.toml and metrics.jsonl"),
        "{error}"
    );

    let folder = |n: u64| dir.path().join(format!("dqn-{n}"));
    let config = |seed: u64| format!("seed = {seed}\n{PLAIN}");
    write(&folder(1), &config(1), &row(60, "eval/return_mean", 1.0));
    let error = plain(&[dir.path().to_owned()], None).unwrap_err();
    assert!(error.contains("did not finish: it is at step 60 of 100"), "{error}");

    write(&folder(2), &config(2), &evaluations(1.0, 3.0));
    write(&folder(3), &config(2), &evaluations(1.0, 3.0));
    write(&folder(4), &config(4), &format!("nonsense\n{}", evaluations(1.0, 3.0)));
    write(&folder(5), &config(5), "");
    fs::write(folder(5).join("failed.txt"), "out of memory").unwrap();
    // Given twice, there once.
    let study = plain(&[dir.path().to_owned(), folder(2)], None).unwrap();
    assert_eq!(study.methods[0].runs.len(), 1);
    let said: BTreeMap<_, _> = study.failures.iter().map(|f| (f.seed, f.what.as_str())).collect();
    assert_eq!(study.failures.len(), 4);
    assert!(said[&1].contains("did not finish"), "{said:?}");
    assert!(said[&2].contains("dqn-2 has the same configuration and seed"), "{said:?}");
    assert!(said[&4].contains("metrics.jsonl is damaged in line 1"), "{said:?}");
    assert_eq!(said[&5], "out of memory");
    // One that failed and was then brought to its end has not failed.
    fs::write(folder(2).join("failed.txt"), "killed").unwrap();
    assert_eq!(plain(&[folder(2)], None).unwrap().failures, []);
    // All runs the same: normalised scores need two different ends.
    assert_eq!((study.score.low, study.score.high), (3.0, 6.0));
}

/// A curve of one evaluation is none.
#[test]
fn plain_runs_evaluated_once_are_scored_in_training() {
    let dir = tempfile::tempdir().unwrap();
    let text = returns(&[(50, 1.0), (150, 2.0), (1000, 4.0)]) + &row(1000, "eval/return_mean", 9.0);
    write(&dir.path().join("a-1"), "total_steps = 1000\n[eval]\nevery_steps = 1000", &text);
    let study = plain(&[dir.path().to_owned()], None).unwrap();
    assert_eq!((study.score.metric.as_str(), study.score.bin), (RETURN, 10));
    assert_eq!(study.methods[0].runs[0].curve.len(), 100);
}

/// Of supervised learners: more of it is worse, so the normalised score is turned round.
#[test]
fn plain_runs_with_errors_alone_are_scored_by_them() {
    let dir = tempfile::tempdir().unwrap();
    for (name, error) in [("a-1", 0.5), ("b-1", 2.0)] {
        let rows: String = (1..=50).map(|i| row(i * 10, "stream/error", error)).collect();
        write(&dir.path().join(name), &format!("kind = '{name}'"), &rows);
    }
    let score = plain(&[dir.path().to_owned()], None).unwrap().score;
    assert_eq!(
        (score.metric.as_str(), score.bin, score.lower_is_better),
        ("stream/error", 5, true)
    );
    assert_eq!((score.low, score.high), (2.0, 0.5));
    score.validate().unwrap();
}
