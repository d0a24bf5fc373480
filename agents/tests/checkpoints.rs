//! The checkpoints of a run folder: what is damaged is named and passed over, what lies beyond a resume
//! goes, what does not fit is refused.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use std::{collections::BTreeSet, fs, path::Path};

use agents::{config::Config, storage::checkpoint};
use envs::{Action, ActionSpace, Env, EnvError, EnvSpec, Registry, Step};
use harness::{
    Run, config,
    resuming::{dqn, names, short, whole},
    rows, within,
};

#[derive(Clone, Copy, Debug)]
enum Damage {
    Truncated,
    Emptied,
    Flipped(usize),
    Missing,
}

fn damage(file: &Path, how: Damage) {
    let mut bytes = fs::read(file).unwrap();
    match how {
        Damage::Truncated => bytes.truncate(bytes.len() - 1),
        Damage::Emptied => bytes.clear(),
        Damage::Flipped(bit) => {
            let bit = bit % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        Damage::Missing => {
            fs::remove_file(file).unwrap();
            return;
        }
    }
    fs::write(file, bytes).unwrap();
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_is_used() {
    within(60, || {
        let run = short();
        let newest = run.path.join("checkpoints").join(&names("step", &[200])[0]);
        let flips = (0..40).map(|i| Damage::Flipped(i * 7_919 + i));
        let all: Vec<Damage> = [Damage::Truncated, Damage::Emptied, Damage::Missing]
            .into_iter()
            .chain(flips)
            .collect();
        for name in ["state.json", "model.safetensors", "replay.safetensors", "manifest.json"] {
            let file = newest.join(name);
            let original = fs::read(&file).unwrap();
            for &how in &all {
                damage(&file, how);
                let (found, warnings) = checkpoint::read_newest(&run.path).unwrap();
                assert_eq!(found.state.env_steps, 192, "{name} {how:?}");
                let [warning] = warnings.as_slice() else { panic!("{name} {how:?}: {warnings:?}") };
                assert!(warning.contains("step-000000000200"), "{name} {how:?}: {warning}");
                assert!(warning.contains("is damaged"), "{name} {how:?}: {warning}");
                assert!(
                    name == "manifest.json" || warning.contains(name),
                    "{name} {how:?}: {warning}"
                );
                fs::write(&file, &original).unwrap();
            }
        }
        let (found, warnings) = checkpoint::read_newest(&run.path).unwrap();
        assert_eq!((found.state.env_steps, warnings.len()), (200, 0), "whole again");
    });
}

#[test]
fn a_resume_past_a_damaged_checkpoint_is_exact() {
    within(60, || {
        let (run, whole) = whole(&dqn());
        for name in names("step", &[384, 400]) {
            let file = run.path.join("checkpoints").join(name).join("model.safetensors");
            damage(&file, Damage::Flipped(12_345));
        }
        assert_eq!(run.newest().state.env_steps, 288);
        run.resume().unwrap();
        run.outcome().assert_equals(&whole, "past two damaged checkpoints");
        assert_eq!(run.checkpoints("step"), names("step", &[192, 288, 384, 400]));
    });
}

/// What lies beyond the checkpoint that a resume takes is of a future that is lived again: it goes,
/// or it would count as the newest.
#[test]
fn a_resume_removes_what_lies_beyond_it() {
    within(60, || {
        let (run, _) = whole(&dqn());
        for name in names("step", &[384, 400]) {
            let file = run.path.join("checkpoints").join(name).join("model.safetensors");
            damage(&file, Damage::Truncated);
        }
        // A best of a future that is lived again lies beyond as well.
        let root = run.path.join("checkpoints");
        let best = run.checkpoints("best").pop().unwrap();
        fs::rename(root.join(best), root.join(&names("best", &[320])[0])).unwrap();
        let stopped = run.go(Some(run.newest()), None, &mut |_| true).unwrap();
        assert_eq!((stopped.interrupted, stopped.steps), (true, 304));
        assert_eq!(run.checkpoints("step"), names("step", &[192, 288, 304]));
        assert!(!run.checkpoints("best").contains(&names("best", &[320])[0]));
        assert_eq!(run.newest().state.env_steps, 304);
    });
}

/// Stopped, resumed and stopped again before the next evaluation: the last one is still known.
#[test]
fn the_last_evaluation_is_remembered() {
    within(60, || {
        let run = Run::new(&dqn());
        let mut evaluated = 0;
        run.train_until(&mut |p| {
            evaluated = p.eval.as_ref().map_or(evaluated, |e| e.env_step);
            evaluated == 192
        })
        .unwrap();
        let before = run.newest().state;
        let (step, mean, std) = before.last_eval.unwrap();
        assert_eq!(step, 192);
        assert!(before.env_steps < 256, "{}: before the next one", before.env_steps);
        let report = run.go(Some(run.newest()), None, &mut |_| true).unwrap();
        assert_eq!((report.steps, report.interrupted), (before.env_steps + 16, true));
        assert_eq!((report.return_mean, report.return_std), (Some(mean), Some(std)));
        let after = run.newest().state;
        assert_eq!((after.last_eval, after.best), (before.last_eval, before.best));
    });
}

#[test]
fn without_a_whole_checkpoint_the_error_names_all() {
    within(60, || {
        let run = short();
        for name in run.checkpoints("step") {
            let file = run.path.join("checkpoints").join(name).join("state.json");
            damage(&file, Damage::Truncated);
        }
        let error = checkpoint::read_newest(&run.path).err().unwrap().to_string();
        for wanted in ["no usable checkpoint", "000000096", "000000192", "000000200", "state.json"]
        {
            assert!(error.contains(wanted), "{wanted}: {error}");
        }
        fs::remove_dir_all(run.path.join("checkpoints")).unwrap();
        let error = checkpoint::read_newest(&run.path).err().unwrap().to_string();
        assert!(error.contains("has no checkpoint yet"), "{error}");
    });
}

/// What a process that died in the middle of saving leaves behind.
#[test]
fn leftovers_of_a_torn_save_are_harmless() {
    within(60, || {
        let (_run, whole) = whole(&dqn());
        let run = Run::new(&dqn());
        run.train_until(&mut |p| p.env_steps >= 208).unwrap();
        let root = run.path.join("checkpoints");
        // 288 is saved again by the resumed run, 999 never is.
        for name in [".tmp-step-000000000288", ".tmp-step-000000000999", ".tmp-best-000000000256"] {
            fs::create_dir_all(root.join(name)).unwrap();
            fs::write(root.join(name).join("state.json"), "{\"format\":1,").unwrap();
            fs::write(root.join(name).join("left.over"), "x").unwrap();
        }
        fs::write(run.path.join("metrics.jsonl.tmp"), "half a li").unwrap();
        fs::write(run.path.join("config.tmp"), "half a fi").unwrap();
        let (found, warnings) = checkpoint::read_newest(&run.path).unwrap();
        assert_eq!((found.state.env_steps, warnings.len()), (208, 0));
        run.resume().unwrap();
        run.outcome().assert_equals(&whole, "with leftovers");
    });
}

/// Somebody who looks all the time never sees a checkpoint without its manifest: a process that is killed while it
/// removes one leaves it whole, or not under its name.
#[test]
fn a_checkpoint_is_removed_whole() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("checkpoints");
    for n in 0..20 {
        let old = root.join(format!("step-{n:012}"));
        fs::create_dir_all(&old).unwrap();
        let names = (0..400).map(|i| format!("file-{i}"));
        names
            .chain(["manifest.json".to_owned()])
            .for_each(|f| fs::write(old.join(f), "x").unwrap());
        fs::create_dir_all(root.join(format!(".tmp-old-step-{n:012}/of a killed one"))).unwrap();
        std::thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                while old.join("manifest.json").exists() {}
                old.exists()
            });
            checkpoint::prune(folder.path(), 0).unwrap();
            assert!(!watcher.join().unwrap(), "half of {} was there", old.display());
        });
        assert_eq!(fs::read_dir(&root).unwrap().count(), 0, "nothing is left");
    }
}

#[test]
fn the_newest_and_the_best_are_kept() {
    within(60, || {
        let mut config = dqn();
        config.checkpoint.keep = 2;
        config.eval.every_steps = 48;
        let run = Run::new(&config);
        run.train().unwrap();
        assert_eq!(run.checkpoints("step"), names("step", &[384, 400]));

        let evaluations: Vec<(u64, f64)> = rows(&run.path)
            .iter()
            .filter_map(|(step, m)| Some((*step, m.get("eval/return_mean")?.as_f64()?)))
            .collect();
        assert_eq!(evaluations.len(), 9, "{evaluations:?}");
        // The first of the highest: a later one must be better to replace it.
        let best = evaluations
            .iter()
            .fold((0, f64::NEG_INFINITY), |best, &e| if e.1 > best.1 { e } else { best });
        assert_eq!(run.checkpoints("best").last(), names("best", &[best.0]).last());
        let kept = checkpoint::read_best(&run.path).unwrap().unwrap();
        assert_eq!(kept.state.best, Some(best));
        assert_eq!(kept.state.env_steps, best.0);
        assert_eq!(run.newest().state.best, Some(best));

        // Its weights are those of that moment: a run that ends there has the same.
        let mut config = config.clone();
        config.total_steps = best.0;
        let short = Run::new(&config);
        short.train().unwrap();
        assert!(short.outcome().model == run.outcome().best.unwrap().0);
    });
}

/// The later it is evaluated, the better.
#[derive(Default)]
struct Improving {
    age: u64,
    t: u32,
}

impl Env for Improving {
    fn spec(&self) -> EnvSpec {
        EnvSpec::vector(1, ActionSpace::Discrete(2))
    }

    fn reset(&mut self, _seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        self.t = 0;
        obs[0] = 0.0;
        Ok(())
    }

    fn step(&mut self, _action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        self.t += 1;
        obs[0] = self.t as f32;
        Ok(Step { reward: self.age as f32, terminated: self.t == 5, truncated: false })
    }

    fn set_age(&mut self, steps: u64) {
        self.age = steps;
    }
}

/// The newest checkpoint is lost, as by a kill before it was written: the best evaluation that the one before
/// knows of is still there, and is the one that `eval` plays.
#[test]
fn the_best_of_every_kept_checkpoint_is_kept() {
    within(60, || {
        let mut config = dqn();
        config.env.name = "improving".to_owned();
        config.checkpoint.keep = 4;
        config.eval.every_steps = 16;
        let mut registry = Registry::default();
        registry.insert("improving", || Ok(Improving::default()));
        let run = Run::with(&config, registry);
        run.train().unwrap();
        let root = run.path.join("checkpoints");
        let mut seen = BTreeSet::new();
        for name in run.checkpoints("step").into_iter().rev() {
            let state = run.newest().state;
            assert!(root.join(&name).ends_with(&names("step", &[state.env_steps])[0]));
            checkpoint::discard_newer(&run.path, state.env_steps).unwrap();
            let best = checkpoint::read_best(&run.path).unwrap().unwrap();
            assert_eq!(best.state.best, state.best, "of {name}");
            seen.insert(best.state.env_steps);
            fs::remove_dir_all(root.join(&name)).unwrap();
        }
        assert_eq!(seen.len(), 4, "each checkpoint has a best of its own: {seen:?}");
        assert!(run.checkpoints("best").len() <= 1, "of the rest, none: {seen:?}");
    });
}

/// All evaluations are equal: the first stays the best.
#[test]
fn the_best_is_replaced_by_a_better_one_only() {
    within(60, || {
        let mut config = dqn();
        config.env.kwargs.insert("max_episode_steps".to_owned(), 5.into());
        let run = Run::new(&config);
        run.train().unwrap();
        assert_eq!(run.newest().state.best, Some((64, 5.0)));
        assert_eq!(run.checkpoints("best"), names("best", &[64]));
    });
}

#[test]
fn a_checkpoint_of_another_configuration_is_refused() {
    type Change = fn(&mut Config);
    let changes: [(&str, Change); 7] = [
        ("more actors", |c| c.runtime.actors = 3),
        ("fewer actors", |c| c.runtime.actors = 1),
        ("more environments", |c| c.runtime.envs_per_actor = 3),
        ("fewer environments", |c| c.runtime.envs_per_actor = 1),
        ("actors for environments", |c| (c.runtime.actors, c.runtime.envs_per_actor) = (4, 1)),
        ("less replay", |c| c.replay.capacity = 120),
        ("another environment", |c| c.env.name = "Acrobot-v1".to_owned()),
    ];
    within(60, move || {
        let mut run = short();
        let record = fs::read(run.path.join("metrics.jsonl")).unwrap();
        let original = run.config.clone();
        let mut refuse = |what: &str, changed: Config| {
            run.config = Config { total_steps: 400, ..changed };
            // From the one before the last: a resume that goes on discards what is newer.
            let older = run.path.join("checkpoints").join(&names("step", &[192])[0]);
            let checkpoint = checkpoint::read(&older).unwrap();
            let error = run.go(Some(checkpoint), None, &mut |_| false).err();
            let error = error.unwrap_or_else(|| panic!("{what} is accepted")).to_string();
            let clear = ["checkpoint", "configuration"].iter().any(|word| error.contains(word));
            assert!(clear && !error.contains("panicked"), "{what}: {error}");
            assert_eq!(run.checkpoints("step"), names("step", &[96, 192, 200]), "{what}");
            assert!(fs::read(run.path.join("metrics.jsonl")).unwrap() == record, "{what}");
            error
        };
        for (what, change) in changes {
            let mut changed = original.clone();
            change(&mut changed);
            refuse(what, changed);
        }
        let parsed = |text: &str| {
            let mut text = original.to_toml().unwrap() + text;
            text = text.replace("hidden = [12, 12]", "hidden = [12, 16]");
            config(&text)
        };
        let error = refuse("another width", parsed(""));
        assert!(error.contains("hidden_1/weight") && error.contains("[16, 12]"), "{error}");
    });
}

/// The lock of a run folder goes with its process, so a resume needs no clean-up; while a run is
/// on, a second one is refused.
#[test]
fn a_run_in_use_is_refused() {
    let run = Run::with(&dqn(), Registry::builtin());
    let held = agents::storage::run_dir::RunDir::open(&run.path).unwrap();
    let error = run.train().err().unwrap().to_string();
    assert!(error.contains("in use by another process"), "{error}");
    drop(held);
    agents::storage::run_dir::RunDir::open(&run.path).unwrap();
}
