//! The README's custom environment and custom intervention: programs of their own, in thirty and fifty lines,
//! with the whole command line.

mod cli;

use std::{
    fs,
    path::{Path, PathBuf},
};

use cli::{SUPPLE, Scratch, last_json, start_in};

const SOURCE: &str = include_str!("../examples/custom_env.rs");

const INTERVENTION: &str = include_str!("../examples/custom_intervention.rs");

/// Builds an example where and as the stock binary was built, and returns its path.
fn example(name: &str) -> PathBuf {
    let folder = Path::new(SUPPLE).parent().expect("the binary lies in a folder");
    let profile = match folder.file_name().and_then(|n| n.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let mut args = vec!["build", "--quiet", "--workspace", "--example", name, "--profile", profile];
    if cfg!(feature = "mujoco") {
        // As this test was built: otherwise all would be compiled a second time.
        args.extend(["--features", "mujoco"]);
    }
    let ended = start_in(Path::new(env!("CARGO_MANIFEST_DIR")), env!("CARGO"), &args).wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    folder.join("examples").join(name)
}

#[test]
fn a_custom_environment_is_short_checked_and_trained() {
    let lines = SOURCE.lines().filter(|line| !line.trim().is_empty()).count();
    assert!(lines < 30, "{lines} lines are not under 30");

    let example = example("custom_env");
    let s = Scratch::new();
    let ended = s.start_program(&example, &["check-env", "thermostat"]).wait();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "thermostat: nothing to fix\n"));
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

/// A panic, in whichever thread, is told with its place and a request to report it, in one line.
#[test]
fn a_panic_says_where_it_was_and_asks_for_a_report() {
    let example = example("panicking_env");
    let source = include_str!("programs/panicking_env.rs");
    let line = |words: &str| 1 + source.lines().position(|line| line.contains(words)).expect(words);
    let s = Scratch::quick();
    let train =
        ["train", "quick.toml", "--set", "env.name=panicking", "--set", "env.kwargs.at=step"];
    let check = ["check-env", "panicking", "--set", "at=make"];
    let told = |thread: &str, words: &str| {
        format!(
            "{thread} panicked at bin/tests/programs/panicking_env.rs:{}: {words}. This is a bug in supple or in a \
             part added to it; please report it with this line and the command",
            line(words)
        )
    };
    for (args, thread, words) in
        [(&train[..], "actor-0", "the cable came off"), (&check[..], "supple", "there is no cable")]
    {
        let ended = s.start_program(&example, args).wait();
        let said = format!("error: {}", told(thread, words));
        let errors: Vec<&str> =
            ended.stderr.lines().filter(|line| line.contains("panicked")).collect();
        assert_eq!((ended.code, errors), (Some(101), vec![said.as_str()]), "{}", ended.stderr);
        assert!(ended.stderr.ends_with(&format!("{said}\n")), "{}", ended.stderr);
    }
    // Nobody joins this thread, and the command does its work without it.
    let aside = ["check-env", "panicking", "--set", "at=aside"];
    let ended = s.start_program(&example, &aside).wait();
    let said = told("aside", "a loose end") + "\n";
    assert_eq!((ended.code, ended.stderr), (Some(0), said), "{}", ended.stdout);
}

#[test]
fn the_readme_shows_this_very_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(&path).expect("README.md");
    let block = format!("```rust\n{SOURCE}```\n");
    assert!(readme.contains(&block), "README.md must contain, verbatim:\n{block}");
}

/// An intervention from outside is read, listed, refused, counted and resumed like one from inside, also in a suite.
#[test]
fn a_custom_intervention_is_one_of_the_others() {
    let lines = INTERVENTION.lines().filter(|line| !line.trim().is_empty()).count();
    assert!(lines <= 50, "{lines} lines are more than 50");

    let example = example("custom_intervention");
    let s = Scratch::quick();
    let run = |args: &[&str]| s.start_program(&example, args).wait();
    let succeed = |args: &[&str]| {
        let ended = run(args);
        assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.stderr);
        ended.stdout
    };
    let kinds = succeed(&["kinds"]);
    assert!(kinds.contains("gradient_noise") && kinds.contains("keys: std, decay"), "{kinds}");

    for (item, said) in [
        (
            "[{ kind = 'gradient_noise', std = 0 }]",
            "interventions: gradient_noise: std is 0; it must",
        ),
        ("[{ kind = 'gradient_noise', sdt = 1 }]", "sdt`; did you mean `std`?"),
        ("[{ kind = 'gradient_nose' }]", "did you mean `gradient_noise`?"),
    ] {
        let set = format!("agent.network.interventions={item}");
        let ended = run(&["train", "quick.toml", "--set", &set]);
        assert_eq!(ended.code, Some(1), "{item}");
        assert!(ended.stderr.contains(said), "{item}: {}", ended.stderr);
    }
    let ours = "agent.network.interventions=[{ kind = 'gradient_noise', std = 0.5 }]";
    let foreign = s.run(&["train", "quick.toml", "--set", ours]);
    assert!(
        foreign.stderr.contains("unknown value `") && foreign.code == Some(1),
        "{}",
        foreign.stderr
    );

    // Whole, and stopped and resumed: the same bits.
    let whole =
        ["train", "quick.toml", "--set", ours, "--set", "checkpoint.every_steps=200", "--json"];
    let json = last_json(&succeed(&[&whole[..], &["--run-dir", "whole"]].concat()));
    assert_eq!(json["interventions"][0]["kind"], "gradient_noise", "{json}");
    assert_eq!(json["interventions"][0]["count"], json["updates"], "{json}");
    let config = fs::read_to_string(s.path("whole/config.toml")).expect("a run folder");
    assert!(config.contains("decay = 0.55"), "every default is in the file:\n{config}");
    succeed(&[&whole[..], &["--run-dir", "part", "--set", "total_steps=200"]].concat());
    succeed(&["resume", "part", "--set", "total_steps=400"]);
    let weights = |run: &str| {
        let file = s.path(&format!("{run}/checkpoints/step-000000000400/model.safetensors"));
        fs::read(file).expect("a checkpoint")
    };
    assert!(weights("whole") == weights("part"), "a resume changed the bits");
    succeed(&["train", "quick.toml", "--run-dir", "plain"]);
    assert!(weights("whole") != weights("plain"), "the noise is there");

    // A suite's runs are processes of this program too.
    s.write(
        "grid.toml",
        "title = 'Noise'\nabout = 'Does noise help?'\nseeds = 1\n\
         [score]\nmetric = 'train/episode_return'\nbin = 200\nlow = 0.0\nhigh = 500.0\n\
         [config]\ntotal_steps = 400\nreplay = { learning_starts = 50, batch_size = 16 }\n\
         eval = { episodes = 0 }\n[config.agent]\nkind = 'dqn'\n\
         network = { arch = { kind = 'mlp', hidden = [8] } }\n\
         [[methods]]\nname = 'plain'\nbaseline = true\n\
         [[methods]]\nname = 'noise'\nset.agent.network.interventions = [{ kind = 'gradient_noise' }]\n",
    );
    let report = succeed(&["bench", "grid.toml", "--out", "out", "--jobs", "1"]);
    assert!(report.contains("report.html"), "{report}");
    let config = fs::read_to_string(s.path("out/runs/noise/seed-1/config.toml"));
    assert!(config.expect("a run folder").contains("gradient_noise"), "the run had it");
}

/// A program of its own adds a part to every family: each is listed, suggested, trained with and resumed.
#[test]
fn every_family_is_open() {
    let example = example("custom_parts");
    let s = Scratch::quick();
    let run = |args: &[&str]| s.start_program(&example, args).wait();
    let arch = "agent.network.arch=";
    let mlp = "{ kind = 'mlp', hidden = [8], activation = 'softsign', norm = { kind = 'max_norm' }, init = \
               'small_uniform', weight = { kind = 'bounded_weight' } }";
    let parts = [
        ("agent.*.arch", "linears", format!("{arch}{{ kind = 'linear' }}")),
        (
            "agent.*.arch.activation",
            "softsign",
            format!("{arch}{{ kind = 'mlp', activation = 'softsing' }}"),
        ),
        (
            "agent.*.arch.norm",
            "max_norm",
            format!("{arch}{{ kind = 'mlp', norm = {{ kind = 'maxnorm' }} }}"),
        ),
        (
            "agent.*.arch.init",
            "small_uniform",
            format!("{arch}{{ kind = 'mlp', init = 'smal_uniform' }}"),
        ),
        (
            "agent.*.arch.weight",
            "bounded_weight",
            format!("{arch}{{ kind = 'mlp', weight = {{ kind = 'bounded_weigth' }} }}"),
        ),
        ("agent.*.optim", "sign_sgd", "agent.network.optim={ kind = 'sgn_sgd' }".to_owned()),
        (
            "agent.*.interventions",
            "patience",
            "agent.network.interventions=[{ kind = 'patiense' }]".to_owned(),
        ),
    ];
    let kinds = run(&["kinds"]).stdout;
    for (family, kind, misspelt) in &parts {
        let listed = kinds.split("\n\n").find(|block| block.lines().next() == Some(*family));
        assert!(listed.expect("a family").contains(&format!("\n  {kind} ")), "{family}: {kinds}");
        let ended = run(&["train", "quick.toml", "--set", misspelt]);
        let suggests = ended.stderr.contains(&format!("did you mean `{kind}`?"));
        assert!(suggests && ended.code == Some(1), "{family}: {}", ended.stderr);
    }
    let set = format!("{arch}{mlp}");
    let all = [
        "train",
        "quick.toml",
        "--set",
        set.as_str(),
        "--set",
        "agent.network.optim={ kind = 'sign_sgd', lr = 1e-3 }",
        "--set",
        "agent.network.interventions=[{ kind = 'patience' }]",
        "--set",
        "checkpoint.every_steps=200",
    ];
    let ended = run(&[&all[..], &["--run-dir", "whole"]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let config = fs::read_to_string(s.path("whole/config.toml")).expect("a run folder");
    for (_, kind, _) in parts.iter().filter(|(_, kind, _)| *kind != "linears") {
        assert!(config.contains(&format!("\"{kind}\"")), "{kind} in\n{config}");
    }
    for args in [
        &[&all[..], &["--run-dir", "part", "--set", "total_steps=200"]].concat()[..],
        &["resume", "part", "--set", "total_steps=400"],
        &["train", "quick.toml", "--set", "agent.network.arch={ kind = 'linears' }"],
    ] {
        let ended = run(args);
        assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.stderr);
    }
    let weights = |run: &str| {
        fs::read(s.path(&format!("{run}/checkpoints/step-000000000400/model.safetensors")))
            .expect("a checkpoint")
    };
    assert!(weights("whole") == weights("part"), "a resume changed the bits");
}
