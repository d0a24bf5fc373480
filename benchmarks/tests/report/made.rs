//! Studies made up for tests, with the shapes of real ones.

use std::{collections::BTreeMap, path::PathBuf};

use benchmarks::{
    report::Versions,
    score::Score,
    study::{Anchor, Failure, Method, Run, Study},
};
use networks::random;
use rand::RngExt;

pub(crate) const SCORE: Score = Score {
    metric: String::new(),
    lower_is_better: false,
    bin: 2_000,
    task_steps: 20_000,
    tasks: 0,
    low: 0.0,
    high: 400.0,
    final_share: 0.1,
    beside: Vec::new(),
};

/// Methods that keep so much of their plasticity, on ten tasks of ten bins.
pub(crate) fn study(keeps: &[(&str, f64)], seeds: u64) -> Study {
    sized(keeps, seeds, 100)
}

pub(crate) fn sized(keeps: &[(&str, f64)], seeds: u64, bins: usize) -> Study {
    let methods =
        keeps.iter().enumerate().map(|(i, (name, keep))| method(i, name, *keep, seeds, bins));
    Study {
        name: "control/cartpole-drift".to_owned(),
        title: "CartPole whose observations shift".to_owned(),
        about: "DQN learns CartPole-v1 again and again: every 20,000 steps another constant vector is added to \
                all observations, ten times. The agent is not told."
            .to_owned(),
        source: "continual Gym control of TRAC (arXiv 2405.16642), with DQN and shorter tasks".to_owned(),
        expected: "vanilla PPO reaches 62 of the 300 that a fresh agent in each task reaches, L2-init 266".to_owned(),
        score: Score {
            metric: "train/episode_return".to_owned(),
            beside: vec!["plasticity/q/hidden_0/dead".to_owned(), "plasticity/q/weight_norm".to_owned()],
            ..SCORE
        },
        methods: methods.collect(),
        failures: Vec::new(),
    }
}

fn method(i: usize, name: &str, keep: f64, seeds: u64, bins: usize) -> Method {
    let fresh = name == "fresh";
    let run = |seed: u64| {
        let mut rng = random::stream(seed, i as u64);
        let luck = 0.85 + 0.3 * rng.random::<f64>();
        let curve = (0..bins).map(|k| {
            let (task, within) = (k / 10, k % 10);
            let plasticity = keep.powi(task as i32) * luck;
            let learned = 1.0 - (-0.5 * within as f64 * plasticity).exp();
            20.0 + 300.0 * plasticity.min(1.0) * learned + 40.0 * (rng.random::<f64>() - 0.5)
        });
        let curve: Vec<f64> = curve.collect();
        let tag = |scale: f64, change: f64| {
            (1..=bins as u64 / 2)
                .map(|k| (k * 4_000, scale + change * k as f64 * (1.0 - keep)))
                .collect()
        };
        Run {
            seed,
            dir: PathBuf::from(format!("runs/{name}/seed-{seed}")),
            curve,
            matrix: Vec::new(),
            beside: BTreeMap::from([
                ("plasticity/q/hidden_0/dead".to_owned(), tag(0.02 * luck, 0.1)),
                ("plasticity/q/weight_norm".to_owned(), tag(8.0 * luck, 3.0)),
            ]),
            wall_s: 100.0 + seed as f64,
        }
    };
    Method {
        name: name.to_owned(),
        about: format!("keeps {keep} of its plasticity from task to task"),
        baseline: i == 0,
        fresh,
        anchor: (i == 1).then_some(Anchor { mean: 231.5, se: 12.25, seeds: 30 }),
        config: format!(
            "total_steps = 200000\n[agent]\nkind = \"dqn\"\nkeep = {keep}\nname = {name:?}\n"
        ),
        runs: (1..=seeds).map(run).collect(),
    }
}

/// Six methods as in a real study, with a failure.
pub(crate) fn usual() -> Study {
    let keeps = [
        ("plain", 0.86),
        ("l2-init", 0.98),
        ("shrink-perturb", 0.95),
        ("redo", 0.89),
        ("cbp", 0.96),
        ("layer-norm", 0.8),
        ("fresh", 1.0),
    ];
    let mut study = study(&keeps, 10);
    study.methods[3].runs.pop();
    study.failures.push(Failure {
        method: "redo".to_owned(),
        seed: 10,
        what: "loss is not finite at update 12345; lower agent.network.optim.lr".to_owned(),
    });
    study
}

/// `n` methods called `method-01`, `method-02`, ...
pub(crate) fn many(n: usize, seeds: u64, bins: usize) -> Study {
    let names: Vec<String> = (1..=n).map(|i| format!("method-{i:02}")).collect();
    let keeps: Vec<(&str, f64)> = names
        .iter()
        .enumerate()
        .map(|(i, name)| (name.as_str(), 0.8 + 0.2 * ((i * 7) % n) as f64 / n as f64))
        .collect();
    sized(&keeps, seeds, bins)
}

pub(crate) fn versions() -> Versions {
    Versions {
        supple: "0.1.0".to_owned(),
        libtorch: "2.11.0".to_owned(),
        mujoco: Some("3.17.0".to_owned()),
        target: "x86_64-linux".to_owned(),
    }
}
