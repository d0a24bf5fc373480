//! What a run may start from, and what a resume may not change.

mod cli;

use std::fs;

use agents::storage::checkpoint;
use cli::{Scratch, checkpoints};
use networks::params::StateDict;
use tch::Tensor;

const CONFIG: &str = r#"
seed = 3
total_steps = 400
[env]
name = "Pendulum-v1"
[runtime]
torch_threads = 1
update_to_data = 0.5
[replay]
capacity = 600
batch_size = 16
learning_starts = 100
[normalize]
obs = true
[eval]
every_steps = 200
episodes = 1
[agent]
kind = "sac"
actor.arch = { kind = "mlp", hidden = [16] }
critic.arch = { kind = "mlp", hidden = [16] }
"#;

fn scratch() -> Scratch {
    let s = Scratch::new();
    s.write("run.toml", CONFIG);
    s.succeed(&["train", "run.toml", "--run-dir", "first"]);
    s
}

/// Values of the networks and statistics, without moments and counts.
fn values(model: StateDict) -> StateDict {
    model.into_iter().filter(|(name, _)| !name.contains('#')).collect()
}

fn assert_equal(a: &StateDict, b: &StateDict) {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, value) in a {
        assert_eq!(value, &b[name], "{name}");
    }
}

#[test]
fn a_run_starts_from_the_best_weights_of_another() {
    let s = scratch();
    let best = checkpoint::read_best(&s.path("first")).expect("whole").expect("a best one");
    // Random actions to the end: what is learned stays what it was.
    let set = ["--set", "seed=9", "--set", "total_steps=60", "--set", "eval.episodes=0"];
    let mut args = vec!["train", "run.toml", "--run-dir", "second", "--init-from", "first"];
    args.extend(set);
    let said = s.succeed(&args).stderr;
    assert!(said.contains("starting from first/checkpoints/best-"), "{said}");
    assert!(said.contains("actor, critic, normalize/obs, target, temperature"), "{said}");
    let (now, _) = checkpoint::read_newest(&s.path("second")).expect("a checkpoint");
    let moments: Vec<&Tensor> =
        now.model.iter().filter(|(name, _)| name.ends_with("#0")).map(|(_, m)| m).collect();
    assert!(!moments.is_empty());
    assert!(
        moments.iter().all(|m| m.abs().max().double_value(&[]) == 0.0),
        "moments start at zero"
    );
    assert_eq!((now.state.env_steps, now.state.updates), (60, 0));
    // Statistics continued from there, with the observations of the second run.
    let count = |model: &StateDict| model["normalize/obs/count"].double_value(&[0]);
    assert!(count(&now.model) > count(&best.model) && count(&best.model) > 100.0);
    let without_statistics = |model| {
        values(model).into_iter().filter(|(name, _)| !name.starts_with("normalize")).collect()
    };
    assert_equal(&without_statistics(now.model), &without_statistics(best.model));

    // The first run is not needed any more, and `diagnose` measures from where the second began.
    fs::remove_dir_all(s.path("first")).expect("removed");
    s.succeed(&["resume", "second", "--set", "total_steps=300"]);
    let text = s.succeed(&["diagnose", "second", "--json"]).stdout;
    let found: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let distance = found["measures"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|m| m["measure"] == "distance_from_init" && m["layer"] == "_global")
        .and_then(|m| m["value"].as_f64())
        .expect("a distance");
    assert!(distance > 0.0 && distance < 1.0, "a hundred updates from its start, not {distance}");
}

#[test]
fn networks_that_do_not_fit_are_named() {
    let s = scratch();
    let init = |dir: &str, set: &[&str]| {
        let mut args = vec!["train", "run.toml", "--run-dir", dir, "--init-from", "first"];
        for item in set {
            args.extend(["--set", item]);
        }
        s.run(&args)
    };
    let part = init("part", &["total_steps=20", "agent.actor.arch.hidden=[8]"]);
    assert_eq!(part.code, Some(0), "{}", part.stderr);
    assert!(part.stderr.contains("critic, normalize/obs, target, temperature"), "{}", part.stderr);
    assert!(
        part.stderr.contains("note: actor keeps its own start: `actor/pi/hidden_0/bias` is [16]"),
        "{}",
        part.stderr
    );
    let none = init("none", &["env.name=CartPole-v1", "agent={ kind = \"dqn\" }"]);
    assert_eq!(none.code, Some(1), "{}", none.stderr);
    assert!(none.stderr.contains("no network of it fits this configuration"), "{}", none.stderr);
    assert!(!s.path("none").exists(), "found before a folder is made");
}

#[test]
fn a_replay_can_be_taken_along() {
    let s = scratch();
    let mut args = vec!["train", "run.toml", "--run-dir", "second", "--init-from", "first"];
    args.extend(["--init-replay", "--set", "total_steps=50", "--set", "replay.learning_starts=10"]);
    let said = s.succeed(&args).stderr;
    assert!(said.contains("starting from first/checkpoints/step-000000000400"), "{said}");
    let (now, _) = checkpoint::read_newest(&s.path("second")).expect("a checkpoint");
    let rows = now.state.replay.expect("a replay").written[0];
    assert!((450..470).contains(&rows), "{rows} rows: 400 of the first run, 50 of the second");
    args[3] = "third";
    args.extend(["--set", "replay.capacity=300"]);
    let ended = s.run(&args);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("cannot be used"), "{}", ended.stderr);
}

#[test]
fn an_edited_configuration_is_refused_with_its_key() {
    let s = scratch();
    let file = s.path("first/config.toml");
    let original = fs::read_to_string(&file).expect("a config");
    let edit = |from: &str, to: &str| {
        assert!(original.contains(from), "{from}\n{original}");
        fs::write(&file, original.replacen(from, to, 1)).expect("written");
        s.run(&["resume", "first", "--set", "total_steps=450"])
    };
    for (from, to, key) in [
        ("seed = 3", "seed = 4", "`seed`"),
        ("gamma = 0.99", "gamma = 0.9", "`agent.gamma`"),
        ("lr = 0.0003", "lr = 0.001", "`agent.actor.optim.lr`"),
        ("batch_size = 16", "batch_size = 32", "`replay.batch_size`"),
    ] {
        let ended = edit(from, to);
        assert_eq!(ended.code, Some(1), "{key}\n{}", ended.stderr);
        let wanted =
            ["first/config.toml is no longer what the run was trained with", key, "--init-from"];
        assert!(wanted.iter().all(|part| ended.stderr.contains(part)), "{key}\n{}", ended.stderr);
    }
    assert_eq!(checkpoints(&s.path("first"), "step"), ["step-000000000400"]);
    // How often is looked does not change what is learned.
    let ended = edit("log_every_updates = 100", "log_every_updates = 10");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}
