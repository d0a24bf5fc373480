//! From a grid to its processes.

use benchmarks::grid::{Grid, uneven};
use toml::Table;

const GRID: &str = r#"
title = "Three tasks, the last one cut short"
seeds = 2
vary = ["seed", "env.drift.0.seed"]
[score]
metric = "train/episode_return"
bin = 100
task_steps = 300
low = 0.0
high = 1.0
[config]
total_steps = 700
env = { name = "CartPole-v1", drift = [{ kind = "shift_obs", std = 2.0, period = 300, seed = 0 }] }
agent = { kind = "dqn", gamma = 0.9 }
[[methods]]
name = "plain"
baseline = true
[[methods]]
name = "fresh"
fresh = true
set.agent.gamma = 0.8
"#;

#[test]
fn jobs_are_the_methods_of_every_seed_and_the_tasks_of_fresh_agents() {
    let jobs = Grid::parse(GRID, false).unwrap().jobs().unwrap();
    let seen: Vec<_> = jobs
        .iter()
        .map(|job| {
            let config: Table = job.config.parse().unwrap();
            let env = &config["env"];
            assert_eq!(env["drift"][0]["seed"], config["seed"]);
            assert_eq!(config["seed"].as_integer(), Some(job.seed as i64));
            assert_eq!(config["total_steps"].as_integer(), Some(job.steps as i64));
            let age = env.get("step_offset").and_then(toml::Value::as_integer);
            (
                job.dir.to_str().unwrap(),
                job.steps,
                age,
                config["agent"]["gamma"].as_float().unwrap(),
            )
        })
        .collect();
    let of = |plain: &'static str, tasks: [&'static str; 3]| {
        [
            (plain, 700, None, 0.9),
            (tasks[0], 300, Some(0), 0.8),
            (tasks[1], 300, Some(300), 0.8),
            (tasks[2], 100, Some(600), 0.8),
        ]
    };
    let want = [
        of(
            "runs/plain/seed-1",
            ["runs/fresh/seed-1/task-0", "runs/fresh/seed-1/task-1", "runs/fresh/seed-1/task-2"],
        ),
        of(
            "runs/plain/seed-2",
            ["runs/fresh/seed-2/task-0", "runs/fresh/seed-2/task-1", "runs/fresh/seed-2/task-2"],
        ),
    ]
    .concat();
    assert_eq!(seen, want);
}

/// A fresh method has all its tasks.
#[test]
fn methods_that_are_shorter_than_others_are_named() {
    assert_eq!(uneven(&Grid::parse(GRID, false).unwrap().jobs().unwrap()), None);
    let short = format!("{GRID}[[methods]]\nname = \"short\"\nset.total_steps = 600\n");
    let found = uneven(&Grid::parse(&short, false).unwrap().jobs().unwrap()).unwrap();
    assert_eq!(found, "Not equally long: short has 600 steps, the longest method 700.");
}
