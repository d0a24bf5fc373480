//! The slow suite: every shipped configuration of a classic task learns, five seeds each.
//!
//! `cargo xtask test --slow` runs these in release mode (`SLOW_TESTS=1`); without the variable they
//! return at once. The score is the *last* evaluation, not the best. Last results are in
//! `docs/learning.md`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use agents::{config::Config, run_dir::RunDir, session::Session, train::train};

/// Trains `configs/NAME.toml` with seeds 1 to 5 and wants `needed` of them at `score` or above.
fn learns(name: &str, score: f64, needed: usize) {
    if std::env::var_os("SLOW_TESTS").is_none() {
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../configs/{name}.toml"));
    let mut returns = Vec::new();
    for seed in 1..=5 {
        let config = Config::load(&path, &[format!("seed={seed}")]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::create(&folder.path().join("run"), &config).unwrap();
        let (_stop, stopped) = crossbeam::channel::bounded(1);
        let mut watch = |_: &_| {};
        let registry = envs::Registry::builtin();
        let session = Session::new(&config, &registry, &run, None, stopped, &mut watch).unwrap();
        let report = train(session).unwrap();
        let (mean, std) = (report.return_mean.unwrap(), report.return_std.unwrap());
        eprintln!(
            "| {name} | {seed} | {mean:.1} | {std:.1} | {} | {:.0} |",
            report.steps, report.wall_s
        );
        returns.push(mean);
    }
    let reached = returns.iter().filter(|&&mean| mean >= score).count();
    assert!(reached >= needed, "{name}: {reached} of 5 seeds reached {score}: {returns:?}");
}

#[test]
fn slow_dqn_solves_cartpole() {
    learns("dqn_cartpole", 475.0, 4);
}

#[test]
fn slow_sac_solves_pendulum() {
    learns("sac_pendulum", -200.0, 4);
}

#[test]
fn slow_dqn_solves_acrobot() {
    learns("dqn_acrobot", -100.0, 4);
}

#[test]
fn slow_sac_solves_mountain_car_continuous() {
    learns("sac_mountain_car_continuous", 90.0, 4);
}

/// The default of `cargo xtask train`: rises within its ten seconds.
#[test]
fn slow_quickstart_rises() {
    learns("quickstart", 400.0, 4);
}
