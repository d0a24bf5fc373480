//! Invariant 4: no failure of any thread hangs the process, and the message says what failed where.
//!
//! Every case runs under a time limit; afterwards the process is alive, or no later case would run.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "shutdown/faulty.rs"]
mod faulty;
mod harness;

use std::{
    fs, io::Read, os::unix::fs::symlink, path::Path, process::Command, thread, time::Duration,
};

use agents::{config::Config, error::Error, logging::metrics::read_rows, storage::checkpoint};
use faulty::{Fault, Faulty, How, When, faulty};
use harness::{Run, scripted, within};

/// Trains with the faults and wants the named thread's message, of the right kind.
fn fails(mode: &str, faults: &[Fault], thread: &str, how: How) {
    let (mode, faults, thread) = (mode.to_owned(), faults.to_vec(), thread.to_owned());
    within(20, move || {
        let run = Run::with(&faulty(&mode), Faulty::registry(&faults, 3, 2));
        let error = run.train_agent(scripted(|_| {})).expect_err("the fault is reported");
        let what = format!("{mode} {faults:?}: {error}");
        let (Error::Thread { thread: name, message } | Error::Panic { thread: name, message }) =
            &error
        else {
            panic!("{what}")
        };
        assert_eq!(*name, thread, "{what}");
        assert!(message.contains("the cable came off"), "{what}");
        assert_eq!(matches!(error, Error::Panic { .. }), how == How::Panic, "{what}");
        assert!(error.to_string().starts_with(&thread), "{what}");
    });
}

#[test]
fn an_environment_that_fails_at_a_step_is_named() {
    for mode in ["lockstep", "async"] {
        for thread in ["actor-0", "actor-2"] {
            for how in [How::Error, How::Panic] {
                for step in [1, 57] {
                    fails(mode, &[Fault { thread, when: When::Step(step), how }], thread, how);
                }
            }
        }
    }
}

#[test]
fn an_environment_that_fails_at_a_reset_is_named() {
    for mode in ["lockstep", "async"] {
        for thread in ["actor-0", "actor-2"] {
            for how in [How::Error, How::Panic] {
                // The first reset happens before the threads start.
                for reset in [0, 1, 5] {
                    fails(mode, &[Fault { thread, when: When::Reset(reset), how }], thread, how);
                }
            }
        }
    }
}

#[test]
fn an_environment_that_cannot_be_made_is_named() {
    for thread in ["actor-0", "actor-2", "evaluator"] {
        for how in [How::Error, How::Panic] {
            fails("lockstep", &[Fault { thread, when: When::Construct, how }], thread, how);
        }
    }
}

#[test]
fn a_failing_evaluation_is_named() {
    for mode in ["lockstep", "async"] {
        for when in [When::Reset(0), When::Step(1), When::Step(7)] {
            for how in [How::Error, How::Panic] {
                fails(mode, &[Fault { thread: "evaluator", when, how }], "evaluator", how);
            }
        }
    }
}

/// An episode that nobody asked for cannot fail: an environment that has played its share is not reset.
#[test]
fn an_evaluation_ends_with_its_last_episode() {
    within(20, || {
        let fault = Fault { thread: "evaluator", when: When::Reset(1), how: How::Error };
        let run = Run::with(&faulty("lockstep"), Faulty::registry(&[fault], 3, 2));
        let report = run.train_agent(scripted(|_| {})).unwrap();
        assert!(report.return_mean.is_some());
    });
}

/// Noticed in the next round, not when the next evaluation is due.
#[test]
fn a_failing_evaluation_ends_the_run_at_once() {
    within(20, || {
        let fault = Fault { thread: "evaluator", when: When::Step(3), how: How::Panic };
        let mut config = faulty("lockstep");
        (config.total_steps, config.eval.every_steps) = (1200, 600);
        config.checkpoint.every_steps = 0;
        let run = Run::with(&config, Faulty::registry(&[fault], 3, 2));
        let slow = scripted(|_| thread::sleep(Duration::from_millis(1)));
        let mut reached = 0;
        let mut watch = |p: &agents::runtime::session::Progress| {
            reached = p.env_steps;
            false
        };
        let error = run.go(None, Some(Box::new(slow)), &mut watch).unwrap_err().to_string();
        assert_eq!(error, "evaluator panicked: the cable came off");
        assert!((600..1190).contains(&reached), "went on to step {reached}");
    });
}

/// Both threads fail, one of them later: the one in front is the one to report.
#[test]
fn the_first_error_wins() {
    let late = |thread, when| {
        [Fault { thread, when, how: How::Sleep(300) }, Fault { thread, when, how: How::Error }]
    };
    let now = |thread, when| Fault { thread, when, how: How::Error };
    let [sleep, error] = late("actor-0", When::Step(30));
    fails("lockstep", &[sleep, error, now("evaluator", When::Step(1))], "evaluator", How::Error);
    let [sleep, error] = late("evaluator", When::Step(1));
    fails("lockstep", &[sleep, error, now("actor-2", When::Step(20))], "actor-2", How::Error);
    let [sleep, error] = late("actor-1", When::Step(1));
    fails("async", &[sleep, error, now("actor-2", When::Step(1))], "actor-2", How::Error);
}

/// Failing while everybody else waits for a slow learner, in `send` on a full queue.
#[test]
fn a_fault_behind_full_queues_ends_the_run() {
    for mode in ["lockstep", "async"] {
        let mode = mode.to_owned();
        within(20, move || {
            let fault = Fault { thread: "actor-1", when: When::Step(25), how: How::Panic };
            let mut config = faulty(&mode);
            config.runtime.queue = 1;
            let run = Run::with(&config, Faulty::registry(&[fault], 3, 2));
            let slow = scripted(|_| thread::sleep(Duration::from_millis(1)));
            let error = run.train_agent(slow).unwrap_err().to_string();
            assert_eq!(error, "actor-1 panicked: the cable came off");
        });
    }
}

/// The learner fails while an environment hangs: `train` waits its 30 s for it and returns.
#[test]
#[ignore = "waits half a minute for a thread that hangs; `cargo xtask test --slow` runs it"]
fn slow_a_hanging_environment_does_not_hang_the_run() {
    within(60, || {
        let hang = Fault { thread: "evaluator", when: When::Step(1), how: How::Sleep(120_000) };
        let run = Run::with(&faulty("lockstep"), Faulty::registry(&[hang], 3, 2));
        let agent = scripted(|update| assert!(update < 100, "enough"));
        assert_eq!(run.train_agent(agent).unwrap_err().to_string(), "learner panicked: enough");
    });
}

#[test]
fn a_panicking_agent_is_the_learners() {
    for mode in ["lockstep", "async"] {
        let mode = mode.to_owned();
        within(20, move || {
            let run = Run::with(&faulty(&mode), Faulty::registry(&[], 3, 2));
            let agent = scripted(|update| assert!(update != 400, "shapes [2] and [3] differ"));
            let error = run.train_agent(agent).unwrap_err();
            assert!(matches!(&error, Error::Panic { thread, .. } if thread == "learner"));
            assert_eq!(error.to_string(), "learner panicked: shapes [2] and [3] differ");
            assert_eq!(run.newest().state.env_steps, 240, "the checkpoint before it is there");
        });
    }
}

#[test]
fn parameters_that_are_not_finite_are_not_saved() {
    within(20, || {
        let mut config = faulty("lockstep");
        config.checkpoint.every_steps = 120;
        let run = Run::with(&config, Faulty::registry(&[], 3, 2));
        let mut agent = scripted(|_| {});
        agent.bad_from = 300;
        let error = run.train_agent(agent).unwrap_err().to_string();
        assert!(error.starts_with("learner: parameter `scripted/weight` is not finite"), "{error}");
        assert_eq!(run.newest().state.env_steps, 240, "the last good one");
        assert_eq!(run.checkpoints(".tmp"), Vec::<String>::new());
    });
}

/// A run folder whose `metrics.jsonl` is something else.
fn run_with_record(config: &Config, target: &Path) -> Run {
    let run = Run::with(config, Faulty::registry(&[], 3, 2));
    symlink(target, run.path.join("metrics.jsonl")).unwrap();
    run
}

#[test]
fn a_full_disk_under_the_metrics_is_reported() {
    for (mode, log_every_updates) in [("lockstep", 1), ("lockstep", 5000), ("async", 1)] {
        let config = Config { log_every_updates, ..faulty(mode) };
        within(20, move || {
            let run = run_with_record(&config, Path::new("/dev/full"));
            let error = run.train_agent(scripted(|_| {})).unwrap_err().to_string();
            assert!(error.starts_with("metrics: cannot write "), "{error}");
            assert!(error.contains("metrics.jsonl: No space left on device"), "{error}");
        });
    }
}

#[test]
fn metrics_can_be_thrown_away() {
    within(20, || {
        let run = run_with_record(&faulty("lockstep"), Path::new("/dev/null"));
        assert_eq!(run.train_agent(scripted(|_| {})).unwrap().steps, 6000);
    });
}

/// The record is a pipe that is read slowly: far more rows than the channel and the pipe hold, and
/// none is lost.
#[test]
fn a_slow_reader_of_the_metrics_slows_the_run_and_loses_nothing() {
    within(30, || {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let config = Config { log_every_updates: 1, ..faulty("lockstep") };
        let run = run_with_record(&config, &pipe);
        let reader = thread::spawn(move || {
            let (mut file, mut text) = (fs::File::open(pipe).unwrap(), Vec::new());
            let mut part = [0; 16 * 1024];
            loop {
                match file.read(&mut part).unwrap() {
                    0 => return String::from_utf8(text).unwrap(),
                    n => text.extend_from_slice(&part[..n]),
                }
                if text.len() < 1 << 20 {
                    thread::sleep(Duration::from_millis(10));
                }
            }
        });
        let report = run.train_agent(scripted(|_| {})).unwrap();
        let text = reader.join().unwrap();
        let losses = text.lines().filter(|line| line.contains("scripted/0")).count();
        assert_eq!((report.steps, report.updates), (6000, 5952));
        assert_eq!(losses, 5952, "one row per update");
        assert!(text.len() > 1 << 20, "{} bytes: the reader was slow for a part only", text.len());
    });
}

#[test]
fn a_folder_that_cannot_hold_checkpoints_is_reported() {
    for mode in ["lockstep", "async"] {
        let mode = mode.to_owned();
        within(20, move || {
            let run = Run::with(&faulty(&mode), Faulty::registry(&[], 3, 2));
            let in_the_way = run.path.join("checkpoints");
            fs::write(&in_the_way, "not a folder").unwrap();
            let error = run.train_agent(scripted(|_| {})).unwrap_err().to_string();
            // The best checkpoint or the regular one, whichever comes first.
            assert!(error.starts_with("learner: cannot "), "{error}");
            assert!(error.contains(in_the_way.to_str().unwrap()), "{error}");
            assert_eq!(fs::read_to_string(&in_the_way).unwrap(), "not a folder");
        });
    }
}

/// One environment sleeps at every step: everybody waits for it, nobody gives up.
#[test]
fn a_slow_environment_slows_the_run_only() {
    for mode in ["lockstep", "async"] {
        let mode = mode.to_owned();
        within(30, move || {
            let slow = Fault { thread: "actor-1", when: When::Step(1), how: How::Sleep(5) };
            let mut config = faulty(&mode);
            config.total_steps = 300;
            let run = Run::with(&config, Faulty::registry(&[slow], 3, 2));
            let report = run.train_agent(scripted(|_| {})).unwrap();
            assert_eq!((report.steps, report.updates, report.episodes), (300, 252, 30));
            assert!(report.wall_s > 0.4, "50 rounds of 2 x 5 ms in {} s", report.wall_s);
        });
    }
}

/// The record is whole and readable after every failure; here after a panic in an actor.
#[test]
fn rows_written_before_a_failure_are_kept() {
    within(20, || {
        let fault = Fault { thread: "actor-2", when: When::Step(500), how: How::Panic };
        let run = Run::with(&faulty("lockstep"), Faulty::registry(&[fault], 3, 2));
        run.train_agent(scripted(|_| {})).unwrap_err();
        let text = fs::read_to_string(run.path.join("metrics.jsonl")).unwrap();
        let rows = read_rows(&run.path.join("metrics.jsonl"), u64::MAX).unwrap();
        assert_eq!(text.lines().count(), rows.len());
        let last = rows.iter().map(|row| row.step).max().unwrap();
        // 6 environments; the 499 rounds before the fault, of which the last few may be under way.
        assert!((2900..=499 * 6).contains(&last), "{last}");
        let (checkpoint, warnings) = checkpoint::read_newest(&run.path).unwrap();
        assert_eq!((checkpoint.state.env_steps, warnings.len()), (2880, 0));
    });
}
