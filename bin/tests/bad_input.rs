//! Bad input of every kind: one line that starts with `error:` and says what to do, a non-zero exit
//! code, no panic, no backtrace.

mod cli;

use cli::{QUICK, Scratch, checkpoints, last_json};

/// Runs `supple ARGS` and returns the one line of the error.
fn error_of(scratch: &Scratch, args: &[&str]) -> String {
    let ended = scratch.run(args);
    let text = &ended.stderr;
    assert_eq!(ended.code, Some(1), "supple {args:?}\n{text}");
    assert!(!text.contains("panicked") && !text.contains("backtrace"), "supple {args:?}\n{text}");
    let errors: Vec<&str> = text.lines().filter(|l| l.starts_with("error:")).collect();
    let last = text.lines().last().unwrap_or_default();
    assert_eq!(errors, [last], "one error, on the last line, of supple {args:?}\n{text}");
    assert_eq!(ended.stdout, "", "no result, so nothing on standard output: {args:?}");
    last.to_owned()
}

/// As [`error_of`], and each of `wanted` occurs in it.
fn refused(scratch: &Scratch, args: &[&str], wanted: &[&str]) {
    let error = error_of(scratch, args);
    for &part in wanted {
        assert!(error.contains(part), "supple {args:?}\n got: {error}\nwant: {part}");
    }
}

/// `train` with a configuration of this text.
fn config_refused(scratch: &Scratch, text: impl AsRef<[u8]>, wanted: &[&str]) {
    scratch.write("bad.toml", text);
    refused(scratch, &["train", "bad.toml"], wanted);
    assert!(!scratch.path("runs").exists(), "a refused run leaves no folder");
}

/// `train quick.toml --set ITEM`.
fn set_refused(scratch: &Scratch, item: &str, wanted: &[&str]) {
    refused(scratch, &["train", "quick.toml", "--set", item], wanted);
    assert!(!scratch.path("runs").exists(), "a refused run leaves no folder");
}

#[test]
fn files_that_are_no_configuration() {
    let s = Scratch::quick();
    refused(&s, &["train", "none.toml"], &["cannot read", "none.toml", "No such file"]);
    refused(&s, &["train", "."], &["cannot read", "directory"]);
    config_refused(&s, [0xff, 0xfe, 0x00, 0x80].repeat(64), &["bad.toml", "UTF-8"]);
    config_refused(&s, [0u8; 512], &["bad.toml: line 1"]);
    config_refused(&s, "seed = 1\n\nseed = = 2\n", &["bad.toml: line 3"]);
    config_refused(&s, "seed = 1\nseed = 2\n", &["bad.toml: line 2", "duplicate key"]);
    config_refused(&s, "[env\n", &["bad.toml: line 1"]);
}

#[test]
fn keys_and_values_of_a_configuration() {
    let s = Scratch::quick();
    for (text, wanted) in [
        ("sed = 1", ["unknown key `sed`", "did you mean `seed`"]),
        ("[runtime]\nactor = 1", ["unknown key `runtime.actor`", "did you mean `actors`"]),
        ("[agent]\nkind = 'sacc'", ["agent.kind = sacc", "did you mean `sac`"]),
        ("seed = 'x'", ["seed: invalid type", "expected u64"]),
        ("seed = -1", ["seed: invalid value", "expected u64"]),
        ("runtime = 3", ["runtime: invalid type", "expected struct"]),
        ("[runtime]\nactors = 1.5", ["runtime.actors: invalid type", "expected usize"]),
        ("[agent]\nkind = 'dqn'\ngamma = 'x'", ["agent.gamma: invalid type", "expected f64"]),
        ("[agent]\ngamma = 0.9", ["agent: missing field", "kind"]),
        ("total_steps = 0", ["total_steps is 0", "at least 1"]),
        ("[runtime]\nactors = 0", ["runtime.actors is 0", "at least 1"]),
        ("[runtime]\nactors = 100000", ["runtime.actors is 100000", "at most 1024"]),
        ("[runtime]\nqueue = 1000000000000", ["runtime.queue", "at most 65536"]),
        ("[runtime]\nupdate_to_data = nan", ["runtime.update_to_data is NaN", "between"]),
        ("[replay]\nbatch_size = 0", ["replay.batch_size is 0", "at least 1"]),
        ("[replay]\nbatch_size = 1000000000000000", ["replay.batch_size", "at most 1048576"]),
        ("[replay]\nn_step = 9000000000000000000", ["replay.n_step", "at most 10000"]),
        ("[replay]\nlearning_starts = 0", ["replay.learning_starts is 0", "at least 4"]),
        ("[replay]\ncapacity = 1", ["replay.capacity is 1", "at least 4"]),
        ("[eval]\nepisodes = 1000000000000000", ["eval.episodes", "at most 1000000"]),
        ("[checkpoint]\nkeep = 0", ["checkpoint.keep is 0", "at least 1"]),
        ("[agent]\nkind = 'dqn'\ngamma = 1.1", ["agent.gamma is 1.1", "between 0 and 1"]),
    ] {
        config_refused(&s, text, &wanted);
    }
}

#[test]
fn environments() {
    let s = Scratch::quick();
    set_refused(&s, "env.name=CartPol-v1", &["no environment 'CartPol-v1'", "'CartPole-v1'"]);
    set_refused(
        &s,
        "env.kwargs.gravty=1.0",
        &["CartPole-v1", "'gravty'", "did you mean 'gravity'"],
    );
    set_refused(&s, "env.kwargs.gravity=high", &["gravity", "wrong type", "give a number"]);
    set_refused(&s, "env.kwargs.masspole=-1.0", &["masspole = -1", "above 0"]);
    set_refused(&s, "env.kwargs.max_episode_steps=0", &["CartPole-v1", "at least 1"]);
    set_refused(&s, "env.kwargs.frame_stack=1", &["frames", "2 or more"]);
    set_refused(&s, "env.kwargs.frame_stack=4000000000000000000", &["frames", "at most 1024"]);
    refused(&s, &["check-env", "Pendulum-v2"], &["no environment", "'Pendulum-v1'"]);
    refused(&s, &["check-env", "Pendulum-v1", "--set", "g"], &["--set g", "key=value"]);
    refused(&s, &["check-env", "Pendulum-v1", "--set", "g=x"], &["g = \"x\"", "a number"]);
}

#[test]
fn agents_devices_and_sizes() {
    let s = Scratch::quick();
    let sac = &["discrete", "agent.kind = \"dqn\""];
    config_refused(&s, "[agent]\nkind = 'sac'", sac);
    set_refused(&s, "env.name=Pendulum-v1", &["continuous", "agent.kind = \"sac\""]);
    set_refused(&s, "runtime.device=tpu", &["runtime.device is `tpu`", "cpu"]);
    set_refused(&s, "runtime.device=cuda:99", &["runtime.device is `cuda:99`", "\"cpu\""]);
    set_refused(&s, "agent.network.arch.hidden=[16, 1000000]", &["1000000 units", "65536"]);
    set_refused(&s, "agent.network.arch.hidden=[65536, 65536]", &["4294967296 weights"]);
    set_refused(&s, "agent.network.arch.hidden=[0]", &["agent.network.arch.hidden", "0 units"]);
    // CartPole's four numbers are no picture.
    let conv = "agent.network.arch={ kind = 'conv' }";
    set_refused(&s, conv, &["agent.network.arch: ", "the shape [4]", "[C, H, W]"]);
    let nested = "agent.network.arch={ kind = 'conv', body = { kind = 'conv' } }";
    set_refused(&s, nested, &["agent.network.arch.body.kind", "\"mlp\""]);
    let none = "agent.network.arch={ kind = 'conv', divide_by = 0.0 }";
    set_refused(&s, none, &["agent.network.arch.divide_by is 0", "greater than 0"]);
    for capacity in ["1000000000000000", "9000000000000000000"] {
        let wanted = format!("replay.capacity is {capacity}");
        set_refused(&s, &format!("replay.capacity={capacity}"), &[&wanted, "lower it"]);
    }
}

#[test]
fn overrides() {
    let s = Scratch::quick();
    set_refused(&s, "seed", &["--set seed", "key=value"]);
    set_refused(&s, "sede=1", &["unknown key `sede`", "did you mean `seed`"]);
    set_refused(&s, "=1", &["unknown key ``"]);
    set_refused(&s, "seed.x=1", &["`seed` is not a section"]);
    set_refused(&s, "seed=", &["seed"]);
    set_refused(&s, "runtime.mode=asink", &["runtime.mode = asink", "did you mean `async`"]);
    let belongs =
        "agent.network does nothing with kind = \"sac\"; leave it out (it belongs to dqn)";
    set_refused(&s, "agent.kind=sac", &[belongs]);
    // The same words from every command.
    for (value, wanted) in
        [("[1, 2", "is not TOML"), ("True", "write true"), (".5", "write it as TOML does, 0.5")]
    {
        set_refused(
            &s,
            &format!("env.kwargs.gravity={value}"),
            &["--set env.kwargs.gravity=", wanted],
        );
        let item = format!("gravity={value}");
        refused(&s, &["check-env", "CartPole-v1", "--set", &item], &["--set gravity=", wanted]);
    }
    refused(
        &s,
        &["check-env", "CartPole-v1", "--set", "gravity"],
        &["--set gravity: write it as key=value"],
    );
}

#[test]
fn run_folders() {
    let s = Scratch::quick();
    let train = |dir| ["train", "quick.toml", "--run-dir", dir];

    s.write("file", "x");
    for (folder, args) in [
        ("file", &train("file")[..]),
        ("file/run", &train("file/run")),
        ("file/x", &["bench", "control/cartpole-drift", "--quick", "--out", "file/x"]),
    ] {
        refused(&s, args, &[&format!("the folder {folder} cannot be made: file is a file")]);
    }
    // What the system says is said once.
    let ended = s.run(&train("/proc/supple"));
    assert_eq!(ended.stderr.matches("(os error").count(), 1, "{}", ended.stderr);
    refused(&s, &train("/proc/supple"), &["cannot create", "/proc/supple"]);

    std::fs::create_dir(s.path("full")).expect("a folder");
    s.write("full/letter.txt", "dear");
    refused(&s, &train("full"), &["full is not empty", "--run-dir"]);

    let mut args = train("run").to_vec();
    args.extend(["--set", "total_steps=100000000", "--set", "eval.episodes=0"]);
    let mut first = s.start(&args);
    first.until("first checkpoint", || !checkpoints(&s.path("run"), "step").is_empty());
    refused(&s, &["resume", "run"], &["run is in use by another process"]);
    refused(&s, &train("run"), &["already holds a run", "supple resume run"]);
    first.signal("KILL");
    assert_eq!(first.wait().code, None, "killed");
}

#[test]
fn resume_and_eval_of_what_is_not_there() {
    let s = Scratch::quick();
    for command in ["resume", "eval"] {
        refused(&s, &[command, "nothing"], &["nothing is not a run folder", "config.toml"]);
        refused(&s, &[command, "."], &[". is not a run folder"]);
        std::fs::create_dir_all(s.path("young")).expect("a folder");
        s.write("young/config.toml", QUICK);
        refused(&s, &[command, "young"], &["young has no checkpoint yet", "supple train"]);
        s.write("young/config.toml", "seed = ");
        refused(&s, &[command, "young"], &["young/config.toml: line 1"]);
    }
}

#[test]
fn resume_of_a_complete_or_damaged_run() {
    let s = Scratch::quick();
    let json = last_json(&s.succeed(&["train", "quick.toml", "--run-dir", "run", "--json"]).stdout);
    assert_eq!(json["steps"], 400);
    refused(&s, &["resume", "run"], &["complete at 400 steps", "--set total_steps=N"]);
    let item = "--set";
    refused(&s, &["resume", "run", item, "seed=2"], &["seed=2", "total_steps, log_every_updates"]);
    refused(&s, &["resume", "run", item, "total_steps"], &["--set total_steps", "key=value"]);
    refused(&s, &["resume", "run", item, "eval.episods=1"], &["`eval.episods`", "did you mean"]);

    // Another width, by hand.
    let config = std::fs::read_to_string(s.path("run/config.toml")).expect("a config");
    let wider = config.replace("hidden = [16]", "hidden = [32]");
    assert_ne!(config, wider, "the width is there to be changed:\n{config}");
    s.write("run/config.toml", &wider);
    let more = ["resume", "run", "--set", "total_steps=500"];
    refused(&s, &more, &["no longer what the run was trained with", "`agent.network.arch.hidden`"]);
    refused(&s, &["eval", "run"], &["does not fit", "another network configuration"]);
    s.write("run/config.toml", &config);

    // The newest checkpoint damaged: named, and the one before is used.
    let folder = s.path("run");
    assert_eq!(checkpoints(&folder, "step"), ["step-000000000300", "step-000000000400"]);
    let flip = |name: &str| {
        let path = folder.join("checkpoints").join(name);
        let mut bytes = std::fs::read(&path).expect("a checkpoint");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).expect("write");
    };
    flip("step-000000000400/replay.safetensors");
    let ended = s.succeed(&["resume", "run", "--json"]);
    for part in ["warning: checkpoint run/checkpoints/step-000000000400 is damaged", "step 300"] {
        assert!(ended.stderr.contains(part), "want {part}\n{}", ended.stderr);
    }
    assert_eq!(last_json(&ended.stdout)["steps"], 400);

    // All damaged: each is named.
    flip("step-000000000400/model.safetensors");
    let torn = folder.join("checkpoints/step-000000000300/state.json");
    std::fs::write(&torn, "").expect("write");
    refused(
        &s,
        &["resume", "run"],
        &["no usable checkpoint", "step-000000000400 is damaged: model", "state.json has 0 bytes"],
    );
    let best = checkpoints(&folder, "best").pop().expect("an evaluation was the best");
    flip(&format!("{best}/model.safetensors"));
    refused(&s, &["eval", "run"], &[&format!("{best} is damaged"), "--newest"]);

    // A checkpoint by itself: its run is missed, not the folder that it happens to lie in.
    std::fs::create_dir_all(s.path("a/b/copied")).expect("a folder");
    s.write("a/b/copied/manifest.json", "{}");
    refused(
        &s,
        &["eval", "a/b/copied"],
        &["a/b/copied is a checkpoint without its run", "config.toml"],
    );
}

#[test]
fn wrong_usage_has_exit_code_two() {
    let s = Scratch::quick();
    for (args, wanted) in [
        (&["eval", "run", "--episodes", "0"][..], "1..=1000000"),
        (&["eval", "run", "--episodes", "many"], "invalid"),
        (&["trian", "quick.toml"], "'train'"),
        (&["train"], "<CONFIG>"),
        (&["train", "quick.toml", "--run_dir", "x"], "--run-dir"),
        (&[], "Usage:"),
    ] {
        let ended = s.run(args);
        assert_eq!(ended.code, Some(2), "{args:?}\n{}", ended.stderr);
        assert!(ended.stderr.contains(wanted), "{args:?}: want {wanted}\n{}", ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{args:?}\n{}", ended.stderr);
    }
}

#[test]
fn a_failed_run_with_json_prints_the_error_only() {
    let s = Scratch::quick();
    refused(&s, &["train", "none.toml", "--json"], &["cannot read"]);
    refused(&s, &["resume", "none", "--json"], &["not a run folder"]);
    // Rewards that overflow: the run fails on the way.
    s.write(
        "quick.toml",
        QUICK.replace("[agent.network]", "[agent.network]\noptim = { lr = 1e30 }"),
    );
    let error = error_of(&s, &["train", "quick.toml", "--json"]);
    assert!(error.contains("the batch is in runs/quick-1/non_finite_"), "{error}");
}
