//! Fused updates against the readable ones with autograd, and against themselves on other numbers of threads.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use agents::{
    agent::Agent,
    algorithms::{
        dqn::{Dqn, DqnConfig},
        sac::{Sac, SacConfig},
    },
    config::{Config, Exec},
    experience::{Batch, Between, Row, Sequences},
    logging::record::Scalars,
    replay::draws::Sampler,
};
use envs::{ActionSpace, EnvSpec};
use networks::{
    interventions::Clock,
    params::StateDict,
    random::{self, Rng},
};
use tch::{Device, Kind, Tensor};

const D: i64 = 5;

/// Notes the errors that it is told.
#[derive(Default)]
struct Told(Vec<f64>);

impl Sampler for Told {
    fn sample(&mut self, _batch: usize) -> Batch {
        unreachable!("no second batch")
    }
    fn sequences(&mut self, _batch: usize, _steps: usize) -> Sequences {
        unreachable!("no sequences")
    }
    fn report(&mut self, _rows: &[Row], errors: &Tensor) {
        self.0.extend(Vec::<f64>::try_from(errors.to_kind(Kind::Double)).unwrap());
    }
}

struct Case {
    text: &'static str,
    /// Rows of every batch.
    batch: i64,
    /// Steps of its returns.
    n_step: i64,
    /// Whether replay gives weights.
    weighted: bool,
}

impl Case {
    fn config(&self, exec: Exec, threads: usize) -> Config {
        let mut config = Config::parse(self.text, &[]).unwrap();
        config.runtime.exec = exec;
        config.runtime.torch_threads = threads;
        config
    }

    fn agent(&self, exec: Exec, threads: usize, kind: Kind) -> Box<dyn Agent> {
        let config = self.config(exec, threads);
        let mut rng = random::stream(3, 0);
        let mut agent: Box<dyn Agent> = if let Some(sac) = config.agent.settings::<SacConfig>() {
            let spec = EnvSpec::vector(D as usize, ActionSpace::symmetric(3));
            let sac = Sac::new(sac, &spec, Device::Cpu, &mut rng).unwrap();
            Box::new(if kind == Kind::Double { sac.to_kind(kind) } else { sac })
        } else {
            let dqn = config.agent.settings::<DqnConfig>().unwrap();
            let spec = EnvSpec::vector(D as usize, ActionSpace::Discrete(4));
            let dqn = Dqn::new(dqn, &spec, Device::Cpu, &mut rng).unwrap();
            Box::new(if kind == Kind::Double { dqn.to_kind(kind) } else { dqn })
        };
        config.exec(agent.as_mut()).unwrap();
        agent
    }

    fn run_as(
        &self,
        exec: Exec,
        threads: usize,
        updates: u64,
        kind: Kind,
    ) -> (StateDict, Vec<f64>) {
        self.run(self.agent(exec, threads, kind).as_mut(), updates, kind, |update| update == 2)
    }

    fn draw(&self, rng: &mut Rng) -> Batch {
        let b = self.batch;
        let action = if self.text.contains("kind = 'sac'") {
            random::uniform(&[b, 3], -0.99, 0.99, rng)
        } else {
            (random::uniform(&[b, 1], 0.0, 4.0, rng)).floor().clamp(0.0, 3.0).to_kind(Kind::Int64)
        };
        let ended = random::uniform(&[b], 0.0, 1.0, rng).lt(0.2);
        let discount = Tensor::full([b], 0.97, (Kind::Float, Device::Cpu));
        let between = (self.n_step > 1).then(|| Between {
            obs: random::normal(&[b, self.n_step - 1, D], rng),
            discount: random::uniform(&[b, self.n_step - 1], 0.0, 1.0, rng),
        });
        Batch {
            obs: random::normal(&[b, D], rng),
            action,
            reward: random::normal(&[b], rng) * 2.0,
            discount: discount.masked_fill(&ended, 0.0),
            next_obs: random::normal(&[b, D], rng),
            between,
            weights: self.weighted.then(|| random::uniform(&[b], 0.1, 1.0, rng)),
            rows: (0..b as u64).map(|number| Row { env: 0, number, age: 0 }).collect(),
        }
    }

    /// The agent's state, every logged number and every reported error of some updates.
    fn run(
        &self,
        agent: &mut dyn Agent,
        updates: u64,
        kind: Kind,
        look: impl Fn(u64) -> bool,
    ) -> (StateDict, Vec<f64>) {
        let (mut data, mut rng) = (random::stream(5, 0), random::stream(6, 0));
        let (mut numbers, mut told) = (Vec::new(), Told::default());
        for update in 0..updates {
            let b = to_kind(&self.draw(&mut data), kind);
            let mut log = Scalars::default();
            let clock = Clock { env_step: update, update, task: 0, log: true, look: look(update) };
            agent.update(&b, &mut told, clock, &mut rng, &mut log).unwrap();
            numbers.extend(log.take().into_iter().map(|(_, x)| x));
        }
        numbers.append(&mut told.0);
        let mut state = StateDict::new();
        agent.save(&mut state);
        (state, numbers)
    }
}

fn to_kind(b: &Batch, kind: Kind) -> Batch {
    let to = |t: &Tensor| t.to_kind(kind);
    Batch {
        obs: to(&b.obs),
        action: if b.action.kind() == Kind::Int64 { b.action.copy() } else { to(&b.action) },
        reward: to(&b.reward),
        discount: to(&b.discount),
        next_obs: to(&b.next_obs),
        between: b.between.as_ref().map(|b| Between { obs: to(&b.obs), discount: to(&b.discount) }),
        weights: b.weights.as_ref().map(to),
        rows: b.rows.clone(),
    }
}

const SAC: &str = "[agent]\nkind = 'sac'\nactor = { arch = { kind = 'mlp', hidden = [32, 20] }, optim.lr = 0.01 }\n\
                   critic = { arch = { kind = 'mlp', hidden = [24, 40] }, optim.lr = 0.01 }\n";
const DQN: &str = "[agent]\nkind = 'dqn'\nnetwork = { arch = { kind = 'mlp', hidden = [32, 20] }, optim.lr = 0.01 }\n\
                   target = { kind = 'polyak', tau = 0.05 }\n";

/// Text, rows, steps of returns, weights.
fn cases() -> Vec<Case> {
    let case = |text: String, batch, n_step, weighted| Case {
        text: Box::leak(text.into_boxed_str()),
        batch,
        n_step,
        weighted,
    };
    let plain = |more: &str| case(format!("{SAC}{more}"), 33, 1, false);
    let dqn = |more: &str| case(format!("{DQN}{more}"), 33, 1, false);
    let bins = "value = { kind = 'categorical', bins = 21, min = -4.0, max = 4.0 }\n";
    let v2 = "arch = { kind = 'simba_v2', width = 16, blocks = 1 }";
    vec![
        plain(""),
        plain("critics = 1\n"),
        plain("critics = 3\nlog_std = { kind = 'tanh', min = -5.0, max = 1.0 }\n"),
        plain("learn_alpha = false\nalpha = 0.3\npolicy_delay = 3\n"),
        plain("target_networks = false\n"),
        plain(bins),
        case(SAC.to_owned(), 64, 3, true),
        case(format!("{SAC}{bins}"), 7, 2, true),
        case(
            format!("[agent]\nkind = 'sac'\n{bins}actor = {{ {v2} }}\ncritic = {{ {v2} }}\n"),
            20,
            1,
            false,
        ),
        case(
            "[agent]\nkind = 'sac'\nactor = { arch = { kind = 'simba', width = 12, blocks = 1 } }\n\
             critic = { arch = { kind = 'simba', width = 12, blocks = 2 }, optim = { kind = 'adamw', weight_decay = 0.01 } }\n"
                .to_owned(),
            17,
            1,
            false,
        ),
        dqn("double = false\n"),
        dqn("double = true\nhuber_delta = 0.4\n"),
        dqn("double = true\ndueling = true\n"),
        case(format!("{DQN}{bins}dueling = true\n"), 12, 1, true),
        case(DQN.replace("polyak', tau = 0.05", "hard', every_updates = 3"), 48, 1, true),
        case(
            "[agent]\nkind = 'dqn'\n[agent.network]\narch = { kind = 'mlp', hidden = [96], activation = 'tanh', norm = { kind = 'layer_norm' } }\n\
             interventions = [{ kind = 'cbp', maturity_threshold = 2, replacement_rate = 0.05 }, { kind = 'parseval', strength = 0.01 }, { kind = 'l2_init', strength = 0.1 }]\n"
                .to_owned(),
            40,
            1,
            false,
        ),
    ]
}

fn gap(a: &StateDict, b: &StateDict) -> (f64, String) {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    let mut worst = (0.0, String::new());
    for (name, a) in a.iter().filter(|(_, a)| a.numel() > 0) {
        let (a, b) = (a.to_kind(Kind::Double), b[name].to_kind(Kind::Double));
        let gap = (a - &b).abs().max().double_value(&[]) / (1.0 + b.abs().max().double_value(&[]));
        if gap.is_nan() || gap > worst.0 {
            worst = (gap, name.clone());
        }
    }
    worst
}

/// Asserts that a case gives the same state and numbers with and without autograd.
fn compare(case: &Case, updates: u64, kind: Kind, (state, logged): (f64, f64)) {
    let (want, want_numbers) = case.run_as(Exec::Autograd, 1, updates, kind);
    let (got, numbers) = case.run_as(Exec::Fused, 1, updates, kind);
    let (gap, name) = gap(&got, &want);
    assert!(gap < state, "{}: {name} differs by {gap:e}", case.text);
    assert_eq!(numbers.len(), want_numbers.len(), "{}", case.text);
    for (got, want) in numbers.iter().zip(&want_numbers) {
        let gap = (got - want).abs() / (1.0 + want.abs());
        assert!(gap < logged, "{}: {got} instead of {want}", case.text);
    }
}

/// f64: twenty updates, to the last digits. Only the same formulas stay so close.
#[test]
fn twenty_updates_are_autograds() {
    for case in cases() {
        compare(&case, 20, Kind::Double, (1e-10, 1e-9));
    }
}

/// f32: one update, to rounding. More would compare which units rounding switches off.
#[test]
fn one_update_is_autograds_in_f32() {
    for case in cases() {
        compare(&case, 1, Kind::Float, (1e-5, 1e-4));
    }
}

/// Any number of threads gives the same bits. Small batches are one thread's, so these are large.
#[test]
fn threads_change_no_bit() {
    for mut case in cases() {
        case.batch *= 400;
        let (want, numbers) = case.run_as(Exec::Fused, 1, 4, Kind::Float);
        for threads in [2, 4] {
            let (got, others) = case.run_as(Exec::Fused, threads, 4, Kind::Float);
            for (name, want) in &want {
                assert!(got[name].equal(want), "{}: {name} with {threads} threads", case.text);
            }
            assert_eq!(numbers, others, "{}", case.text);
        }
    }
}

/// An update that is looked at leaves gradients for all to see before the optimiser steps; another steps each weight as
/// soon as it has its gradient. Both are the same to the bit.
#[test]
fn looking_changes_no_bit() {
    for case in cases() {
        let run = |look: bool| {
            let mut agent = case.agent(Exec::Fused, 1, Kind::Float);
            case.run(agent.as_mut(), 6, Kind::Float, |_| look).0
        };
        let (seen, unseen) = (run(true), run(false));
        for (name, want) in &unseen {
            assert!(seen[name].equal(want), "{}: {name}", case.text);
        }
    }
}
