//! `supple bench`: grids that fail in part, are stopped, killed, extended, and end in the report of an
//! undisturbed one.

mod cli;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use cli::{LIMIT, SUPPLE, Scratch, checkpoints};
use serde_json::{Value, json};

const GRID: &str = r#"
title = "A small grid"
seeds = 2
[score]
metric = "train/episode_return"
bin = 100
task_steps = 300
low = 0.0
high = 50.0
[config]
total_steps = 600
replay = { capacity = 200, batch_size = 8, learning_starts = 50 }
eval = { episodes = 0 }
checkpoint = { every_steps = 100 }
runtime = { update_to_data = 1.0 }
env = { name = "CartPole-v1", drift = [{ kind = "shift_obs", std = 2.0, period = 300, seed = 0 }] }
agent = { kind = "dqn", network = { arch = { kind = "mlp", hidden = [16] } } }
[quick]
seeds = 1
config = { total_steps = 300 }
[[methods]]
name = "plain"
baseline = true
[[methods]]
name = "cbp"
set = { agent = { network = { interventions = [{ kind = "cbp", replacement_rate = 0.01, maturity_threshold = 20 }] } } }
[[methods]]
name = "fresh"
fresh = true
"#;

fn scratch() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("grid.toml", GRID);
    scratch
}

const BENCH: &[&str] = &["bench", "grid.toml", "--out", "out"];

/// What every run measured, by its folder, without clocks and speeds.
fn measured(out: &Path) -> BTreeMap<PathBuf, Vec<Value>> {
    fn walk(folder: &Path, root: &Path, found: &mut BTreeMap<PathBuf, Vec<Value>>) {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, root, found);
            } else if path.ends_with("metrics.jsonl") {
                let text = fs::read_to_string(&path).expect("metrics");
                let row = |line: &str| {
                    let mut row: Value = serde_json::from_str(line).expect("a whole row");
                    row.as_object_mut().expect("an object").remove("wall_s");
                    let metrics = row["metrics"].as_object_mut().expect("metrics");
                    metrics.retain(|tag, _| !tag.starts_with("time/"));
                    row
                };
                let name = folder.strip_prefix(root).expect("below").to_owned();
                // Of a checkpoint there is nothing left.
                let rows = text.lines().map(row).filter(|r| r["metrics"] != json!({}));
                found.insert(name, rows.collect());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&out.join("runs"), &out.join("runs"), &mut found);
    found
}

/// The numbers of the report; seconds are in none of these.
fn reported(out: &Path) -> [String; 2] {
    ["curves.csv", "summary.json"]
        .map(|name| fs::read_to_string(out.join("report/data").join(name)).expect("a report"))
}

/// The last words of every process below `out` that was told to resume a run.
fn resumed(out: &Path) -> usize {
    let logs = ["plain", "cbp"].map(|m| out.join("runs").join(m));
    let logs = logs.iter().flat_map(|d| fs::read_dir(d).expect("runs").flatten());
    let logs = logs.filter(|e| e.path().extension().is_some_and(|e| e == "log"));
    logs.filter(|e| fs::read_to_string(e.path()).expect("a log").contains("resuming at step"))
        .count()
}

#[test]
fn a_grid_fills_its_folder_and_runs_once() {
    let s = scratch();
    let ended = s.succeed(BENCH);
    assert!(ended.stdout.starts_with("report: out/report/report.html"), "{}", ended.stdout);
    let runs = measured(&s.path("out"));
    let names: Vec<&str> = runs.keys().map(|p| p.to_str().expect("UTF-8")).collect();
    let want = [
        "cbp/seed-1",
        "cbp/seed-2",
        "fresh/seed-1/task-0",
        "fresh/seed-1/task-1",
        "fresh/seed-2/task-0",
        "fresh/seed-2/task-1",
        "plain/seed-1",
        "plain/seed-2",
    ];
    assert_eq!(names, want);
    // One libtorch thread unless asked otherwise, the seed, and the task that a fresh agent starts in.
    let config = |run: &str| {
        fs::read_to_string(s.path("out/runs").join(run).join("config.toml"))
            .expect("a configuration")
    };
    for (run, lines) in [
        (
            "plain/seed-2",
            ["seed = 2\n", "total_steps = 600\n", "step_offset = 0\n", "torch_threads = 1\n"],
        ),
        (
            "fresh/seed-1/task-1",
            ["seed = 1\n", "total_steps = 300\n", "step_offset = 300\n", "torch_threads = 1\n"],
        ),
    ] {
        for line in lines {
            assert!(config(run).contains(line), "{run} has no {line}");
        }
    }
    assert!(config("cbp/seed-1").contains("replacement_rate"), "the method is not there");
    // A fresh agent's first task is the plain agent's.
    let first = |run: &str| runs[Path::new(run)].iter().take(5).cloned().collect::<Vec<_>>();
    assert_eq!(first("fresh/seed-1/task-0"), first("plain/seed-1"));
    assert_ne!(first("plain/seed-2"), first("plain/seed-1"));

    // Again: nothing is done twice.
    let when = |run: &str| {
        let path = s.path("out/runs").join(run).join("metrics.jsonl");
        fs::metadata(path).expect("metrics").modified().expect("a time")
    };
    let before = when("plain/seed-1");
    s.succeed(BENCH);
    assert_eq!(when("plain/seed-1"), before);

    // More seeds are added; other settings are refused.
    s.succeed(&["bench", "grid.toml", "--out", "out", "--seeds", "3", "--methods", "plain"]);
    assert_eq!(measured(&s.path("out")).len(), 9);
    assert_eq!(when("plain/seed-1"), before);
    // The report is of all that is there, and can be made again.
    let [curves, summary] = reported(&s.path("out"));
    for (method, seeds) in [("plain", 3), ("cbp", 2), ("fresh", 2)] {
        let rows = |seed: usize| {
            curves.lines().filter(|l| l.starts_with(&format!("{method},{seed},"))).count()
        };
        let points: Vec<usize> = (1..=3).map(rows).collect();
        let want: Vec<usize> = (1..=3).map(|seed| if seed <= seeds { 6 } else { 0 }).collect();
        assert_eq!(points, want, "{method}");
    }
    // Fewer seeds than are there take none away.
    s.succeed(BENCH);
    assert_eq!(reported(&s.path("out")), [curves, summary.clone()]);
    let again = s.succeed(&["report", "out", "--out", "again"]);
    assert!(again.stdout.starts_with("report: again/report.html"), "{}", again.stdout);
    let path = s.path("again/data/summary.json");
    assert_eq!(fs::read_to_string(path).expect("a summary"), summary);
    let refused = s.run(&["report", "out", "--steps", "300"]);
    assert!(
        refused.stderr.contains("for the first steps of them give out/runs"),
        "{}",
        refused.stderr
    );
    s.succeed(&["report", "out/runs", "--steps", "300", "--out", "first"]);
    let page = fs::read_to_string(s.path("first/report.md")).expect("a report");
    assert!(page.contains("Of each run the first 300 steps are looked at."), "{page}");
    for (from, to) in [("total_steps = 600", "total_steps = 900"), ("rate = 0.01", "rate = 0.02")] {
        s.write("other.toml", GRID.replace(from, to));
        let other = s.run(&["bench", "other.toml", "--out", "out"]);
        assert_eq!(other.code, Some(1), "{to}");
        assert!(other.stderr.contains("give another --out"), "{}", other.stderr);
    }
}

#[test]
fn a_run_that_fails_is_reported_and_the_others_go_on() {
    let s = Scratch::new();
    let explodes = "name = \"explodes\"\nset = { agent = { network = { optim = { lr = 1e30 } } } }";
    let grid = GRID.replace("name = \"fresh\"\nfresh = true", explodes);
    s.write("grid.toml", grid);
    let ended = s.run(BENCH);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("runs/explodes/seed-1 failed: "), "{}", ended.stderr);
    assert!(ended.stderr.contains("4/6 runs, 2 failed"), "{}", ended.stderr);
    assert!(ended.stdout.starts_with("report: "), "{}", ended.stdout);
    let why = fs::read_to_string(s.path("out/runs/explodes/seed-2/failed.txt")).expect("a reason");
    assert!(why.contains("finite"), "{why}");
    assert!(s.path("out/runs/cbp/seed-2/result.json").exists());

    // Once more: those that failed are tried again, and fail again.
    let log = s.path("out/runs/explodes/seed-1.log");
    fs::remove_file(&log).expect("a log");
    assert_eq!(s.run(BENCH).code, Some(1));
    assert!(log.exists());
}

/// Processes whose command line holds this.
fn processes(with: &str) -> usize {
    let out = Command::new("pgrep").args(["-f", "-c", with]).output().expect("pgrep runs");
    String::from_utf8_lossy(&out.stdout).trim().parse().expect("a number")
}

/// Steps that the runs below `runs` have saved.
fn saved(runs: &Path) -> u64 {
    let newest = checkpoints(runs, "step").pop();
    let here = newest.map_or(0, |name| name["step-".len()..].parse().expect("a step"));
    let below = fs::read_dir(runs).into_iter().flatten().flatten().map(|entry| entry.path());
    here + below.filter(|path| path.is_dir()).map(|path| saved(&path)).sum::<u64>()
}

#[test]
fn a_grid_that_is_killed_or_stopped_ends_as_an_undisturbed_one() {
    let s = Scratch::new();
    // Updates large enough that a signal arrives before the runs end.
    let slow = GRID.replace("hidden = [16]", "hidden = [256, 256]");
    s.write("grid.toml", slow.replace("batch_size = 8", "batch_size = 64"));
    s.succeed(&["bench", "grid.toml", "--out", "whole"]);
    let whole = measured(&s.path("whole"));
    assert_eq!(resumed(&s.path("whole")), 0);

    // A name that no other process has in its command line.
    let out = format!("broken-{}", std::process::id());
    let (bench, runs) = (["bench", "grid.toml", "--out", &out], format!("{out}/runs"));
    for (n, signal) in ["KILL", "TERM", "KILL", "KILL", "INT"].iter().enumerate() {
        // Runs that outlived a killed bench save themselves and stop; in part, the next one meets them.
        let since = Instant::now();
        while *signal != "KILL" && processes(&runs) > 0 {
            assert!(since.elapsed() < LIMIT, "runs outlive a bench that was killed");
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut bench = s.start(&bench);
        // Of 3,600 steps, so that some are left for the next, however fast this machine is.
        let moment = 200 * (n as u64 + 1);
        bench.until("some steps", || processes(&runs) > 0 && saved(&s.path(&runs)) >= moment);
        bench.signal(signal);
        let ended = bench.wait();
        if *signal == "KILL" {
            assert_eq!(ended.code, None, "{ended:?}");
        } else {
            assert_eq!(ended.code, Some(130), "{ended:?}");
            assert_eq!(processes(&runs), 0, "runs outlive a bench that was stopped");
        }
    }
    // A run that has a checkpoint continues from there, and so it did.
    let begun = || {
        let seeds = ["plain", "cbp"].iter().flat_map(|m| [1, 2].map(|n| format!("{m}/seed-{n}")));
        let dirs = seeds.map(|name| s.path(&runs).join(name));
        let begun = |d: &PathBuf| d.join("checkpoints").exists() && !d.join("result.json").exists();
        dirs.filter(begun).count()
    };
    let mut last = s.start(&bench);
    // Its handler is there before its first run.
    last.until("a run that is neither new nor done", || processes(&runs) > 0 && begun() > 0);
    last.signal("TERM");
    assert_eq!(last.wait().code, Some(130));
    let begun = begun();
    s.succeed(&bench);
    assert_eq!(processes(&runs), 0);
    assert!(begun > 0 && resumed(&s.path(&out)) >= begun, "{begun} runs were not resumed");
    let broken = measured(&s.path(&out));
    assert_eq!(broken.keys().collect::<Vec<_>>(), whole.keys().collect::<Vec<_>>());
    for (run, rows) in &whole {
        assert!(&broken[run] == rows, "{} differs", run.display());
    }
    assert_eq!(reported(&s.path(&out)), reported(&s.path("whole")));
}

#[test]
fn one_bench_at_a_time_has_a_folder() {
    let s = scratch();
    let mut first = s.start(BENCH);
    first.until("a run", || s.path("out/runs/plain/seed-1").exists());
    let second = s.run(BENCH);
    assert_eq!(second.code, Some(1));
    assert!(second.stderr.contains("out is in use by another process"), "{}", second.stderr);
    assert_eq!(first.wait().code, Some(0));
}

#[test]
fn a_run_that_still_saves_itself_comes_last() {
    let s = scratch();
    let run = s.path("out/runs/plain/seed-1");
    fs::create_dir_all(&run).expect("a folder");
    let lock = agents::storage::run_dir::lock(&run).expect("a lock");
    fs::write(run.join("metrics.jsonl"), "of the old process").expect("a file");
    let args = ["bench", "grid.toml", "--out", "out", "--methods", "plain"];
    let mut bench = s.start(&args);
    bench.until("another run", || s.path("out/runs/plain/seed-2/result.json").exists());
    assert!(!s.path("out/runs/plain/seed-1.toml").exists(), "the run was started");
    // Waiting is no reason not to listen.
    bench.signal("INT");
    assert_eq!(bench.wait().code, Some(130));
    drop(lock);
    s.succeed(&args);
}

#[test]
fn mistakes_are_told_in_one_sentence() {
    let s = scratch();
    let no_name = GRID.replace("name = \"cbp\"", "name = \"c b p\"");
    let unknown = GRID.replace("batch_size = 8", "batchsize = 8");
    let twice = GRID.replace("name = \"cbp\"", "name = \"plain\"");
    let bins = GRID.replace("task_steps = 300", "task_steps = 350");
    let steps = GRID.replace("total_steps = 600", "total_steps = 0");
    let score = GRID.replace("high = 50.0", "hihg = 50.0");
    let vary = GRID.replace("seeds = 2", "seeds = 2\nvary = [\"env.drift.3.seed\"]");
    for (name, text) in [
        ("name", &no_name),
        ("key", &unknown),
        ("twice", &twice),
        ("bins", &bins),
        ("steps", &steps),
        ("score", &score),
        ("vary", &vary),
    ] {
        s.write(&format!("{name}.toml"), text);
    }
    for (args, wanted) in [
        (&["bench", "contro/cartpole-drift"][..], "did you mean control/cartpole-drift?"),
        (&["bench", "none.toml"], "cannot read none.toml"),
        (
            &["bench", "grid.toml", "--methods", "nap"],
            "there is no nap; known here: plain, cbp, fresh",
        ),
        (&["bench", "name.toml"], "use letters, digits"),
        (&["bench", "key.toml"], "did you mean `batch_size`?"),
        (&["bench", "twice.toml"], "plain is there twice"),
        (&["bench", "bins.toml"], "must be a multiple of score.bin"),
        (&["bench", "steps.toml"], "config.total_steps must say how long a run is"),
        (&["bench", "score.toml"], "unknown key `score.hihg`; did you mean `high`?"),
        (&["bench", "vary.toml"], "vary env.drift.3.seed: `drift` is a list of 1, counted from 0"),
        (&["report", "nothing"], "nothing"),
        (&["report", "."], "holds no run: a run folder has"),
    ] {
        let ended = s.run(args);
        assert_eq!(ended.code, Some(1), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(wanted), "{args:?}: {}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{args:?}: {}", ended.stderr);
        assert!(!s.path("runs").exists(), "{args:?} left a folder");
    }
    let list = s.succeed(&["bench"]).stdout;
    assert!(list.contains("control/cartpole-drift") && list.contains("source:"), "{list}");
}

/// The suite was killed when the run had ended and the result was not written yet.
#[test]
fn a_run_that_is_complete_is_not_trained_again() {
    let s = scratch();
    s.succeed(BENCH);
    let run = s.path("out/runs/plain/seed-1");
    let result = |run: &Path| -> Value {
        let text = fs::read_to_string(run.join("result.json")).expect("a result");
        let mut result: Value = serde_json::from_str(&text).expect("JSON");
        let object = result.as_object_mut().expect("an object");
        object.retain(|key, _| !key.ends_with("_s") && key != "boundary_mass");
        result
    };
    let (before, record) =
        (result(&run), fs::read_to_string(run.join("metrics.jsonl")).expect("metrics"));
    fs::remove_file(run.join("result.json")).expect("a result");
    s.succeed(BENCH);
    let log = fs::read_to_string(run.with_extension("log")).expect("a log");
    assert!(log.contains("resuming at step 600"), "{log}");
    assert_eq!(result(&run), before);
    assert_eq!(fs::read_to_string(run.join("metrics.jsonl")).expect("metrics"), record);
}

/// Bytes that are no text, as older systems leave in names.
#[test]
fn folders_may_have_names_that_are_no_text() {
    let s = Scratch::quick();
    s.succeed(&["train", "quick.toml", "--run-dir", "run"]);
    let line = format!(
        "mv run \"$(printf 'odd-\\377')\" && {SUPPLE} report \"$(printf 'odd-\\377')\" --out page && \
         {SUPPLE} eval \"$(printf 'odd-\\377')\" --episodes 1 && \
         {SUPPLE} resume \"$(printf 'odd-\\377')\" --set total_steps=410"
    );
    let ended = s.start_program("sh", &["-c", &line]).wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(s.path("page/report.html").exists());
}
