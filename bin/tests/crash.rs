//! Runs that are killed, interrupted, or meet a full disk: whatever happens, `supple resume` ends
//! where an undisturbed run ends, bit for bit.

mod cli;

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use cli::{
    Ended, SUPPLE, Scratch, checkpoints, last_json,
    remains::{DQN, Moments, Remains, rows},
};
use serde_json::Value;

fn scratch() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("run.toml", DQN);
    scratch
}

fn undisturbed(s: &Scratch) -> Remains {
    s.succeed(&["train", "run.toml", "--run-dir", "whole"]);
    let remains = Remains::of(&s.path("whole"));
    let (rows, evaluations) = (remains.training.len(), remains.evaluations.len());
    assert!(
        rows > 100 && evaluations == 12,
        "{rows} rows and {evaluations} evaluations to compare"
    );
    remains
}

#[test]
fn killed_again_and_again() {
    let s = scratch();
    let whole = undisturbed(&s);
    let run = s.path("killed");
    let mut moments = Moments(0x5eed);
    let mut kills = 0;
    let mut process = s.start(&["train", "run.toml", "--run-dir", "killed"]);
    process.until("the first checkpoint", || !checkpoints(&run, "step").is_empty());
    loop {
        // So many rows later, and a little: often in the middle of a checkpoint.
        let (target, delay) = (rows(&run) + moments.below(12) as usize, moments.below(4));
        let deadline = Instant::now() + cli::LIMIT;
        while process.alive() && rows(&run) < target && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(delay));
        if !process.alive() {
            break;
        }
        process.signal("KILL");
        assert_eq!(process.wait().code, None, "killed by a signal");
        kills += 1;
        process = s.start(&["resume", "killed"]);
        if kills == 10 {
            break;
        }
    }
    let ended = process.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(kills >= 4, "only {kills} kills before the end");
    Remains::of(&run).assert_same(&whole, &format!("after {kills} kills"));
    let left = checkpoints(&run, ".tmp");
    assert!(left.is_empty(), "half-written checkpoints stay behind: {left:?}");
}

#[test]
fn interrupted_politely() {
    let s = scratch();
    let whole = undisturbed(&s);
    for signal in ["INT", "TERM"] {
        let dir = format!("stopped-{signal}");
        let run = s.path(&dir);
        let mut process = s.start(&["train", "run.toml", "--run-dir", &dir, "--json"]);
        process.until("some learning", || rows(&run) > 40);
        process.signal(signal);
        let ended = process.wait();
        assert_eq!(ended.code, Some(130), "{signal}\n{}", ended.stderr);
        assert!(ended.stderr.contains("stopping: saving a checkpoint"), "{}", ended.stderr);
        let hint = format!("resume with: supple resume {dir}");
        assert!(ended.stderr.contains(&hint), "want {hint}\n{}", ended.stderr);
        let json = last_json(&ended.stdout);
        assert_eq!(json["interrupted"], true, "{json}");
        let newest = checkpoints(&run, "step").pop().expect("a checkpoint");
        assert_eq!(newest, format!("step-{:012}", json["steps"].as_u64().expect("steps")));

        let json = last_json(&s.succeed(&["resume", &dir, "--json"]).stdout);
        assert_eq!((&json["steps"], &json["interrupted"]), (&1200.into(), &false.into()));
        Remains::of(&run).assert_same(&whole, signal);
    }
}

#[test]
fn made_longer() {
    let s = scratch();
    let whole = undisturbed(&s);
    s.succeed(&["train", "run.toml", "--run-dir", "run", "--set", "total_steps=600"]);
    // What a crash can leave behind: something half-written, and the best of a future that is lived
    // again.
    let run = s.path("run");
    let folder = run.join("checkpoints");
    fs::create_dir(folder.join(".tmp-step-000000000777")).expect("a folder");
    fs::create_dir(folder.join("best-000000009999")).expect("a folder");
    s.succeed(&["resume", "run", "--set", "total_steps=1200"]);
    Remains::of(&run).assert_same(&whole, "after a longer total_steps");
    assert_eq!(checkpoints(&run, ".tmp"), [""; 0], "half-written checkpoints stay behind");
}

#[test]
fn a_second_interrupt_ends_at_once() {
    let s = scratch();
    // The next boundary, at which the first interrupt would be obeyed, is hours away.
    let mut args = vec!["train", "run.toml", "--run-dir", "run"];
    for item in ["total_steps=100000000", "runtime.sync_every=90000000", "eval.episodes=0"] {
        args.extend(["--set", item]);
    }
    let mut process = s.start(&args);
    process.until("some learning", || rows(&s.path("run")) >= 10);
    process.signal("INT");
    std::thread::sleep(Duration::from_millis(1500)); // longer than signals of one request may take
    assert!(process.alive(), "the first interrupt waits for the boundary");
    process.signal("INT");
    let ended = process.wait();
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert!(last.contains("stopping: saving a checkpoint"), "nothing is printed after it:\n{last}");
}

/// An evaluation of a million episodes of 500 steps, which training has come to wait for.
#[test]
fn an_interrupt_does_not_wait_for_an_evaluation() {
    let s = scratch();
    let run = s.path("run");
    let mut args = vec!["train", "run.toml", "--run-dir", "run", "--json"];
    for item in [
        "env.name=Acrobot-v1",
        "total_steps=20000",
        "replay.learning_starts=100000000",
        "eval.every_steps=9600",
        "eval.episodes=1000000",
        "checkpoint.every_steps=0",
    ] {
        args.extend(["--set", item]);
    }
    let mut process = s.start(&args);
    process.until("the evaluation", || rows(&run) >= 25);
    process.signal("INT");
    let ended = process.wait(); // the evaluation itself would take hours
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    let stopped = last_json(&ended.stdout)["steps"].as_u64().expect("steps");
    assert_eq!(checkpoints(&run, "step"), [format!("step-{stopped:012}")]);

    let ended = s.succeed(&["resume", "run", "--set", "eval.episodes=2", "--json"]);
    assert_eq!(last_json(&ended.stdout)["steps"], 20_000);
    let text = fs::read_to_string(run.join("metrics.jsonl")).expect("metrics");
    let played: Vec<u64> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a row"))
        .filter(|row| row["metrics"].get("eval/return_mean").is_some())
        .map(|row| row["step"].as_u64().expect("a step"))
        .collect();
    assert_eq!(played, [9_600, 19_200, 20_000], "each once, the abandoned one too");
    // Complete, so there is nothing to resume.
    let ended = s.run(&["resume", "run"]);
    assert_error(&ended, &["is complete at 20000 steps"]);
}

#[test]
fn signals_that_come_in_pairs_are_one_request() {
    // As `timeout` and Slurm send them: to the process, and to its group.
    let s = scratch();
    for n in 0..12 {
        let dir = format!("pair-{n}");
        let run = s.path(&dir);
        let mut args = vec!["train", "run.toml", "--run-dir", &dir];
        // Some hundred updates to the next boundary, so that the second signal meets a run that is stopping;
        // and no checkpoint but the one that the first signal asks for.
        for item in [
            "total_steps=100000000",
            "runtime.sync_every=300",
            "eval.episodes=0",
            "checkpoint.every_steps=0",
        ] {
            args.extend(["--set", item]);
        }
        let mut process = s.start(&args);
        process.until("some learning", || rows(&run) > 5);
        process.signal("TERM");
        std::thread::sleep(Duration::from_millis(n % 4));
        process.signal("TERM");
        let ended = process.wait();
        assert_eq!(ended.code, Some(130), "{}", ended.stderr);
        assert!(
            ended.stderr.contains(&format!("resume with: supple resume {dir}")),
            "{}",
            ended.stderr
        );
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        assert!(!checkpoints(&run, "step").is_empty(), "a stop saves a checkpoint");
    }
}

/// The command line under a limit on the size of files, which is as good as a full disk: a write
/// beyond it fails with "File too large". `blocks` are 512 bytes.
fn limited(s: &Scratch, blocks: u32, args: &str) -> Ended {
    let line = format!("trap '' XFSZ; ulimit -f {blocks} || exit 99; exec {SUPPLE} {args}");
    s.start_program("sh", &["-c", &line]).wait()
}

/// One line of error, exit code 1.
fn assert_error(ended: &Ended, wanted: &[&str]) {
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let errors: Vec<&str> = ended.stderr.lines().filter(|l| l.starts_with("error:")).collect();
    assert_eq!(errors.len(), 1, "{}", ended.stderr);
    for part in wanted {
        assert!(errors[0].contains(part), "want {part}\n{}", ended.stderr);
    }
}

#[test]
fn a_disk_full_of_checkpoints() {
    let s = scratch();
    let whole = undisturbed(&s);
    // Replay grows by 25 bytes a step, so some checkpoint is the first beyond 8 KiB. Few metrics.
    let set = "--set log_every_updates=1000000";
    let ended = limited(&s, 16, &format!("train run.toml --run-dir run {set}"));
    assert_error(&ended, &["cannot write", "run/checkpoints/.tmp-step-", "File too large"]);
    let run = s.path("run");
    let kept = checkpoints(&run, "step");
    assert_eq!(kept.len(), 2, "the two before are there: {kept:?}");

    // With room again, it continues, with the rows of metrics that it would have had.
    let config = fs::read_to_string(run.join("config.toml")).expect("a config");
    fs::write(
        run.join("config.toml"),
        config.replace("log_every_updates = 1000000", "log_every_updates = 5"),
    )
    .expect("write");
    s.succeed(&["resume", "run"]);
    let remains = Remains::of(&run);
    assert_eq!(remains.state, whole.state);
    assert!(remains.model == whole.model, "model.safetensors differs");
    assert!(remains.replay == whole.replay, "replay.safetensors differs");
}

#[test]
fn a_disk_full_of_metrics() {
    let s = scratch();
    let whole = undisturbed(&s);
    let run = s.path("run");
    let log = run.join("metrics.jsonl");
    // The record and TensorBoard's events are of about one size; whichever hits the limit first.
    let size = fs::metadata(s.path("whole/metrics.jsonl")).expect("metrics").len();
    let blocks = u32::try_from(size / 2 / 512).expect("small");
    let ended = limited(&s, blocks, "train run.toml --run-dir run");
    assert_error(&ended, &["metrics: cannot write"]);

    if Path::new("/dev/full").exists() {
        fs::rename(&log, run.join("aside")).expect("rename");
        std::os::unix::fs::symlink("/dev/full", &log).expect("a link");
        let ended = s.run(&["resume", "run"]);
        assert_error(&ended, &["metrics: cannot write run/metrics.jsonl", "No space left"]);
        fs::rename(run.join("aside"), &log).expect("rename");
    }
    s.succeed(&["resume", "run"]);
    Remains::of(&run).assert_same(&whole, "after a full disk");

    // The record is thrown away, so that the events are what hits the limit.
    fs::remove_file(&log).expect("the record");
    std::os::unix::fs::symlink("/dev/null", &log).expect("a link");
    let set = "--set total_steps=20000 --set checkpoint.every_steps=0";
    let ended = limited(&s, blocks, &format!("resume run {set}"));
    assert_error(&ended, &["metrics: cannot write run/events.out.tfevents.", "File too large"]);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}

#[test]
fn nobody_listens() {
    // Standard error closed after one line: the run continues to its end.
    let s = scratch();
    let line = format!("{SUPPLE} train run.toml --run-dir run --json 2>&1 >result | head -1");
    let ended = s.start_program("sh", &["-c", &line]).wait();
    assert_eq!(ended.stdout, "run folder: run\n", "{}", ended.stderr);
    let result = fs::read_to_string(s.path("result")).expect("a result");
    assert_eq!(last_json(&result)["steps"], 1200);

    // Standard output closed before the first line.
    for command in ["envs", "--help", "check-env CartPole-v1"] {
        let line = format!("({SUPPLE} {command}; echo $? >code) | true");
        let ended = s.start_program("sh", &["-c", &line]).wait();
        assert_eq!(ended.stderr, "", "{command}");
        let code = || fs::read_to_string(s.path("code")).unwrap_or_default();
        let deadline = Instant::now() + cli::LIMIT;
        while code().is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2)); // the shell waits for `true` only, perhaps
        }
        assert_eq!(code(), "0\n", "{command}");
        fs::remove_file(s.path("code")).expect("a file");
    }
    // Standard output on a full disk is an error.
    if Path::new("/dev/full").exists() {
        let line = format!("{SUPPLE} envs >/dev/full");
        let ended = s.start_program("sh", &["-c", &line]).wait();
        assert_error(&ended, &["cannot write to standard output", "No space left"]);
    }
}
