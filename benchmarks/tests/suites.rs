//! Every grid that comes with Supple, and that of docs/benchmarks.md, can be run: both sizes, every method.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

use agents::{config::Config, runtime::session::Parts};
use benchmarks::{
    grid::{Command, Grid},
    suites::SUITES,
    supervised::StreamRun,
};
use envs::Registry;

fn check(name: &str, text: &str, quick: bool, registry: &Registry) {
    let name = format!("{name}, {}", if quick { "quick" } else { "whole" });
    let mut grid = Grid::parse(text, quick).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(grid.methods.iter().filter(|m| m.baseline).count(), 1, "{name}");
    assert_eq!(Grid::parse(&grid.to_toml().unwrap(), false).as_ref(), Ok(&grid), "{name}");
    grid.seeds = 1;
    for job in grid.jobs().unwrap_or_else(|e| panic!("{name}: {e}")) {
        let what = format!("{name}, {}", job.dir.display());
        if job.command == Command::Stream {
            let run = StreamRun::parse(&job.config, &[]).unwrap_or_else(|e| panic!("{what}: {e}"));
            assert_eq!(run.length().examples, job.steps, "{what}");
            run.start().map_or_else(|e| panic!("{what}: {e}"), drop);
        } else {
            let config = Config::parse(&job.config, &[]).unwrap_or_else(|e| panic!("{what}: {e}"));
            assert_eq!(config.total_steps, job.steps, "{what}");
            assert_eq!(config.runtime.torch_threads, 1, "{what}");
            check_drift(&config, &grid, &what);
            // Without MuJoCo its environments cannot be made. The first task is enough.
            let first =
                job.dir.file_name().is_none_or(|d| !d.to_string_lossy().starts_with("task-"));
            let here = registry.make(&config.env.name, &config.env.kwargs).is_ok();
            if here && first {
                let parts = Parts::new(&config, registry).unwrap_or_else(|e| panic!("{what}: {e}"));
                assert_eq!(parts.notes(), [""; 0], "{what}");
            }
        }
    }
}

/// Tasks are as long in the environment as in the score.
fn check_drift(config: &Config, grid: &Grid, what: &str) {
    for drift in &config.env.drift {
        let drift = serde_json::to_value(drift).unwrap();
        for period in [&drift["period"], &drift["course"]["period"], &drift["steps_per_task"]] {
            if let Some(period) = period.as_u64() {
                assert_eq!(period, grid.score.task_steps, "{what}: {drift}");
            }
        }
    }
}

#[test]
fn every_suite_can_be_run() {
    let registry = Registry::builtin();
    for (name, text) in SUITES {
        check(name, text, false, &registry);
        check(name, text, true, &registry);
        let grid = Grid::parse(text, false).unwrap();
        for (what, said) in [
            ("about", &grid.about),
            ("source", &grid.source),
            ("expected", &grid.expected),
            ("cost", &grid.cost),
        ] {
            assert!(!said.trim().is_empty(), "{name} does not say its {what}");
        }
    }
}

/// The files of the folder are the list.
#[test]
fn every_file_is_a_suite() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/bench");
    let mut found = Vec::new();
    for folder in std::fs::read_dir(root).unwrap().flatten() {
        for file in std::fs::read_dir(folder.path()).unwrap().flatten() {
            let path = file.path();
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            found.push(format!("{}/{stem}", folder.file_name().to_string_lossy()));
        }
    }
    found.sort();
    let mut listed: Vec<&str> = SUITES.iter().map(|(name, _)| *name).collect();
    listed.sort_unstable();
    assert_eq!(found, listed);
}

#[test]
fn the_grid_of_the_docs_can_be_run() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/benchmarks.md");
    let page = std::fs::read_to_string(page).unwrap();
    let grid = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    check("docs/benchmarks.md", grid, false, &Registry::builtin());
}
