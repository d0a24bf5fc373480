//! The README's custom environment: a program of its own, in thirty lines, with the whole command
//! line.

mod cli;

use std::{
    fs,
    path::{Path, PathBuf},
};

use cli::{SUPPLE, Scratch, last_json, start_in};

const SOURCE: &str = include_str!("../examples/custom_env.rs");

/// Builds the example where and as the stock binary was built, and returns its path.
fn example() -> PathBuf {
    let folder = Path::new(SUPPLE).parent().expect("the binary lies in a folder");
    let profile = match folder.file_name().and_then(|n| n.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let mut args =
        vec!["build", "--quiet", "--workspace", "--example", "custom_env", "--profile", profile];
    if cfg!(feature = "mujoco") {
        // As this test was built: otherwise all would be compiled a second time.
        args.extend(["--features", "mujoco"]);
    }
    let ended = start_in(Path::new(env!("CARGO_MANIFEST_DIR")), env!("CARGO"), &args).wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    folder.join("examples/custom_env")
}

#[test]
fn a_custom_environment_is_short_checked_and_trained() {
    let lines = SOURCE.lines().filter(|line| !line.trim().is_empty()).count();
    assert!(lines < 30, "{lines} lines are not under 30");

    let example = example();
    let s = Scratch::new();
    let ended = s.start_program(&example, &["check-env", "thermostat"]).wait();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "thermostat: nothing to mend\n"));
    let ended = s.start_program(&example, &["envs"]).wait();
    let row = ended.stdout.lines().find(|line| line.starts_with("thermostat "));
    let words: Vec<&str> = row.expect("a row").split_whitespace().collect();
    assert_eq!(words, ["thermostat", "1", "number", "1", "number", "-"]);
    assert!(ended.stdout.contains("CartPole-v1"), "the built-in ones are there too");

    s.write(
        "thermostat.toml",
        "total_steps = 420\nenv = { name = 'thermostat' }\nruntime = { torch_threads = 1 }\n\
         replay = { learning_starts = 100, batch_size = 32 }\n\
         eval = { every_steps = 210, episodes = 2 }\n[agent]\nkind = 'sac'\n\
         actor = { arch = { kind = 'mlp', hidden = [16] } }\n\
         critic = { arch = { kind = 'mlp', hidden = [16] } }\n",
    );
    let ended = s.start_program(&example, &["train", "thermostat.toml", "--json"]).wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let json = last_json(&ended.stdout);
    assert_eq!((&json["steps"], &json["updates"]), (&420.into(), &320.into()), "{json}");
    assert_eq!(json["run_dir"], "runs/thermostat-1");
    assert!(json["return_mean"].as_f64().is_some_and(|r| r < 0.0), "{json}");

    // It cannot save its state: a resume begins a new episode, and says so.
    let args = ["resume", "runs/thermostat-1", "--set", "total_steps=450", "--json"];
    let ended = s.start_program(&example, &args).wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let warning = "warning: 1 of the environments cannot save their state and began a new episode";
    assert!(ended.stderr.contains(warning), "{}", ended.stderr);
    let json = last_json(&ended.stdout);
    assert_eq!((&json["steps"], &json["restarted"]), (&450.into(), &1.into()), "{json}");

    // It has no pictures, which is said before it plays.
    let args = ["eval", "runs/thermostat-1", "--video", "film"];
    let ended = s.start_program(&example, &args).wait();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert_eq!(ended.stderr, "error: thermostat cannot be drawn; leave out --video\n");
    assert!(!s.path("film").exists() && !s.path("film.partial").exists());

    // The stock binary does not know the environment, and says how to find one that it knows.
    let ended = s.run(&["eval", "runs/thermostat-1"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.starts_with("error: there is no environment 'thermostat'"));
}

#[test]
fn the_readme_shows_this_very_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(&path).expect("README.md");
    let block = format!("```rust\n{SOURCE}```\n");
    assert!(readme.contains(&block), "README.md must contain, verbatim:\n{block}");
}
