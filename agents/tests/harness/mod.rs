//! What the run tests share: a time limit, runs in temporary folders, and what they left on disk.
#![allow(dead_code, reason = "every test file uses a part")]

pub(crate) mod resuming;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, channel},
    },
    thread,
    time::Duration,
};

use agents::{
    agent::{ActMode, Agent, Policy, Snapshot},
    config::Config,
    error::Error,
    experience::Batch,
    logging::{
        metrics::read_rows,
        record::{Row, Scalars},
    },
    replay::draws::Sampler,
    runtime::{
        session::{Parts, Progress, Report},
        train::train,
    },
    storage::{
        checkpoint::{self, Checkpoint},
        run_dir::RunDir,
        state::State,
    },
};
use crossbeam::channel::bounded;
use envs::{Action, ActionSpace, Actions, Env, EnvError, EnvSpec, Registry, Step};
use networks::{
    interventions::Clock,
    model::NonFinite,
    params::{LoadError, StateDict},
    random::Rng,
};
use proptest::{
    strategy::Strategy,
    test_runner::{Config as ProptestConfig, RngSeed, TestRunner},
};
use serde_json::{Map, Value};
use tch::Tensor;
use tempfile::TempDir;

/// How many times longer than on an idle machine a test may take before it counts as a hang.
const SLACK: u64 = 100;

/// Runs `body`, which needs less than `seconds` on an idle machine, on a thread of its own and fails if it
/// takes a hundred times as long: a hang fails one test instead of stopping them all.
pub(crate) fn within<T: Send + 'static>(
    seconds: u64,
    body: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (sender, receiver) = channel();
    let handle = thread::spawn(move || {
        tch::set_num_threads(1);
        let _ = sender.send(body());
    });
    match receiver.recv_timeout(Duration::from_secs(SLACK * seconds)) {
        Ok(value) => {
            handle.join().unwrap();
            value
        }
        Err(RecvTimeoutError::Timeout) => panic!("still running after {SLACK} x {seconds} s"),
        Err(RecvTimeoutError::Disconnected) => match handle.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!("the body sends before it ends"),
        },
    }
}

/// Runs `test` on 150 random cases with a seed each, under a hang guard: a sampler that finds nothing searches
/// forever.
pub(crate) fn holds<S>(cases: fn() -> S, test: fn(&S::Value, u64))
where
    S: Strategy + 'static,
    S::Value: std::fmt::Debug + 'static,
{
    within(60, move || {
        let config = ProptestConfig {
            cases: 150,
            failure_persistence: None, // the cases are the same on every machine
            rng_seed: RngSeed::Fixed(1),
            ..ProptestConfig::default()
        };
        let outcome = TestRunner::new(config).run(&(cases(), 0u64..1000), |(case, seed)| {
            test(&case, seed);
            Ok(())
        });
        outcome.unwrap_or_else(|e| panic!("{e}"));
    });
}

/// A configuration from TOML.
pub(crate) fn config(text: &str) -> Config {
    Config::parse(text, &[]).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// Agent, statistics and diagnostics of a small SimbaV2.
pub(crate) const SIMBA_V2: &str = "
    diagnostics = { every_updates = 10, rank_every_updates = 30, probe_size = 16 }
    normalize = { obs = true, reward = { kind = 'return_scale', order = 'after_update' } }
    [agent]
    kind = 'sac'
    gamma = 0.9
    alpha = 0.01
    value = { kind = 'categorical', bins = 21, min = -5.0, max = 5.0 }
    log_std = { kind = 'tanh', min = -10.0, max = 2.0 }
    alpha_optim = { lr = 0.01, schedule = { kind = 'linear', end_factor = 0.5, updates = 90 } }
    actor.arch = { kind = 'simba_v2', width = 12, blocks = 1 }
    actor.optim = { lr = 0.01 }
    critic.arch = { kind = 'simba_v2', width = 12, blocks = 2 }
    critic.optim = { lr = 0.01, schedule = { kind = 'linear', end_factor = 0.5, updates = 90 } }
";

/// A run folder that is removed with this value.
pub(crate) struct Run {
    _temporary: TempDir,
    pub(crate) path: PathBuf,
    pub(crate) config: Config,
    pub(crate) registry: Registry,
    /// Whether Ctrl-C is pressed before training begins.
    pub(crate) stop_before: bool,
}

impl Run {
    pub(crate) fn new(config: &Config) -> Run {
        Run::with(config, Registry::builtin())
    }

    pub(crate) fn with(config: &Config, registry: Registry) -> Run {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("run");
        drop(RunDir::create(&path, config).unwrap());
        Run { _temporary: temporary, path, config: config.clone(), registry, stop_before: false }
    }

    /// Trains to the end.
    pub(crate) fn train(&self) -> Result<Report, Error> {
        self.go(None, None, &mut |_| false)
    }

    /// Trains with an agent of the test's own.
    pub(crate) fn train_agent(&self, agent: impl Agent + 'static) -> Result<Report, Error> {
        self.go(None, Some(Box::new(agent)), &mut |_| false)
    }

    /// Trains until `stop` answers true, which is like Ctrl-C at that moment.
    pub(crate) fn train_until(
        &self,
        stop: &mut dyn FnMut(&Progress) -> bool,
    ) -> Result<Report, Error> {
        self.go(None, None, stop)
    }

    /// Resumes from the newest checkpoint on disk that is whole.
    pub(crate) fn resume(&self) -> Result<Report, Error> {
        self.go(Some(self.newest()), None, &mut |_| false)
    }

    pub(crate) fn go(
        &self,
        resume: Option<Checkpoint>,
        agent: Option<Box<dyn Agent>>,
        stop: &mut dyn FnMut(&Progress) -> bool,
    ) -> Result<Report, Error> {
        let run = RunDir::open(&self.path)?;
        let (asked, stopped) = bounded(1);
        if self.stop_before {
            asked.send(()).unwrap();
        }
        let mut watch = |p: &Progress| {
            if stop(p) {
                let _ = asked.try_send(());
            }
        };
        let parts = Parts::new(&self.config, &self.registry)?;
        let mut session = parts.session(&run, resume, stopped, &mut watch);
        if let Some(agent) = agent {
            session.agent = agent;
        }
        train(session)
    }

    pub(crate) fn newest(&self) -> Checkpoint {
        checkpoint::read_newest(&self.path).unwrap().0
    }

    /// Names of the checkpoints of a kind, oldest first.
    pub(crate) fn checkpoints(&self, kind: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path.join("checkpoints")) else { return Vec::new() };
        let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|n| n.starts_with(kind)).collect();
        names.sort();
        names
    }

    /// What the run left, without anything that depends on the clock.
    pub(crate) fn outcome(&self) -> Outcome {
        let checkpoint = self.newest();
        let file = |name: &str| fs::read(checkpoint.path.join(name)).unwrap();
        let best = checkpoint::read_best(&self.path).unwrap();
        Outcome {
            model: file("model.safetensors"),
            replay: file("replay.safetensors"),
            best: best
                .map(|b| (fs::read(b.path.join("model.safetensors")).unwrap(), timeless(b.state))),
            state: timeless(checkpoint.state),
            rows: rows(&self.path),
        }
    }
}

/// Everything two equal runs have in common, bit for bit.
pub(crate) struct Outcome {
    pub(crate) model: Vec<u8>,
    pub(crate) replay: Vec<u8>,
    pub(crate) state: State,
    pub(crate) best: Option<(Vec<u8>, State)>,
    pub(crate) rows: Vec<(u64, Map<String, Value>)>,
}

impl Outcome {
    /// Fails with the name of the first part that differs.
    pub(crate) fn assert_equals(&self, other: &Outcome, what: &str) {
        assert_eq!(self.state, other.state, "{what}: state.json");
        for (i, (a, b)) in self.rows.iter().zip(&other.rows).enumerate() {
            assert_eq!(a, b, "{what}: row {i} of metrics.jsonl");
        }
        assert_eq!(self.rows.len(), other.rows.len(), "{what}: rows of metrics.jsonl");
        assert!(self.replay == other.replay, "{what}: replay.safetensors differs");
        assert!(self.model == other.model, "{what}: model.safetensors differs");
        assert!(self.best == other.best, "{what}: the best checkpoint differs");
    }
}

/// Without the clock, and without the configuration, which equal runs may differ in (threads).
pub(crate) fn timeless(state: State) -> State {
    State { wall_s: 0.0, config: None, ..state }
}

/// The rows of `metrics.jsonl` without times. Evaluations come after the other rows of their step:
/// their place in the file depends on when the evaluator was done.
pub(crate) fn rows(run: &Path) -> Vec<(u64, Map<String, Value>)> {
    let timed = |tag: &String| tag.starts_with("time/");
    let mut rows: Vec<_> = read_rows(&run.join("metrics.jsonl"), u64::MAX)
        .unwrap()
        .into_iter()
        .map(|row| (row.step, by_tag(row)))
        .filter(|(_, values)| !values.keys().all(timed))
        .collect();
    rows.sort_by_key(|(step, metrics)| (*step, metrics.contains_key("eval/return_mean")));
    rows
}

/// Everything in a row: numbers, histograms and texts.
pub(crate) fn by_tag(row: Row) -> Map<String, Value> {
    let mut values = row.metrics;
    values.extend(row.histograms.into_iter().map(|(tag, h)| (tag, serde_json::json!(h))));
    values.extend(row.texts.into_iter().map(|(tag, text)| (tag, text.into())));
    values
}

/// An agent that learns nothing: what happens in an update is up to the test.
pub(crate) struct Scripted<F> {
    pub(crate) on_update: F,
    /// Parameter reported as not finite from this update on.
    pub(crate) bad_from: u64,
    pub(crate) updates: u64,
}

pub(crate) fn scripted<F: FnMut(u64) + Send>(on_update: F) -> Scripted<F> {
    Scripted { on_update, bad_from: u64::MAX, updates: 0 }
}

impl<F: FnMut(u64) + Send> Agent for Scripted<F> {
    fn update(
        &mut self,
        _batch: &Batch,
        _replay: &mut dyn Sampler,
        clock: Clock,
        _rng: &mut Rng,
        log: &mut Scalars,
    ) -> Result<(), NonFinite> {
        (self.on_update)(clock.update);
        self.updates += 1;
        for i in 0..20 {
            log.scalar(&format!("scripted/{i}"), clock.update as f64 + 0.1);
        }
        Ok(())
    }

    fn policy(&self) -> Box<dyn Policy> {
        Box::new(AlwaysZero)
    }

    fn snapshot(&self, version: u64) -> Snapshot {
        Snapshot { version, policy: Arc::from([0.0]), obs: None }
    }

    fn save(&self, out: &mut StateDict) {
        out.insert("scripted".to_owned(), Tensor::from_slice(&[self.updates as i64]));
    }

    fn load(&mut self, from: &StateDict) -> Result<(), LoadError> {
        self.updates = from["scripted"].int64_value(&[0]) as u64;
        Ok(())
    }

    fn first_non_finite(&self) -> Option<String> {
        (self.updates >= self.bad_from).then(|| "scripted/weight".to_owned())
    }
}

struct AlwaysZero;

impl Policy for AlwaysZero {
    fn load(&mut self, _snapshot: &Snapshot) {}

    fn act(&mut self, _obs: &[f32], n: usize, _explore: ActMode, _rng: &mut Rng) -> Actions {
        Actions::Discrete(vec![0; n])
    }
}

/// An environment that counts: the observation is `[episode, t]`, the reward of the step from `t`
/// is `t`. Episodes end after 3 to 12 steps, some by termination, some by truncation.
#[derive(Clone)]
pub(crate) struct Counting {
    pub(crate) can_save: bool,
    episode: u32,
    t: u32,
}

impl Counting {
    pub(crate) fn registry(can_save: bool) -> Registry {
        let mut registry = Registry::default();
        registry.insert("counting", move || Ok(Counting { can_save, episode: 0, t: 0 }));
        registry
    }

    /// Steps of an episode, and whether it ends by termination.
    pub(crate) fn law(episode: u32) -> (u32, bool) {
        (3 + episode % 10, episode.is_multiple_of(2))
    }

    fn write(&self, obs: &mut [f32]) {
        obs.copy_from_slice(&[self.episode as f32, self.t as f32]);
    }
}

impl Env for Counting {
    fn spec(&self) -> EnvSpec {
        EnvSpec::vector(2, ActionSpace::Discrete(2))
    }

    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        (self.episode, self.t) = ((seed % (1 << 20)) as u32, 0);
        self.write(obs);
        Ok(())
    }

    fn step(&mut self, _action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        let reward = self.t as f32;
        self.t += 1;
        self.write(obs);
        let (length, terminates) = Counting::law(self.episode);
        let over = self.t == length;
        Ok(Step { reward, terminated: over && terminates, truncated: over && !terminates })
    }

    fn state(&mut self) -> Option<&mut dyn envs::State> {
        self.can_save.then_some(self)
    }
}

impl envs::State for Counting {
    fn save(&self) -> Vec<u8> {
        [self.episode.to_le_bytes(), self.t.to_le_bytes()].concat()
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), EnvError> {
        self.episode = u32::from_le_bytes(bytes[..4].try_into()?);
        self.t = u32::from_le_bytes(bytes[4..].try_into()?);
        Ok(())
    }
}
