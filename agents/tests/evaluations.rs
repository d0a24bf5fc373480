//! Evaluations: nothing waits for one, none is lost, and each ends.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use agents::{
    config::Config,
    logging::metrics::read_rows,
    runtime::evaluate::{LONGEST_EPISODE, Plan, evaluate},
};
use envs::{Action, ActionSpace, Env, EnvError, EnvSpec, Registry, Step};
use harness::{Run, resuming::dqn, rows, within};

/// An episode that nothing ends.
#[derive(Default)]
struct Endless {
    t: u64,
    /// Resets of all of them.
    resets: Arc<AtomicU64>,
}

impl Endless {
    fn registry() -> Registry {
        let mut registry = Registry::default();
        registry.insert("endless", || Ok(Endless::default()));
        registry
    }
}

impl Env for Endless {
    fn spec(&self) -> EnvSpec {
        EnvSpec::vector(2, ActionSpace::Discrete(2))
    }

    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        self.resets.fetch_add(1, Ordering::Relaxed);
        self.t = seed % 8;
        obs.copy_from_slice(&[self.t as f32 / 8.0, 1.0]);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        self.t += 1;
        obs.copy_from_slice(&[(self.t % 8) as f32 / 8.0, 1.0]);
        let reward = if action.discrete()? as u64 == self.t % 2 { 1.0 } else { 0.0 };
        Ok(Step { reward, terminated: false, truncated: false })
    }

    fn state(&mut self) -> Option<&mut dyn envs::State> {
        Some(self)
    }
}

impl envs::State for Endless {
    fn save(&self) -> Vec<u8> {
        self.t.to_le_bytes().to_vec()
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), EnvError> {
        self.t = u64::from_le_bytes(bytes.try_into()?);
        Ok(())
    }
}

/// Gives 1 for each step and ends after `2 + seed % 7` of them. All of its kind count their steps together;
/// those of `cut` interrupt their episode, as the death of a worker would.
struct Interrupted {
    left: u64,
    steps: Arc<AtomicU64>,
    cut: fn(u64) -> bool,
    interruptions: u64,
}

impl Env for Interrupted {
    fn spec(&self) -> EnvSpec {
        EnvSpec::vector(2, ActionSpace::Discrete(2))
    }

    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        self.left = 2 + seed % 7;
        obs.fill(self.left as f32);
        Ok(())
    }

    fn step(&mut self, _: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        if (self.cut)(self.steps.fetch_add(1, Ordering::Relaxed)) {
            self.interruptions += 1;
            obs.fill(self.left as f32);
            return Ok(Step { reward: 0.0, terminated: false, truncated: true });
        }
        self.left -= 1;
        obs.fill(self.left as f32);
        Ok(Step { reward: 1.0, terminated: self.left == 0, truncated: false })
    }

    fn interruptions(&self) -> u64 {
        self.interruptions
    }
}

/// A registry with it, so that all wrappers of a run are around it.
fn interrupted(cut: fn(u64) -> bool) -> Registry {
    let (mut registry, steps) = (Registry::default(), Arc::default());
    registry.insert("endless", move || {
        Ok(Interrupted { left: 0, steps: Arc::clone(&steps), cut, interruptions: 0 })
    });
    registry
}

/// Evaluations whose episodes have so many steps.
fn endless(max_episode_steps: u64) -> Config {
    let mut config = dqn();
    "endless".clone_into(&mut config.env.name);
    config.eval.max_episode_steps = max_episode_steps;
    config
}

/// Longer than any test.
const FOREVER: u64 = 1 << 60;

/// Evaluations begin at 64 and 128, are never over, and the run is stopped where training waits for the first
/// of them, and before it does: the checkpoint has both, and a resume plays them as if nothing had been.
#[test]
fn a_stop_abandons_evaluations_and_a_resume_plays_them() {
    within(60, || {
        let whole = Run::with(&endless(50), Endless::registry());
        whole.train().unwrap();
        for (at, waiting) in [(96, vec![64]), (128, vec![64, 128])] {
            let mut run = Run::with(&endless(FOREVER), Endless::registry());
            let report = run.train_until(&mut |p| p.env_steps >= at).unwrap();
            assert_eq!((report.steps, report.interrupted), (at, true));
            let checkpoint = run.newest();
            let steps: Vec<u64> = checkpoint.evaluating.iter().map(|(s, _)| s.env_steps).collect();
            assert_eq!((checkpoint.state.env_steps, steps), (at, waiting));
            assert_eq!(checkpoint.state.best, None);

            run.config.eval.max_episode_steps = 50;
            let report = run.resume().unwrap();
            assert!(!report.interrupted);
            run.outcome().assert_equals(&whole.outcome(), &format!("stopped at {at}"));
        }
    });
}

/// The last checkpoint comes before the last evaluation, so that nothing trained waits for it.
#[test]
fn the_end_of_a_run_is_saved_before_it_is_evaluated() {
    within(60, || {
        let mut config = endless(FOREVER);
        config.eval.every_steps = 0;
        let mut run = Run::with(&config, Endless::registry());
        let report = run.train_until(&mut |p| p.env_steps >= 400).unwrap();
        assert_eq!((report.steps, report.interrupted, report.return_mean), (400, true, None));
        assert_eq!(run.newest().state.env_steps, 400);

        // Only the evaluation is left to do, once.
        run.config.eval.max_episode_steps = 50;
        let report = run.resume().unwrap();
        assert_eq!((report.steps, report.interrupted), (400, false));
        let newest = run.newest();
        assert!(newest.evaluating.is_empty());
        assert_eq!(
            newest.state.last_eval.map(|(step, mean, _)| (step, Some(mean))),
            Some((400, report.return_mean))
        );
        assert_eq!(newest.state.best.map(|(step, _)| step), Some(400));
        let rows = read_rows(&run.path.join("metrics.jsonl"), u64::MAX).unwrap();
        let played = rows.iter().filter(|row| row.metrics.contains_key("eval/return_mean"));
        assert_eq!(played.count(), 1);
    });
}

/// What was played and logged after a checkpoint that still has it waiting is not logged twice.
#[test]
fn an_evaluation_that_is_played_again_is_logged_once() {
    within(60, || {
        let whole = Run::with(&endless(50), Endless::registry());
        whole.train().unwrap();
        let mut run = Run::with(&endless(FOREVER), Endless::registry());
        run.train_until(&mut |p| p.env_steps >= 96).unwrap();
        run.config.eval.max_episode_steps = 50;
        let record = run.path.join("metrics.jsonl");
        let logged = read_rows(&whole.path.join("metrics.jsonl"), u64::MAX).unwrap();
        let logged =
            logged.iter().find(|row| row.metrics.contains_key("eval/return_mean")).unwrap();
        let text = std::fs::read_to_string(&record).unwrap();
        std::fs::write(&record, text + &serde_json::to_string(logged).unwrap() + "\n").unwrap();
        run.resume().unwrap();
        run.outcome().assert_equals(&whole.outcome(), "logged before");
    });
}

/// Twenty episodes on sixteen environments: four play two, the others stand still after one.
#[test]
fn evaluations_play_what_was_asked_for_and_no_more() {
    within(60, || {
        let run = Run::with(&endless(0), Endless::registry());
        let session = agents::runtime::session::Parts::new(&run.config, &run.registry).unwrap();
        let folder = agents::storage::run_dir::RunDir::open(&run.path).unwrap();
        let mut watch = |_: &agents::runtime::session::Progress| {};
        let session = session.session(&folder, None, crossbeam::channel::never(), &mut watch);
        let mut policy = session.agent.policy();
        policy.load(&session.agent.snapshot(0));
        let resets = Arc::new(AtomicU64::new(0));
        let make = || -> Result<Box<dyn Env>, EnvError> {
            Ok(Box::new(Endless { resets: Arc::clone(&resets), ..Endless::default() }))
        };
        let plan = Plan {
            episodes: 20,
            max_episode_steps: 30,
            gamma: 0.9,
            step_offset: 0,
            seed: 1,
            stream: 1,
        };
        let played = evaluate(&make, policy.as_mut(), plan, &mut || true).unwrap().unwrap();
        assert_eq!((played.lengths, played.cut_off), (vec![30; 20], 20));
        assert!(
            played.paths.iter().all(|path| path.bootstrap_obs.is_some()),
            "cut off, not terminated"
        );
        assert_eq!(resets.load(Ordering::Relaxed), 20, "one episode each, and no more");

        // Without a limit of the environment's or the plan's there is still one.
        let plan = Plan { episodes: 1, max_episode_steps: 0, ..plan };
        let played = evaluate(&make, policy.as_mut(), plan, &mut || true).unwrap().unwrap();
        assert_eq!(played.lengths, [LONGEST_EPISODE]);

        let mut steps = 0..3;
        let mut three = || steps.next().is_some();
        assert!(evaluate(&make, policy.as_mut(), plan, &mut three).unwrap().is_none());
    });
}

/// What a worker's death cut off is played again from its seed: the numbers are those of an evaluation that
/// nothing interrupted, through every wrapper.
#[test]
fn an_interrupted_episode_is_played_again() {
    within(60, || {
        let run = Run::with(&endless(0), Endless::registry());
        let session = agents::runtime::session::Parts::new(&run.config, &run.registry).unwrap();
        let folder = agents::storage::run_dir::RunDir::open(&run.path).unwrap();
        let mut watch = |_: &agents::runtime::session::Progress| {};
        let session = session.session(&folder, None, crossbeam::channel::never(), &mut watch);
        let mut policy = session.agent.policy();
        policy.load(&session.agent.snapshot(0));
        let kwargs = r#"{"max_episode_steps": 100, "action_repeat": 1}"#;
        let kwargs = serde_json::from_str(kwargs).unwrap();
        let drift = r#"[{"kind": "obs_delay", "steps": 1}]"#;
        let drift: Vec<_> = serde_json::from_str(drift).unwrap();
        let mut play = |cut: fn(u64) -> bool| {
            let registry = interrupted(cut);
            let make = || registry.make_drifting("endless", &kwargs, &drift);
            let plan = Plan {
                episodes: 16,
                max_episode_steps: 0,
                gamma: 0.9,
                step_offset: 0,
                seed: 1,
                stream: 1,
            };
            evaluate(&make, policy.as_mut(), plan, &mut || true).unwrap().unwrap()
        };
        let whole = play(|_| false);
        let again = play(|step| [0, 17, 20, 21, 50, 51, 60].contains(&step));
        assert_eq!(whole.returns, again.returns);
        assert_eq!(whole.lengths, again.lengths);
        assert_eq!(whole.paths, again.paths);
        assert!(whole.returns.iter().all(|&r| (2.0..9.0).contains(&r)), "{:?}", whole.returns);
        assert!(play(|_| true).returns.is_empty(), "interrupted too often: no number");
    });
}

/// Training goes on, and neither its episodes nor its evaluations count what was interrupted.
#[test]
fn an_environment_that_is_always_interrupted_gives_no_number() {
    within(60, || {
        let run = Run::with(&endless(0), interrupted(|_| true));
        let report = run.train().unwrap();
        assert_eq!((report.return_mean, report.episodes), (None, 0));
        let rows = rows(&run.path);
        let counted = |key: &str| rows.iter().filter(|(_, row)| row.contains_key(key)).count();
        assert_eq!(counted("eval/return_mean") + counted("train/episode_return"), 0);
        assert!(
            agents::storage::checkpoint::read_best(&run.path).unwrap().is_none(),
            "no best weights"
        );
    });
}
