//! What an agent makes of a batch: churn, disagreement and bias by their published definitions, and in
//! a run whose values are known.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use std::{fs, path::Path};

use agents::{
    agent::{Agent, InterventionCount, Policy, Snapshot},
    config::Config,
    diagnostics::{
        agreement::{
            action_churn, disagreement, gaussian_kl, greedy_churn, value_churn, value_drift,
        },
        config::DueTiers,
        diagnostic::Measure,
        probe::{BatchView, Choices, overestimation},
        registry::Diagnostics,
    },
    experience::Batch,
    logging::record::Scalars,
    replay::draws::{NoReplay, Sampler},
};
use envs::{ActionSpace, EnvSpec};
use harness::{Counting, Run, SIMBA_V2, Scripted, config, rows, scripted, within};
use networks::{
    interventions::Clock,
    model::NonFinite,
    params::{LoadError, StateDict},
    random::{self, Rng},
};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

/// The churn and overestimation parts of `rl_cl_metrics`.
fn vectors() -> Value {
    let file = "../networks/tests/golden/vectors_plasticity.json";
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["rl_cl_metrics"].take()
}

fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn matrix(v: &Value) -> Tensor {
    let rows: Vec<Tensor> =
        v.as_array().unwrap().iter().map(|r| Tensor::from_slice(&numbers(r))).collect();
    Tensor::stack(&rows, 0)
}

fn close(got: f64, want: f64) {
    assert!((got - want).abs() <= 1e-12 * (1.0 + want.abs()), "{got} is not {want}");
}

#[test]
fn churn_is_as_published() {
    let v = &vectors()["churn"];
    let (before, after) = (matrix(&v["Q_before"]), matrix(&v["Q_after"]));
    close(greedy_churn(&before, &after), v["argmax_changed"].as_f64().unwrap());
    close(value_churn(&before, &after), v["value_churn_l1"].as_f64().unwrap());
    close(value_drift(&before, &after), (&after - &before).mean(Kind::Double).double_value(&[]));
    assert!(value_drift(&before, &after) < 0.0, "they fall on average");
}

#[test]
fn overestimation_is_as_published() {
    let v = &vectors()["overestimation"];
    let (bias, normalized) = overestimation(&numbers(&v["q_pred"]), &numbers(&v["mc_return"]));
    close(bias, v["bias"].as_f64().unwrap());
    close(normalized, v["normalised"].as_f64().unwrap());
    // Over the size of the mean, not the mean size.
    assert_eq!(overestimation(&[2.0, 0.0], &[-3.0, 1.0]), (2.0, 2.0));
}

/// By hand: `log(s1/s0) + (s0^2 + (m0 - m1)^2) / (2 s1^2) - 1/2`, summed over components.
#[test]
fn kl_of_gaussians_is_its_formula() {
    let row = |values: [f64; 2]| Tensor::from_slice(&values).view([1, 2]);
    let (m0, s0) = (row([1.0, -0.5]), row([0.0, 0.5]));
    let (m1, s1) = (row([0.0, 0.5]), row([1.0, 0.5]));
    let first = 1.0 + (1.0 + 1.0) / (2.0 * 2f64.exp()) - 0.5;
    let second = (1f64.exp() + 1.0) / (2.0 * 1f64.exp()) - 0.5;
    close(gaussian_kl((&m0, &s0), (&m1, &s1)), first + second);
    close(gaussian_kl((&m0, &s0), (&m0, &s0)), 0.0);
    close(action_churn(&m0, &m1), 0.5 * 1f64.tanh() + 0.5f64.tanh());
}

#[test]
fn disagreement_is_relative() {
    let critic = |values: [f64; 2]| Tensor::from_slice(&values);
    close(disagreement(&[critic([1.0, -4.0]), critic([3.0, -4.0])]), (1.0 / 2.0) / 3.0);
    close(disagreement(&[critic([5.0, 1.0])]), 0.0);
}

fn batch() -> Batch {
    let mut rng = random::stream(2, 0);
    Batch {
        obs: random::normal(&[32, 3], &mut rng),
        action: random::normal(&[32, 1], &mut rng).tanh(),
        reward: random::normal(&[32], &mut rng),
        discount: Tensor::full([32], 0.9, (Kind::Float, Device::Cpu)),
        next_obs: random::normal(&[32, 3], &mut rng),
        between: None,
        weights: None,
        rows: Vec::new(),
    }
}

fn churn(before: &BatchView, after: &BatchView) -> Vec<Measure> {
    Diagnostics::builtin().of_update(before, after, DueTiers::ALL)
}

/// Compared with itself a view says 0; after an update everything that can move did, under the
/// documented names.
#[test]
fn an_update_churns_and_standing_still_does_not() {
    let dqn = ["q/policy_churn", "q/value_churn", "q/value_drift"];
    let sac = ["critic/value_churn", "critic/value_drift", "actor/policy_churn", "actor/policy_kl"];
    for ((mut agent, batch, mut rng), names) in agents().into_iter().zip([&dqn[..], &sac]) {
        let before = agent.batch_view(&batch).unwrap();
        for m in churn(&before, &agent.batch_view(&batch).unwrap()) {
            assert!(m.value.abs() < 1e-7, "{} of nothing is {}", m.tag(), m.value);
        }
        let clock = Clock { update: 0, env_step: 0, task: 0, log: false, look: false };
        agent.update(&batch, &mut NoReplay, clock, &mut rng, &mut Scalars::default()).unwrap();
        let churn = churn(&before, &agent.batch_view(&batch).unwrap());
        let mut found: Vec<String> =
            churn.iter().map(|m| format!("{}/{}", m.net, m.measure)).collect();
        found.sort();
        let mut names: Vec<&str> = names.to_vec();
        names.sort_unstable();
        assert_eq!(found, names);
        for m in churn {
            // With two actions and one update the best may stay the same everywhere.
            let moved = m.value != 0.0 || (m.net.as_str(), m.measure) == ("q", "policy_churn");
            assert!(m.value.is_finite() && moved, "{}", m.tag());
        }
    }
}

/// Both kinds of agent, a batch for each, and what an update of it takes.
fn agents() -> [(Box<dyn Agent>, Batch, Rng); 2] {
    let dqn = "[agent]\nkind = 'dqn'\nnetwork.arch = { kind = 'mlp', hidden = [6] }\n\
               network.optim.lr = 0.1\ntarget = { kind = 'hard', every_updates = 100 }";
    let sac = format!("total_steps = 10\n{SIMBA_V2}");
    let choices = Tensor::zeros([32, 1], (Kind::Int64, Device::Cpu));
    [
        (dqn, ActionSpace::Discrete(2), choices),
        (sac.as_str(), ActionSpace::symmetric(1), batch().action),
    ]
    .map(|(text, space, action)| {
        let mut rng = random::stream(1, 0);
        let spec = EnvSpec::vector(3, space);
        let agent = config(text).build_agent(&spec, Device::Cpu, &mut rng).unwrap();
        (agent, Batch { action, ..batch() }, rng)
    })
}

fn target_gap(agent: &dyn Agent, batch: &Batch) -> f64 {
    let view = agent.batch_view(batch).unwrap();
    let measures = Diagnostics::builtin().of_batch(&view, DueTiers::ALL);
    measures.iter().find(|m| m.measure == "target_gap").unwrap().value
}

/// Targets are the networks' own at first, and behind them after an update.
#[test]
fn targets_lag_behind() {
    for (mut agent, batch, mut rng) in agents() {
        assert_eq!(target_gap(agent.as_ref(), &batch), 0.0);
        let clock = Clock::default();
        agent.update(&batch, &mut NoReplay, clock, &mut rng, &mut Scalars::default()).unwrap();
        assert!(target_gap(agent.as_ref(), &batch) > 1e-4);
    }
}

/// The value of a state is that of the best action (DQN), or of the policy's by the critic that thinks
/// least of it (SAC).
#[test]
fn values_are_of_what_would_be_done() {
    for (mut agent, mut batch, mut rng) in agents() {
        // Critics that agree would not tell the lowest.
        let clock = Clock::default();
        agent.update(&batch, &mut NoReplay, clock, &mut rng, &mut Scalars::default()).unwrap();
        let obs = Vec::<f32>::try_from(&batch.obs.flatten(0, -1)).unwrap();
        let (got, _) = agent.value(&obs, &mut rng).unwrap();
        let got = Tensor::from_slice(&got);
        let batch_view = agent.batch_view(&batch).unwrap();
        let want = match &batch_view.policy.1 {
            Choices::Greedy(q) => q.amax([-1i64].as_slice(), false),
            Choices::Gaussian { mean, .. } => {
                batch.action = mean.tanh();
                let of_mode = agent.batch_view(&batch).unwrap().values.1;
                let [a, b] = of_mode.as_slice() else { panic!("two critics") };
                assert!((a - b).abs().max().double_value(&[]) > 1e-3, "they agree");
                // Of whole rows: each has its own lowest critic.
                a.minimum(b)
            }
        };
        let gap = (got - want.to_kind(Kind::Double).view([-1])).abs().max().double_value(&[]);
        assert!(gap < 1e-5, "{gap:e}");
    }
}

/// A scripted agent that says every state is worth 7, and 0.5 for every step's entropy.
struct Sure<F>(Scripted<F>);

impl<F: FnMut(u64) + Send> Agent for Sure<F> {
    fn update(
        &mut self,
        batch: &Batch,
        replay: &mut dyn Sampler,
        clock: Clock,
        rng: &mut Rng,
        log: &mut Scalars,
    ) -> Result<(), NonFinite> {
        self.0.update(batch, replay, clock, rng, log)
    }
    fn value(&self, obs: &[f32], _rng: &mut Rng) -> Option<(Vec<f64>, f64)> {
        Some((vec![7.0; obs.len() / 2], 0.5))
    }
    fn intervention_counts(&self) -> Vec<InterventionCount> {
        vec![InterventionCount { net: "q".to_owned(), kind: "cbp", count: self.0.updates }]
    }
    fn policy(&self) -> Box<dyn Policy> {
        self.0.policy()
    }
    fn snapshot(&self, version: u64) -> Snapshot {
        self.0.snapshot(version)
    }
    fn save(&self, out: &mut StateDict) {
        self.0.save(out);
    }
    fn load(&mut self, from: &StateDict) -> Result<(), LoadError> {
        self.0.load(from)
    }
    fn first_non_finite(&self) -> Option<String> {
        self.0.first_non_finite()
    }
}

/// [`Counting`] pays `t` at step `t`, so what came can be written down: with `gamma` 0.5, rewards,
/// bonuses of the steps after the first, and 7 for what follows a cut.
#[test]
fn the_bias_of_a_run_is_against_what_came() {
    let config: Config = config(
        "total_steps = 40
        env.name = 'counting'
        runtime.torch_threads = 1
        replay = { capacity = 100, batch_size = 4, learning_starts = 20 }
        eval = { every_steps = 20, episodes = 3 }
        [agent]
        kind = 'dqn'
        gamma = 0.5",
    );
    within(60, move || {
        let run = Run::with(&config, Counting::registry(true));
        let report = run.train_agent(Sure(scripted(|_| {}))).unwrap();
        assert_eq!(report.interventions[0].count, report.updates);
        let rows = rows(&run.path);
        let evaluated: Vec<_> = rows.iter().filter(|(_, row)| row.contains_key("q/bias")).collect();
        assert!(evaluated.len() >= 2, "{rows:?}");
        for (step, row) in evaluated {
            let number = |tag: &str| row[tag].as_f64().unwrap();
            // All evaluations play the same episodes; their lengths tell which.
            let mean_return = number("eval/return_mean");
            let candidates = Outcomes::all();
            let matching: Vec<&Outcomes> = candidates
                .iter()
                .filter(|o| {
                    (o.return_ - mean_return).abs() < 1e-9
                        && (o.length - number("eval/episode_length")).abs() < 1e-9
                        && (7.0 - o.came - number("q/bias")).abs() < 1e-9
                })
                .collect();
            assert!(!matching.is_empty(), "step {step}: {row:?}");
            let normalized = number("q/bias") / matching[0].came.abs();
            close(number("q/bias_normalized"), normalized);
        }
    });
}

/// Means over three episodes of [`Counting`].
struct Outcomes {
    return_: f64,
    length: f64,
    came: f64,
}

impl Outcomes {
    fn of(episode: u32) -> (f64, f64, f64) {
        let (length, terminates) = Counting::law(episode);
        let gamma = |t: u32| 0.5f64.powi(t as i32);
        let rewards: f64 = (0..length).map(|t| gamma(t) * f64::from(t)).sum();
        // The last state of a terminated episode is no state to act in.
        let last = if terminates { length - 1 } else { length };
        let bonuses: f64 = (1..=last).map(|t| gamma(t) * 0.5).sum();
        let rest = if terminates { 0.0 } else { gamma(length) * 7.0 };
        let return_ = f64::from(length * (length - 1) / 2);
        (return_, f64::from(length), rewards + bonuses + rest)
    }

    /// Of all triples of kinds of episodes: there are ten.
    fn all() -> Vec<Outcomes> {
        let kinds: Vec<_> = (0..10).map(Outcomes::of).collect();
        let mut out = Vec::new();
        for a in 0..10 {
            for b in a..10 {
                for c in b..10 {
                    let mean = |f: fn(&(f64, f64, f64)) -> f64| {
                        (f(&kinds[a]) + f(&kinds[b]) + f(&kinds[c])) / 3.0
                    };
                    out.push(Outcomes {
                        return_: mean(|k| k.0),
                        length: mean(|k| k.1),
                        came: mean(|k| k.2),
                    });
                }
            }
        }
        out
    }
}
