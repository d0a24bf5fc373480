//! What must be absent: invariants 1 and 2 of the design, read off the manifests and the sources.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Every Rust file below `folder`, with its text.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

/// The code of a source: comments and the insides of string literals are gone, lines stay.
fn code(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
        } else if c == '"' {
            let mut end = 1;
            while !rest[end..].starts_with('"') {
                end += usize::from(rest[end..].starts_with('\\'));
                end += rest[end..].chars().next().unwrap().len_utf8();
            }
            out.extend(rest[..end].chars().filter(|&c| c == '\n'));
            out.push_str("\"\"");
            rest = &rest[end + 1..];
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            let (inside, behind) = raw.split_once("\"#").unwrap();
            out.extend(inside.chars().filter(|&c| c == '\n'));
            out.push_str("\"\"");
            rest = behind;
        } else if rest.starts_with("'\"'") {
            rest = &rest[3..];
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// Identifiers cut into lower-case words: `LastReward` and `last_reward` are `last`, `reward`.
fn words(code: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in code.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && was_lower) {
            words.push(String::new());
        }
        if c.is_alphanumeric() {
            words.last_mut().unwrap().extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Packages a manifest depends on, tests and build scripts included.
fn dependencies(folder: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    let sections = ["dependencies", "dev-dependencies", "build-dependencies"];
    let tables = sections.iter().filter_map(|section| manifest.get(*section)?.as_table());
    tables.flat_map(|table| table.keys().cloned()).collect()
}

fn assert_independent(folder: &str, banned: &[&str]) {
    let found = dependencies(folder);
    assert!(!found.is_empty(), "{folder} has a manifest with dependencies");
    for name in &found {
        assert!(!banned.contains(&name.as_str()), "{folder} depends on {name}");
    }
}

/// Arrows of the design: bin -> benchmarks -> agents -> { networks, envs }.
#[test]
fn crates_depend_in_one_direction() {
    let above = ["agents", "benchmarks", "supple"];
    assert_independent(
        "networks",
        &[&above[..], &["envs", "crossbeam", "crossbeam-channel"]].concat(),
    );
    assert_independent(
        "envs",
        &[&above[..], &["networks", "tch", "torch-sys", "crossbeam"]].concat(),
    );
    assert_independent("agents", &above[1..]);
    assert_independent("benchmarks", &above[2..]);
}

/// One exception: `cross_entropy`, a loss that everybody has. `Clock::env_step` and `Clock::task` say where a run is, and are not in the
/// list; comments and messages may say for what something is.
#[test]
fn networks_have_no_word_of_reinforcement_learning() {
    let banned = [
        "reward",
        "rewards",
        "episode",
        "episodes",
        "bellman",
        "policy",
        "policies",
        "actor",
        "actors",
        "critic",
        "critics",
        "replay",
        "agent",
        "agents",
        "observation",
        "obs",
        "transition",
        "transitions",
        "terminal",
        "terminated",
        "truncated",
        "bootstrap",
        "gamma",
        "epsilon",
        "entropy",
        "dqn",
        "sac",
        "ppo",
        "crossbeam",
        "channel",
        "mpsc",
    ];
    let sources = sources(&root().join("networks/src"));
    assert!(sources.len() > 10, "{} files", sources.len());
    for (path, text) in sources {
        for (i, line) in code(&text).lines().enumerate() {
            for word in words(&line.replace("cross_entropy", "")) {
                let place = format!("{}:{}", path.display(), i + 1);
                assert!(!banned.contains(&word.as_str()), "{place}: `{word}` in {line}");
            }
        }
    }
}

/// Unbounded queues, thread-local or global generators, and libtorch's random constructors, in the
/// sources of any crate. `clippy.toml` forbids the same by path; this also sees `use ... as`.
#[test]
fn nothing_is_unbounded_or_drawn_from_a_global_generator() {
    let banned = [
        "unbounded(",
        "unbounded;",
        "thread_rng",
        "rand::rng()",
        "from_os_rng",
        "from_entropy",
        "manual_seed",
        "Tensor::rand",
        "rand_like",
        "randn_like",
        "Tensor::bernoulli",
        "multinomial(",
        ".normal_(",
        ".uniform_(",
        ".bernoulli_",
        ".random_(",
        "dropout(",
    ];
    for folder in ["envs", "networks", "agents", "benchmarks", "xtask"] {
        let sources = sources(&root().join(folder).join("src"));
        assert!(!sources.is_empty(), "{folder}");
        check(&sources, &banned);
    }
    check(&sources(&root().join("bin")), &banned);
}

fn check(sources: &[(PathBuf, String)], banned: &[&str]) {
    for (path, text) in sources {
        for (i, line) in code(text).lines().enumerate() {
            for word in banned {
                assert!(!line.contains(word), "{}:{}: {line}", path.display(), i + 1);
            }
        }
    }
}

/// The tools of this file see what they must and nothing else.
#[test]
fn code_and_words_are_what_they_say() {
    let text = "let a = \"reward // \\\" unbounded(\"; // policy\nfn LastReward(x_y: '\"') {}";
    assert_eq!(code(text), "let a = \"\"; \nfn LastReward(x_y: ) {}");
    assert_eq!(code("r#\"a \" policy\n\"# b"), "\n\"\" b");
    assert_eq!(words("fn LastReward(env_step2)"), ["fn", "last", "reward", "env", "step2"]);
    assert!(dependencies("agents").contains(&"proptest".to_owned()), "tests are looked at too");
}
