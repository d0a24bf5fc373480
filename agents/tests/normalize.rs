//! Running statistics and the choice among critics against `vectors_simbav2.json` (in f64, to
//! 1e-10), and what an agent behind them sees and counts.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use agents::config::Config;
use agents::{
    agent::{ActMode, Agent, Policy, Snapshot},
    algorithms::gamma_heuristic,
    experience::{Batch, Experience, Row, Sequences},
    logging::record::Scalars,
    normalize::{
        Normalized,
        moments::{ReturnScale, ReturnScaleConfig, RunningMoments},
    },
    replay::draws::{NoReplay, Sampler},
    value::ValueConfig,
};
use envs::{ActionSpace, Actions, EnvSpec, Outcome};
use harness::{Run, config, within};
use networks::{
    interventions::Clock,
    model::NonFinite,
    params::{LoadError, StateDict},
    random::{self, Rng},
};
use serde_json::Value;
use tch::{Kind, Tensor};

fn vectors() -> Value {
    let path = "../networks/tests/golden/vectors_simbav2.json";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// All numbers below, in order.
fn flat(v: &Value) -> Vec<f64> {
    match v {
        Value::Array(list) => list.iter().flat_map(flat).collect(),
        Value::Bool(b) => vec![f64::from(u8::from(*b))],
        other => vec![other.as_f64().unwrap()],
    }
}

fn close(got: &[f64], want: &Value, what: &str) {
    let want = flat(want);
    assert_eq!(got.len(), want.len(), "{what}");
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= 1e-10 * want.abs().max(1.0), "{what}: {got}, not {want}");
    }
}

/// What `config` puts around `inner`.
fn wrap(inner: Box<dyn Agent>, config: &Config, spec: &EnvSpec) -> Box<dyn Agent> {
    let (gamma, envs) = (config.agent.gamma(), config.runtime.envs());
    Normalized::wrap(inner, &config.normalize, spec, gamma, envs)
}

#[test]
fn observation_moments() {
    let v = vectors();
    let cases = v.as_object().unwrap().iter().filter(|(name, _)| name.starts_with("rsnorm"));
    for (name, case) in cases {
        let steps = case["obs"].as_array().unwrap();
        let mut moments = RunningMoments::new(steps[0][0].as_array().unwrap().len());
        for (step, want) in steps.iter().zip(case["trace"].as_array().unwrap()) {
            let obs = flat(step);
            moments.update(&obs);
            close(&moments.mean, &want["mean"], name);
            close(&moments.var, &want["var"], name);
            close(&[moments.count], &want["count"], name);
            if let Some(normalised) = want.get("normalised") {
                let rows = Tensor::from_slice(&obs).view([-1, moments.mean.len() as i64]);
                let got = moments.apply_tensor(&rows).flatten(0, -1);
                close(&Vec::try_from(&got).unwrap(), normalised, name);
            }
        }
    }
}

#[test]
fn return_scale() {
    let v = vectors();
    let cases = v.as_object().unwrap().iter().filter(|(name, _)| name.starts_with("reward_scaler"));
    for (name, case) in cases {
        let f = |key: &str| case[key].as_f64().unwrap();
        let config = ReturnScaleConfig { bound: f("g_max"), ..ReturnScaleConfig::default() };
        let envs = case["reward"][0].as_array().unwrap().len();
        let mut scale = ReturnScale::new(config, f("gamma"), envs);
        for (t, want) in case["trace"].as_array().unwrap().iter().enumerate() {
            let ends = flat(&case["terminated"][t]).into_iter().zip(flat(&case["truncated"][t]));
            let ended: Vec<bool> = ends.map(|(a, b)| a + b > 0.0).collect();
            scale.observe(&flat(&case["reward"][t]), &ended);
            close(&scale.returns, &want["G"], name);
            close(&scale.moments.mean, &want["mean"], name);
            close(&scale.moments.var, &want["var"], name);
            close(&[scale.moments.count], &want["count"], name);
            close(&[scale.largest], &want["G_r_max"], name);
            close(&[scale.denominator()], &want["denominator"], name);
        }
    }
}

#[test]
fn discount_by_episode_length() {
    for row in vectors()["gamma_heuristic"].as_array().unwrap() {
        let f = |key: &str| row[key].as_f64().unwrap();
        let gamma = gamma_heuristic(f("max_episode_steps") / f("action_repeat"));
        assert!((gamma - f("gamma")).abs() < 1e-15, "{row}: {gamma}");
    }
}

#[test]
fn the_lowest_critic_by_expected_value() {
    let case = &vectors()["cdq_select"];
    let critics: Vec<Tensor> = case["qs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|q| Tensor::from_slice(&flat(q)).unsqueeze(1))
        .collect();
    let lowest = Vec::<f64>::try_from(&ValueConfig::Scalar {}.min_critic(&critics).squeeze_dim(1));
    for ((i, lowest), index) in lowest.unwrap().iter().enumerate().zip(flat(&case["index"])) {
        assert_eq!(*lowest, critics[index as usize].double_value(&[i as i64, 0]));
    }
}

/// What an agent and its policies are shown, written down.
#[derive(Clone, Default)]
struct Tape(Arc<Mutex<Vec<Vec<f32>>>>);

impl Tape {
    fn note(&self, row: Vec<f32>) {
        self.0.lock().unwrap().push(row);
    }
    fn take(&self) -> Vec<Vec<f32>> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

fn host(t: &Tensor) -> Vec<f32> {
    Vec::try_from(&t.to_kind(Kind::Float).flatten(0, -1)).unwrap()
}

impl Agent for Tape {
    fn update(
        &mut self,
        b: &Batch,
        replay: &mut dyn Sampler,
        _clock: Clock,
        _rng: &mut Rng,
        _log: &mut Scalars,
    ) -> Result<(), NonFinite> {
        self.note([&b.obs, &b.next_obs, &b.reward].into_iter().flat_map(host).collect());
        if b.weights.is_some() {
            let second = replay.sample(1);
            self.note([&second.obs, &second.next_obs, &second.reward].map(host).concat());
            let s = replay.sequences(1, 2);
            self.note([&s.obs, &s.reward].map(host).concat());
            replay.report(&b.rows, &b.reward);
        }
        Ok(())
    }
    fn policy(&self) -> Box<dyn Policy> {
        Box::new(self.clone())
    }
    fn snapshot(&self, version: u64) -> Snapshot {
        Snapshot { version, policy: Arc::from([]), obs: None }
    }
    fn save(&self, _out: &mut StateDict) {}
    fn load(&mut self, _from: &StateDict) -> Result<(), LoadError> {
        Ok(())
    }
    fn first_non_finite(&self) -> Option<String> {
        None
    }
}

impl Policy for Tape {
    fn load(&mut self, _snapshot: &Snapshot) {}
    fn act(&mut self, obs: &[f32], n: usize, _explore: ActMode, _rng: &mut Rng) -> Actions {
        self.note(obs.to_vec());
        Actions::Discrete(vec![0; n])
    }
}

const BOTH: &str = "[normalize]\nobs = true\nreward = { kind = 'return_scale' }\n\
                    [runtime]\nactors = 2\nenvs_per_actor = 1\n[agent]\nkind = 'dqn'\ngamma = 0.5";

/// A step of one environment with one observation component.
fn experience(reward: f32, next: f32, reset: Option<f32>) -> Experience {
    Experience {
        actions: Actions::Discrete(vec![0]),
        outcomes: vec![Outcome {
            reward,
            terminated: reset.is_some(),
            truncated: false,
            task: 0,
            episode: None,
        }],
        next_obs: vec![next],
        reset_obs: reset.into_iter().collect(),
    }
}

/// From observation 3 to 50.
fn batch(reward: f32) -> Batch {
    let column = |x: f32| Tensor::from_slice(&[x]).view([1, 1]);
    Batch {
        obs: column(3.0),
        action: Tensor::from_slice(&[0i64]).view([1, 1]),
        reward: Tensor::from_slice(&[reward]),
        discount: Tensor::from_slice(&[0.5f32]),
        next_obs: column(50.0),
        between: None,
        weights: None,
        rows: Vec::new(),
    }
}

/// After 500 rewards of 0 a reward of 1 is drawn in the round that it comes in. With the official code's order it is
/// divided by a scale that has seen zeros alone.
#[test]
fn the_first_reward_after_silence_is_within_the_bound() {
    for (order, largest) in
        [("", 5.0), ("order = 'before_update',", 5.0), ("order = 'after_update',", 1e9)]
    {
        let text = BOTH.replace("kind = 'return_scale'", &format!("{order} kind = 'return_scale'"));
        let spec = EnvSpec::vector(1, ActionSpace::Discrete(2));
        let tape = Tape::default();
        let mut agent = wrap(Box::new(tape.clone()), &config(&text), &spec);
        let mut seen = 0.0;
        for step in 0..=500 {
            let reward = if step == 500 { 1.0 } else { 0.0 };
            let round = [experience(reward, 3.0, None), experience(0.0, 9.0, None)];
            agent.receive(&round);
            let (mut rng, mut log) = (random::stream(1, 0), Scalars::default());
            agent
                .update(&batch(reward), &mut NoReplay, Clock::default(), &mut rng, &mut log)
                .unwrap();
            seen = tape.take()[0][2];
            agent.observe(&round);
        }
        assert!(seen <= largest && (largest < 10.0 || seen > 1_000.0), "{order}: {seen}");
    }
}

/// A replay of one transition, which notes the errors it is told.
struct One(Vec<f32>);

impl Sampler for One {
    fn sample(&mut self, _batch: usize) -> Batch {
        batch(6.0)
    }
    fn sequences(&mut self, _batch: usize, _steps: usize) -> Sequences {
        Sequences {
            obs: Tensor::from_slice(&[3f32, 50.0, 50.0]).view([1, 3, 1]),
            action: Tensor::from_slice(&[0i64, 0]).view([1, 2, 1]),
            reward: Tensor::from_slice(&[6f32, 0.0]).view([1, 2]),
            discount: Tensor::from_slice(&[0f32, 0.0]).view([1, 2]),
            mask: Tensor::from_slice(&[1f32, 0.0]).view([1, 2]),
            weights: None,
            rows: Vec::new(),
        }
    }
    fn report(&mut self, _rows: &[Row], errors: &Tensor) {
        self.0.extend(host(errors));
    }
}

/// What an agent draws during an update is normalised as the batch it was given.
#[test]
fn second_batches_and_sequences_are_normalised_too() {
    let spec = EnvSpec::vector(1, ActionSpace::Discrete(2));
    let tape = Tape::default();
    let mut agent = wrap(Box::new(tape.clone()), &config(BOTH), &spec);
    let round = [experience(1.0, 3.0, None), experience(-2.0, 9.0, None)];
    agent.receive(&round);
    agent.observe(&round);
    let rows = vec![Row { env: 0, number: 0, age: 0 }];
    let b = Batch { weights: Some(Tensor::from_slice(&[1f32])), rows, ..batch(6.0) };
    let (mut replay, mut log) = (One(Vec::new()), Scalars::default());
    agent.update(&b, &mut replay, Clock::default(), &mut random::stream(1, 0), &mut log).unwrap();
    let [first, second, sequence] = tape.take().try_into().unwrap();
    assert_eq!(second, first);
    let [obs, next, reward] = first[..] else { panic!("{first:?}") };
    assert!(reward > 0.0 && reward != 6.0 && obs != 3.0);
    assert_eq!(sequence, [obs, next, next, reward, 0.0]);
    assert_eq!(replay.0, [reward]);
}

/// Two actors for two rounds. Counted are the observations that the next actions answer, all
/// environments of a round as one batch: 3 and 9, then 2 and 20 (the reset observation, not the
/// terminal 50).
#[test]
fn an_agent_behind_statistics() {
    let config = config(BOTH);
    let spec = EnvSpec::vector(1, ActionSpace::Discrete(2));
    let tape = Tape::default();
    let mut agent = wrap(Box::new(tape.clone()), &config, &spec);
    let mut fresh = agent.policy();
    for round in [
        [experience(1.0, 3.0, None), experience(-2.0, 9.0, None)],
        [experience(0.0, 2.0, None), experience(4.0, 50.0, Some(20.0))],
    ] {
        agent.receive(&round);
        agent.observe(&round);
    }

    let mut moments = RunningMoments::new(1);
    moments.update(&[3.0, 9.0]);
    moments.update(&[2.0, 20.0]);
    let mut scale = ReturnScale::new(ReturnScaleConfig::default(), 0.5, 2);
    scale.observe(&[1.0, -2.0], &[false, false]);
    scale.observe(&[0.0, 4.0], &[false, true]);
    assert_eq!((scale.largest, &scale.returns[..]), (4.0, &[0.5, 4.0][..]));

    let batch = batch(8.0);
    let mut rng = random::stream(1, 0);
    let clock = Clock { log: true, ..Clock::default() };
    let mut log = Scalars::default();
    agent.update(&batch, &mut NoReplay, clock, &mut rng, &mut log).unwrap();
    let seen = tape.take().remove(0);
    assert_eq!(seen[..2], moments.apply(&[3.0, 50.0]));
    assert!((f64::from(seen[2]) - 8.0 / scale.denominator()).abs() < 1e-6, "{seen:?}");
    assert_eq!(host(&batch.reward), [8.0], "the batch itself stays raw");
    let log = log.take();
    assert_eq!(log[0], ("normalize/reward_denominator".to_owned(), scale.denominator()));
    assert_eq!(log[1], ("normalize/largest_return".to_owned(), 4.0));

    // A policy made before has the old moments until it loads; acting counts nothing.
    let mut see = |policy: &mut dyn Policy| {
        policy.act(&[7.0], 1, ActMode::Eval, &mut rng);
        tape.take().remove(0)
    };
    assert_eq!(see(fresh.as_mut()), RunningMoments::new(1).apply(&[7.0]));
    fresh.load(&agent.snapshot(1));
    assert_eq!(see(fresh.as_mut()), moments.apply(&[7.0]));
    assert_eq!(see(agent.policy().as_mut()), moments.apply(&[7.0]));

    // Saved and loaded bit for bit; an agent without statistics has nothing to load them from.
    let mut saved = StateDict::new();
    agent.save(&mut saved);
    let mut other = wrap(Box::new(Tape::default()), &config, &spec);
    other.load(&saved).unwrap();
    let mut again = StateDict::new();
    other.save(&mut again);
    assert_eq!(saved.len(), 8);
    for (name, t) in &saved {
        assert_eq!(t.kind(), Kind::Double, "{name}");
        assert!(t.equal(&again[name]), "{name}");
    }
    let error = other.load(&StateDict::new()).unwrap_err();
    assert!(error.to_string().contains("normalize/obs/mean"), "{error}");

    // A NaN that an environment sends is found before a checkpoint is written.
    assert_eq!(other.first_non_finite(), None);
    other.observe(&[experience(0.0, f32::NAN, None), experience(0.0, 1.0, None)]);
    assert_eq!(other.first_non_finite().as_deref(), Some("normalize/obs"));
}

/// The acting policy's moments include the observation it acts on, and the updates after a step do
/// not include what that step led to: a whole run, one actor in lockstep, seen from agent and policy.
#[test]
fn moments_are_those_of_the_official_order() {
    within(120, || {
        let config = config(
            "total_steps = 30\n[env]\nname = 'counting'\n[replay]\nlearning_starts = 4\n\
             capacity = 100\nbatch_size = 4\n[eval]\nepisodes = 0\n[normalize]\nobs = true\n\
             [runtime]\nupdate_to_data = 1.0\n[agent]\nkind = 'dqn'",
        );
        let spec = EnvSpec::vector(2, ActionSpace::Discrete(2));
        let tape = Tape::default();
        let agent = wrap(Box::new(tape.clone()), &config, &spec);
        let run = Run::with(&config, harness::Counting::registry(true));
        run.go(None, Some(agent), &mut |_| false).unwrap();
        // Two numbers are an action's observation, twenty an update's batch of four.
        let (acted, updates): (Vec<_>, Vec<_>) =
            tape.take().into_iter().partition(|row| row.len() == 2);
        assert_eq!((acted.len(), updates.len()), (26, 26), "both begin after learning_starts");

        // The observations acted on, from the replay: rows with an action (flag 1).
        let bytes = fs::read(run.newest().path.join("replay.safetensors")).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let data = |name: &str| file.tensor(name).unwrap().data().to_vec();
        let obs = data("env_0/obs");
        let obs: Vec<f32> =
            obs.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        let flags = data("env_0/flags");
        let rows = obs.chunks(2).zip(&flags).filter(|(_, flags)| *flags & 1 == 1);
        let mut moments = RunningMoments::new(2);
        for (t, (row, _)) in rows.enumerate() {
            if t > 0 {
                moments.update(&[f64::from(row[0]), f64::from(row[1])]);
            }
            if t >= 4 {
                assert_eq!(acted[t - 4], moments.apply(row), "step {t}");
                let known: Vec<Vec<f32>> = obs.chunks(2).map(|raw| moments.apply(raw)).collect();
                for sampled in updates[t - 4][..16].chunks(2) {
                    assert!(known.iter().any(|row| row == sampled), "step {t}: {sampled:?}");
                }
            }
        }
    });
}
