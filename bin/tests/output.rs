//! What is printed where: results on standard output, progress on standard error, nothing for
//! terminals when there is none.

mod cli;

use std::collections::BTreeSet;

use cli::{Scratch, last_json};

fn keys(json: &serde_json::Value) -> BTreeSet<&str> {
    json.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn results_as_json() {
    let s = Scratch::quick();
    let result = BTreeSet::from([
        "steps",
        "updates",
        "episodes",
        "return_mean",
        "return_std",
        "wall_s",
        "updates_per_s",
        "steps_per_s",
        "interrupted",
        "restarted",
        "interventions",
        "boundary_mass",
        "run_dir",
    ]);
    let json = last_json(&s.succeed(&["train", "quick.toml", "--json"]).stdout);
    assert_eq!(keys(&json), result);
    assert_eq!((&json["steps"], &json["updates"]), (&400.into(), &175.into()), "{json}");
    assert_eq!(json["run_dir"], "runs/quick-1");
    let speeds = ["wall_s", "steps_per_s", "updates_per_s"].map(|k| json[k].as_f64());
    assert!(speeds.iter().all(|x| x.is_some_and(|x| x > 0.0)), "{json}");

    let no_eval = ["train", "quick.toml", "--json", "--set", "eval.episodes=0"];
    let json = last_json(&s.succeed(&no_eval).stdout);
    assert_eq!(json["run_dir"], "runs/quick-2", "the next free number");
    assert!(json["return_mean"].is_null() && json["return_std"].is_null(), "{json}");

    let resume = ["resume", "runs/quick-1", "--set", "total_steps=500", "--json"];
    let json = last_json(&s.succeed(&resume).stdout);
    assert_eq!(keys(&json), result);
    assert_eq!((&json["steps"], &json["updates"]), (&500.into(), &225.into()), "{json}");

    let eval = ["eval", "runs/quick-1", "--episodes", "3", "--json"];
    let (first, second) = (s.succeed(&eval).stdout, s.succeed(&eval).stdout);
    assert_eq!(first, second, "the same seed plays the same episodes");
    let json = last_json(&first);
    assert_eq!(json["returns"].as_array().map(Vec::len), Some(3), "{json}");
    // One checkpoint folder, given from within the folder above it.
    let path = json["checkpoint"].as_str().expect("a path").to_owned();
    let path = path.rsplit('/').next().expect("a name");
    let line =
        format!("cd runs/quick-1/checkpoints && {} eval {path} --episodes 3 --json", cli::SUPPLE);
    let ended = s.start_program("sh", &["-c", &line]).wait();
    assert_eq!(last_json(&ended.stdout)["returns"], json["returns"], "{}", ended.stderr);
}

#[test]
fn recorded_evaluations_can_be_played_again() {
    let s = Scratch::quick();
    s.succeed(&["train", "quick.toml", "--set", "checkpoint.every_steps=200"]);
    let record = std::fs::read_to_string(s.path("runs/quick-1/metrics.jsonl")).expect("a record");
    let recorded = |step: u64| {
        let rows =
            record.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).expect("JSON"));
        let mut means =
            rows.filter(|r| r["step"] == step).map(|r| r["metrics"]["eval/return_mean"].clone());
        means.find(|mean| !mean.is_null()).expect("an evaluation")
    };
    for step in [200, 400] {
        let checkpoint = format!("runs/quick-1/checkpoints/step-{step:012}");
        let json = last_json(&s.succeed(&["eval", &checkpoint, "--as-recorded", "--json"]).stdout);
        assert_eq!(json["return_mean"], recorded(step), "step {step}");
        assert_eq!(json["recorded_return_mean"], recorded(step));
        assert_eq!(json["episodes"], 2, "as in training");
    }
    let ended = s.succeed(&["eval", "runs/quick-1", "--as-recorded"]);
    assert!(ended.stderr.contains("as recorded"), "{}", ended.stderr);
    // What it says of a record that is another.
    let other = record
        .replace(&format!("\"eval/return_mean\":{}", recorded(400)), "\"eval/return_mean\":1.5");
    assert_ne!(other, record);
    s.write("runs/quick-1/metrics.jsonl", other);
    let ended = s.run(&["eval", "runs/quick-1/checkpoints/step-000000000400", "--as-recorded"]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("error: the record has a return of 1.5 at step 400: "),
        "{}",
        ended.stderr
    );

    s.succeed(&["train", "quick.toml", "--set", "eval.episodes=0"]);
    let ended = s.run(&["eval", "runs/quick-2", "--as-recorded"]);
    assert!(
        ended.stderr.contains("runs/quick-2 was not evaluated at step 400"),
        "{}",
        ended.stderr
    );
    let ended = s.run(&["eval", "runs/quick-1", "--as-recorded", "--seed", "3"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
}

#[test]
fn settings_that_defeat_each_other_are_noted() {
    let s = Scratch::quick();
    let notes = |args: &[&str]| {
        let stderr = s.succeed(args).stderr;
        let notes = stderr.lines().filter(|line| line.starts_with("note: "));
        notes.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(notes(&["train", "quick.toml"]), [""; 0]);
    let still = "agent.target={ kind = 'polyak', tau = 0.0 }";
    let short = ["--run-dir", "short", "--set", "total_steps=50", "--set", still];
    let found = notes(&[&["train", "quick.toml"], &short[..]].concat());
    assert!(
        found.len() == 2
            && found[0].starts_with("note: total_steps is 50, replay.learning_starts 50 ")
            && found[1].starts_with("note: agent.target.tau is 0, "),
        "{found:?}"
    );
    let found = notes(&["resume", "short", "--set", "total_steps=60"]);
    assert!(found.len() == 1 && found[0].contains("agent.target.tau is 0"), "{found:?}");

    // Values of CartPole are above 1 at once.
    let value = |max: &str| {
        format!("agent.value={{ kind = 'categorical', bins = 11, min = -1.0, max = {max} }}")
    };
    let found = notes(&["train", "quick.toml", "--set", &value("1.0")]);
    assert!(
        found.len() == 1
            && found[0].ends_with("(normalize.reward) or move agent.value.min and .max"),
        "{found:?}"
    );
    assert_eq!(notes(&["train", "quick.toml", "--set", &value("200.0")]), [""; 0]);
}

/// Of two interventions one never acts: units do not get old enough.
#[test]
fn interventions_that_never_acted_are_named() {
    let s = Scratch::quick();
    let pull = "{ kind = 'l2_init', strength = 1e-9 }";
    let methods =
        |cbp: &str| format!("agent.network.interventions=[{{ kind = 'cbp'{cbp} }}, {pull}]");
    let note = "note: q's intervention cbp never acted in this run";
    let train = |methods: &str| {
        let ended = s.succeed(&["train", "quick.toml", "--json", "--set", methods]);
        let json = last_json(&ended.stdout);
        let times = |i: usize| json["interventions"][i]["count"].as_u64().expect("a number");
        let notes: Vec<&str> = ended.stderr.lines().filter(|l| l.starts_with("note: ")).collect();
        (times(0), times(1), notes.join("\n"))
    };
    assert_eq!(train(&methods("")), (0, 175, note.to_owned()));
    let eager = methods(", maturity_threshold = 1, replacement_rate = 0.1");
    let (cbp, pull, notes) = train(&eager);
    assert!(cbp > 10 && pull == 175 && notes.is_empty(), "{cbp} {pull} {notes}");
}

#[test]
fn progress_is_plain_without_a_terminal() {
    let s = Scratch::quick();
    let ended = s.succeed(&["train", "quick.toml"]);
    assert_eq!(ended.stdout.lines().count(), 1, "{}", ended.stdout);
    assert!(ended.stdout.starts_with("return "), "{}", ended.stdout);
    assert!(!ended.stderr.contains(['\u{1b}', '\r']), "{:?}", ended.stderr);
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(
        lines[..2],
        ["run folder: runs/quick-1", "watch it:   tensorboard --logdir runs/quick-1"]
    );
    assert!(lines[2].starts_with("updates are computed by "), "{}", lines[2]);
    assert!(lines[3..].iter().all(|line| line.starts_with("step ")), "{}", ended.stderr);
    let tenths = lines.iter().filter(|line| line.ends_with(" left")).count();
    assert_eq!(tenths, 9, "one line for each tenth but the last\n{}", ended.stderr);
    let evaluations = lines.iter().filter(|line| line.contains("return ")).count();
    assert_eq!(evaluations, 2, "{}", ended.stderr);
}

#[test]
fn environments_are_listed_in_columns() {
    let text = Scratch::new().succeed(&["envs"]).stdout;
    let mut lines = text.lines();
    let header = lines.next().expect("a header");
    let columns = ["OBSERVATION", "ACTION", "KWARGS"].map(|c| header.find(c).expect("a column"));
    for line in lines.filter(|line| !line.is_empty()) {
        // Families have no keyword arguments to show.
        for column in columns.into_iter().filter(|&column| column < line.len()) {
            let (before, after) = line.split_at(column);
            assert!(before.ends_with("  ") && !after.starts_with(' '), "{column} in\n{text}");
        }
    }
    for row in [
        "CartPole-v1 4 numbers 2 choices 500 gravity=9.8 masscart=1 masspole=0.1 length=0.5",
        "Pendulum-v1 3 numbers 1 number 200 gravity=10 mass=1 length=1 dt=0.05 g",
        "gymnasium:... - - -",
        "minatar/seaquest 10 x 10 x 10 6 choices 10000 sticky_action_prob=0.1 difficulty_ramping",
    ] {
        let found = text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "));
        assert!(found.clone().any(|line| line.starts_with(row)), "want {row}\n{text}");
    }
    // In the table with its feature, else below it with the reason.
    let (table, missing) = text.split_once("\n\n").unwrap_or((&text, ""));
    assert_eq!(table.contains("\nHalfCheetah-v5 "), cfg!(feature = "mujoco"), "{text}");
    assert_eq!(missing.contains(" HalfCheetah-v5 "), !cfg!(feature = "mujoco"), "{text}");
    assert_eq!(missing.contains("run `cargo xtask setup`"), !cfg!(feature = "mujoco"), "{text}");
}

#[test]
fn every_command_has_help_with_examples_and_exit_codes() {
    let s = Scratch::new();
    let overview = s.succeed(&["--help"]).stdout;
    for code in ["  0 ", "  1 ", "  2 ", "  130 "] {
        assert!(overview.contains(code), "exit code {code} in\n{overview}");
    }
    for command in ["train", "resume", "eval", "diagnose", "envs", "check-env"] {
        assert!(overview.contains(command), "{command} in\n{overview}");
        let help = s.succeed(&[command, "--help"]).stdout;
        assert!(help.contains("Exit codes: 0"), "{help}");
        assert!(command == "envs" || help.contains(&format!("  supple {command} ")), "{help}");
    }
}

/// A table of every layer, or one object; the errors say what is missing.
#[test]
fn a_diagnosis() {
    let s = Scratch::quick();
    s.succeed(&["train", "quick.toml"]);
    let table = s.succeed(&["diagnose", "runs/quick-1"]).stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].contains("step-000000000400: 175 updates, seen on 1024"), "{table}");
    // Units, then weights, then the whole network.
    assert!(lines[2].starts_with("q units ") && lines[2].contains("dormant_0.025"), "{table}");
    assert!(lines[3].starts_with("q/hidden_0 ") && lines[4].is_empty(), "{table}");
    assert!(lines[5].starts_with("q weights ") && lines[5].contains(" norm"), "{table}");
    assert!(lines[6].starts_with("q/hidden_0 ") && lines[7].starts_with("q/q "), "{table}");
    assert_eq!((lines[8], lines[9]), ("", "q as a whole"), "{table}");
    assert!(lines[10].starts_with("dormant ") && !table.contains("hessian_top"), "{table}");
    for of_table in [2..4, 5..8] {
        let widths: BTreeSet<usize> = lines[of_table].iter().map(|line| line.len()).collect();
        assert_eq!(widths.len(), 1, "aligned:\n{table}");
    }
    let deep = s.succeed(&["diagnose", "runs/quick-1", "--deep", "--probe", "64"]).stdout;
    assert!(deep.contains("hessian_top") && deep.contains("refit_loss_ratio"), "{deep}");

    let again = s.succeed(&["diagnose", "runs/quick-1", "--json", "--probe", "64"]).stdout;
    let json = last_json(&again);
    assert_eq!(keys(&json), ["checkpoint", "measures", "probe_size", "steps", "updates"].into());
    assert_eq!((&json["steps"], &json["probe_size"]), (&400.into(), &64.into()), "{json}");
    let rank = json["measures"].as_array().expect("a list").iter();
    let rank: Vec<_> = rank.filter(|m| m["measure"] == "effective_rank").collect();
    assert_eq!((&rank[0]["net"], &rank[0]["layer"]), (&"q".into(), &"q/hidden_0".into()));
    assert!(rank[0]["value"].as_f64().is_some_and(|x| (1.0..=16.0).contains(&x)), "{json}");
    let old = format!("runs/quick-1/checkpoints/step-{:012}", 300);
    assert!(s.succeed(&["diagnose", &old]).stdout.contains("125 updates"));

    let best = cli::checkpoints(&s.path("runs/quick-1"), "best").remove(0);
    let best = format!("runs/quick-1/checkpoints/{best}");
    let early = ["train", "quick.toml", "--set", "total_steps=40", "--run-dir", "early"];
    s.succeed(&early);
    for (args, wanted) in [
        (&["diagnose", best.as_str()][..], "it has no replay; it is for evaluation only"),
        (&["diagnose", "early"], "has no update behind it yet"),
        (&["diagnose", "nowhere"], "nowhere"),
    ] {
        let ended = s.run(args);
        assert_eq!(ended.code, Some(1), "{args:?}: {}", ended.stderr);
        let line = ended.stderr.lines().last().expect("an error");
        assert!(line.starts_with("error: ") && line.contains(wanted), "{args:?}: {line}");
    }
    assert_eq!(s.run(&["diagnose", "runs/quick-1", "--probe", "1"]).code, Some(2));
}

/// A line break in the source of a sentence must not become blanks in it.
#[test]
fn no_sentence_has_a_run_of_blanks() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders: Vec<_> =
        ["agents/src", "benchmarks/src", "bin", "envs/src", "networks/src", "xtask/src"]
            .map(|folder| root.join(folder))
            .into();
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a source folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                seen += 1;
                let text = std::fs::read_to_string(&path).expect("a source file");
                let found = text.lines().find(|line| {
                    let literals = line.split('"').skip(1).step_by(2);
                    literals
                        .map(|s| s.replace("\\n", "\n"))
                        .any(|s| s.lines().any(|part| part.trim_start().contains(&" ".repeat(6))))
                });
                assert_eq!(found, None, "{}", path.display());
            }
        }
    }
    assert!(seen > 100, "only {seen} source files");
}
