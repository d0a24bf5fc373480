//! `supple stream`: the shipped configurations, what is printed, mistakes, and how it stops.

mod cli;

use std::{fs, path::Path};

use cli::{Scratch, last_json};

const SHORT: &str = "kind = 'bit_flipping'\nexamples = 40_000\nlog_every_examples = 10_000\n";

fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/stream").join(name);
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// The first task or two of each, and the defaults are what the files say.
#[test]
fn every_shipped_stream_runs() {
    let s = Scratch::new();
    for (name, examples, metric) in [
        ("bit_flipping.toml", "60000", "stream/error"),
        ("random_labels.toml", "20000", "stream/accuracy"),
        ("permuted_inputs.toml", "10000", "stream/accuracy"),
    ] {
        let file = shipped(name);
        let set = format!("examples={examples}");
        let args = ["stream", &file, "--set", &set, "--run-dir", name, "--json"];
        let result = last_json(&s.succeed(&args).stdout);
        assert_eq!(result["metric"], metric);
        assert_eq!(result["examples"].to_string(), examples);
        assert_eq!(result["run_dir"], name);
        let rows = fs::read_to_string(s.path(name).join("metrics.jsonl")).expect("a record");
        assert!(rows.contains(metric) && !rows.contains("null"), "{rows}");
    }
    let folder = Path::new(&shipped("")).to_owned();
    assert_eq!(fs::read_dir(folder).expect("the shipped streams").count(), 3);
}

#[test]
fn results_are_for_people_and_programs() {
    let s = Scratch::new();
    s.write("bits.toml", SHORT);
    let ended = s.succeed(&["stream", "bits.toml", "--set", "learner.hidden=0"]);
    assert!(ended.stdout.starts_with("error "), "{}", ended.stdout);
    assert!(ended.stdout.contains("after 40000 examples"), "{}", ended.stdout);
    assert!(ended.stderr.contains("run folder: runs/bits-1"), "{}", ended.stderr);
    let config = fs::read_to_string(s.path("runs/bits-1/config.toml")).expect("a configuration");
    assert!(config.contains("hidden = 0") && config.contains("beta2 = 0.999"), "{config}");
    // The resolved file is a configuration itself.
    let again = ["stream", "runs/bits-1/config.toml", "--run-dir", "again", "--json"];
    let json = last_json(&s.succeed(&again).stdout);
    let mean = format!("error {:.4}", json["average"].as_f64().expect("a number"));
    assert!(ended.stdout.starts_with(&mean), "{} is not {mean}", ended.stdout);
    let s2 = s.succeed(&["stream", &shipped("permuted_inputs.toml"), "--set", "examples=80"]);
    assert!(s2.stderr.contains("a stand-in"), "{}", s2.stderr);
}

#[test]
fn mistakes_leave_one_sentence_and_no_folder() {
    let s = Scratch::new();
    s.write("bits.toml", SHORT);
    let labels = shipped("random_labels.toml");
    let idx = "images={ kind = 'idx', images = 'none', labels = 'none' }";
    let nap = "network.interventions=[{ kind = 'nap' }]";
    for (args, wanted) in [
        (&["stream", "none.toml"][..], "cannot read the configuration none.toml"),
        (&["stream", "bits.toml", "--set", "learner.lr=0"], "bits.toml: learner.lr is 0"),
        (&["stream", "bits.toml", "--set", "kind=x"], "unknown value `kind = x`"),
        (&["stream", "bits.toml", "--set", "lr"], "write it as key=value"),
        (&["stream", &labels, "--set", idx], "cannot read none"),
        (&["stream", &labels, "--set", nap], "nap cannot work here"),
    ] {
        let ended = s.run(args);
        assert_eq!(ended.code, Some(1), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(wanted), "{args:?}: {}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{args:?}: {}", ended.stderr);
        assert!(!s.path("runs").exists(), "{args:?} left a folder");
    }
}

/// Stopped, killed, begun again; finished, refused.
#[test]
fn a_stopped_stream_is_started_again() {
    let s = Scratch::new();
    s.write("bits.toml", SHORT.replace("40_000", "30_000_000"));
    let args = ["stream", "bits.toml", "--run-dir", "run"];
    let record = s.path("run/metrics.jsonl");
    for signal in ["INT", "KILL", "TERM"] {
        let _ = fs::remove_file(&record); // of the run before
        let mut run = s.start(&args);
        run.until("a row", || fs::metadata(&record).is_ok_and(|m| m.len() > 200));
        run.signal(signal);
        let ended = run.wait();
        assert_eq!(ended.code, (signal != "KILL").then_some(130), "{}", ended.stderr);
    }
    let other = s.run(&["stream", "bits.toml", "--run-dir", "run", "--set", "seed=3"]);
    assert!(other.stderr.contains("another configuration"), "{}", other.stderr);

    s.write("bits.toml", SHORT);
    let args = ["stream", "bits.toml", "--run-dir", "short"];
    s.succeed(&args);
    let rows = fs::read_to_string(s.path("short/metrics.jsonl")).expect("a record");
    assert_eq!(rows.lines().count(), 4);
    let ended = s.run(&args);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("short holds a finished run"), "{}", ended.stderr);
}

/// Standard input is at its end from the start here.
#[test]
fn a_stream_ends_with_whoever_started_it() {
    let s = Scratch::new();
    s.write("bits.toml", SHORT.replace("40_000", "300_000_000"));
    let ended = s.run(&["stream", "bits.toml", "--run-dir", "run", "--until-eof", "--json"]);
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert_eq!(last_json(&ended.stdout)["interrupted"], true);
}
