//! What runs write, what descriptors say of it, and the documentation agree: every metric, every file of a run folder.

mod cli;

use std::{collections::BTreeSet, fs, path::Path};

use agents::diagnostics::registry::Diagnostics;
use cli::{
    QUICK, Scratch,
    page::{code, page, tables},
};
use regex::Regex;
use serde_json::Value;

#[test]
fn the_page_is_what_the_program_prints() {
    let page = include_str!("../../docs/metrics.md");
    let printed = Scratch::new().succeed(&["diagnose", "--list", "--markdown"]).stdout;
    assert!(
        printed == page,
        "docs/metrics.md is stale; write the output of `supple diagnose --list --markdown` there:\n{printed}"
    );
}

#[test]
fn the_listing_has_tag_unit_and_source() {
    let listing = Scratch::new().succeed(&["diagnose", "--list"]).stdout;
    for line in [
        "Diagnostics, every diagnostics.rank_every_updates\n",
        "  plasticity/NET/LAYER/srank [rank]\n",
        "\n      Kumar et al. 2021, arXiv 2010.14498\n",
        "  loss/MODEL [loss; every log_every_updates]\n",
    ] {
        assert!(listing.contains(line), "{line}:\n{listing}");
    }
    let width = listing.lines().map(|line| line.chars().count()).max();
    assert!(width < Some(120), "{width:?}");
}

/// A list needs no run, and what is said of a run means nothing beside it.
#[test]
fn a_list_is_of_no_run() {
    let s = Scratch::new();
    for args in [&["diagnose"][..], &["diagnose", "x", "--list"], &["diagnose", "x", "--markdown"]]
    {
        let ended = s.run(args);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{args:?}");
    }
}

#[test]
fn every_metric_is_documented_and_every_documented_metric_exists() {
    let s = Scratch::new();
    s.write("dqn.toml", QUICK);
    let sac = QUICK.replace("CartPole-v1", "Pendulum-v1").replace("\"dqn\"", "\"sac\"");
    let sac = sac.replace("target = { kind = \"hard\", every_updates = 100 }\n", "");
    let (sac, network) = sac.split_once("[agent.network]").expect("a network");
    let sac = format!(
        "{sac}value = {{ kind = \"categorical\" }}\n[agent.actor]{network}[agent.critic]{network}\
         [normalize]\nreward = {{ kind = \"return_scale\" }}\n\
         [diagnostics]\nevery_updates = 50\nrank_every_updates = 100\n\
         curvature_every_updates = 100\nrefit_every_updates = 100\nrefit_steps = 5\n"
    );
    let sac = sac.replace(
        "[agent.critic]",
        "[agent.critic]\ninterventions = [{ kind = \"cbp\" }, { kind = \"parseval\" }]\n",
    );
    // The actor saturates, the critic dies: each nonlinearity has measures of its own.
    let sac = sac.replacen("kind = \"mlp\"", "kind = \"mlp\", activation = \"tanh\"", 1);
    assert!(sac.contains("tanh"), "{sac}");
    s.write("sac.toml", sac);
    let (mut found, mut written) = (BTreeSet::new(), BTreeSet::new());
    for name in ["dqn", "sac"] {
        s.succeed(&[
            "train",
            &format!("{name}.toml"),
            "--set",
            "eval.step_offsets=[0]",
            "--run-dir",
            name,
        ]);
        let text = fs::read_to_string(s.path(name).join("metrics.jsonl")).expect("metrics");
        for line in text.lines() {
            let row: Value = serde_json::from_str(line).expect("a row");
            let tags = |key: &str| row[key].as_object().into_iter().flat_map(|tags| tags.keys());
            written.extend(tags("metrics").cloned());
            found.extend(tags("metrics").chain(tags("histograms")).map(|tag| {
                match tag.split_once('/') {
                    Some(("plasticity", rest)) => {
                        let (layer, measure) = rest.rsplit_once('/').expect("a measure");
                        let layer = if layer.ends_with("/_global") { "_global" } else { "LAYER" };
                        format!("plasticity/NET/{layer}/{measure}")
                    }
                    Some((group, "actor" | "critic" | "q")) => format!("{group}/MODEL"),
                    Some(("loss", term)) if term.contains('/') => "loss/MODEL/KIND".to_owned(),
                    Some(("eval", "task_0/return_mean")) => "eval/task_J/return_mean".to_owned(),
                    _ => tag.clone(),
                }
            }));
        }
    }
    let rows = tables(include_str!("../../docs/metrics.md"), "tag");
    let documented: BTreeSet<String> =
        rows.iter().filter_map(|(_, cells)| code(&cells[0])).map(ToOwned::to_owned).collect();
    // The row of a layer's measure says what it is for the whole network.
    found.retain(|tag| {
        !documented.contains(&tag.replace("/_global/", "/LAYER/")) || !tag.contains("_global")
    });
    assert_eq!(documented, found, "left: in docs/metrics.md; right: in metrics.jsonl");
    // Every line of the dashboard shows something.
    for (category, charts) in Diagnostics::builtin().dashboard().0 {
        for (title, pattern) in charts.iter().flat_map(|c| c.tags.iter().map(|tag| (c.title, tag)))
        {
            let whole = Regex::new(&format!("^(?:{pattern})$")).expect("a regular expression");
            let is_shown = written.iter().any(|tag| whole.is_match(tag));
            assert!(is_shown, "{category}, {title}: no metric matches `{pattern}`");
        }
    }
}

#[test]
fn the_run_folder_is_as_documented() {
    let s = Scratch::quick();
    s.succeed(&["train", "quick.toml"]);
    let names = |folder: &Path| -> BTreeSet<String> {
        let entries = fs::read_dir(folder).expect("a folder").flatten();
        entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect()
    };
    let run = s.path("runs/quick-1");
    let page = page();
    let column = |first: &str| -> BTreeSet<String> {
        tables(&page, first).iter().filter_map(|(_, c)| code(&c[0])).map(str::to_owned).collect()
    };
    // Of runs that diverge, and of Python environments.
    let elsewhere = |name: &str| name.starts_with("non_finite") || name == "python_modules.json";
    // Folders and files up to what differs from run to run.
    let stem = |name: &str| name.split(['/', '*']).next().unwrap_or_default().to_owned();
    let documented: BTreeSet<String> =
        column("path").iter().map(|p| stem(p)).filter(|p| !elsewhere(p)).collect();
    let found: BTreeSet<String> = names(&run)
        .iter()
        .map(
            |n| if n.starts_with("events.out") { "events.out.tfevents.".into() } else { n.clone() },
        )
        .collect();
    assert_eq!(documented, found, "left: in docs/configuration.md; right: in the run folder");
    // A run that has ended has no evaluation to play: `an_interrupt_does_not_wait_for_an_evaluation` has one.
    let (pending, always): (BTreeSet<String>, _) =
        column("file").into_iter().partition(|file| file.starts_with("evaluating-"));
    let newest = names(&run.join("checkpoints/step-000000000400"));
    assert_eq!(always, newest, "left: in docs/configuration.md; right: in a checkpoint");
    assert!(!pending.is_empty(), "docs/configuration.md leaves out the weights to evaluate");
}
