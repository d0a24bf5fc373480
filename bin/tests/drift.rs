//! `[[env.drift]]` on the command line: what is refused, checked and evaluated; and its page.

mod cli;

use std::fs;

use agents::config::{Config, EnvConfig};
use cli::{QUICK, Scratch, last_json};
use envs::{Registry, drift::Drift};

#[test]
fn what_cannot_work_is_refused_by_name() {
    let s = Scratch::quick();
    for (list, wanted) in [
        (
            "[{ kind = 'permute' }]",
            "unknown value `env.drift.0.kind = permute`; did you mean `permute_obs`",
        ),
        (
            "[{ kind = 'obs_delay', step = 1 }]",
            "unknown key `env.drift.0.step`; did you mean `steps`",
        ),
        ("[{ kind = 'permute_obs' }]", "missing field `period`"),
        (
            "[{ kind = 'obs_noise', std = 1 }, { kind = 'physics', constant = 'gravty' }]",
            "env.drift, entry 1 (physics): there is no constant 'gravty'; there are gravity, ",
        ),
    ] {
        let set = format!("env.drift={list}");
        let ended = s.run(&["train", "quick.toml", "--set", &set]);
        assert_eq!(ended.code, Some(1), "{list}\n{}", ended.stderr);
        assert!(ended.stderr.contains(wanted), "{list}\n{}", ended.stderr);
        assert!(!s.path("runs").exists(), "nothing was made");
    }
}

#[test]
fn the_checker_takes_drift() {
    let s = Scratch::new();
    let list = "drift=[{ kind = 'remap_actions', period = 50 }, { kind = 'obs_delay', steps = 2 }]";
    let said = s.succeed(&["check-env", "Pendulum-v1", "--set", list]).stdout;
    assert!(said.contains("nothing to fix"), "{said}");
    let ended = s.run(&["check-env", "Pendulum-v1", "--set", "drift=3"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("--set drift: "), "{}", ended.stderr);
}

/// 400 steps with rewards times 7 in the last 200, and times 0 if there were one more.
#[test]
fn a_run_is_evaluated_in_its_last_task() {
    let s = Scratch::new();
    let drift = "[[env.drift]]\nkind = \"reward\"\nscales = [1.0, 7.0, 0.0]\nperiod = 200\n";
    s.write("drift.toml", format!("{QUICK}\n{drift}"));
    s.succeed(&["train", "drift.toml", "--run-dir", "run"]);
    for (age, scale) in
        [(&[][..], 7.0), (&["--step-offset", "199"], 1.0), (&["--step-offset", "400"], 0.0)]
    {
        let args = [&["eval", "run", "--newest", "--json"], age].concat();
        let json = last_json(&s.succeed(&args).stdout);
        let returns = json["returns"].as_array().expect("returns");
        let lengths = json["lengths"].as_array().expect("lengths");
        assert!(!returns.is_empty());
        for (sum, length) in returns.iter().zip(lengths) {
            assert_eq!(sum.as_f64(), length.as_f64().map(|n| scale * n), "{age:?}: {json}");
        }
    }
}

/// Every example of `docs/continual.md` is valid and, where its environment is in this build, can be
/// made.
#[test]
fn the_examples_of_the_page_work() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/continual.md");
    let page = fs::read_to_string(path).expect("docs/continual.md");
    let blocks = page.split("```toml\n").skip(1);
    let examples: Vec<&str> =
        blocks.map(|rest| rest.split("```").next().expect("text before the end")).collect();
    assert_eq!(examples.len(), 7);
    let registry = Registry::builtin();
    for example in examples {
        let Config { env, .. } =
            Config::parse(example, &[]).unwrap_or_else(|e| panic!("{e} in\n{example}"));
        assert!(!env.drift.is_empty() || env.name.starts_with("forager/"));
        // A constant of another name stands for one that classic control lacks.
        let known = registry.ids().any(|id| id == env.name);
        let env = if known { env } else { elsewhere(env) };
        env.make(&registry).unwrap_or_else(|e| panic!("{e} in\n{example}"));
    }
}

fn elsewhere(mut env: EnvConfig) -> EnvConfig {
    "CartPole-v1".clone_into(&mut env.name);
    for drift in &mut env.drift {
        if let Drift::Physics(physics) = drift {
            "length".clone_into(&mut physics.constant);
        }
    }
    env
}
