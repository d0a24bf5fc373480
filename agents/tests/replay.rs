//! The replay against a naive model that stores whole transitions.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use std::collections::{BTreeMap, BTreeSet};

use agents::{
    message::Experience,
    replay::Replay,
    tensor_file::{self, TensorFile},
};
use envs::{ActionSpace, Actions, Dtype, EnvSpec, Outcome};
use harness::{holds, within};
use networks::random;
use proptest::prelude::*;
use tch::{Device, Kind, Tensor};

const GAMMA: f64 = 0.9;

/// What happens to one environment in one round.
#[derive(Clone, Copy, Debug)]
struct Event {
    reward: f32,
    terminated: bool,
    truncated: bool,
}

/// One step in the order of each environment's life.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Step(Event),
    /// The environment begins a new episode out of turn: a resume without its state.
    Restart,
}

/// A whole transition of one step.
#[derive(Clone, Copy, Debug)]
struct Transition {
    obs: u32,
    action: u32,
    reward: f32,
    next_obs: u32,
    terminated: bool,
    truncated: bool,
    /// Its row in the environment's ring: one per observation.
    row: u64,
}

/// An n-step transition as it must be sampled, keyed by its unique observation.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Expected {
    action: u32,
    reward: f64,
    discount: f64,
    next_obs: u32,
}

/// The life of one environment.
#[derive(Default)]
struct Model {
    transitions: Vec<Transition>,
    obs: u32,
    rows: u64,
}

impl Model {
    fn step(&mut self, event: Event, next_obs: u32, reset_obs: Option<u32>, action: u32) {
        self.transitions.push(Transition {
            obs: self.obs,
            action,
            reward: event.reward,
            next_obs,
            terminated: event.terminated,
            truncated: event.truncated,
            row: self.rows - 1,
        });
        self.obs = reset_obs.unwrap_or(next_obs);
        self.rows += 1 + u64::from(reset_obs.is_some());
    }

    fn restart(&mut self, obs: u32) {
        if let Some(last) = self.transitions.last_mut()
            && last.next_obs == self.obs
        {
            last.truncated = true;
        }
        self.obs = obs;
        self.rows += 1;
    }

    /// Every transition that may be drawn from a ring of `capacity` rows.
    fn expected(&self, n: usize, capacity: u64) -> BTreeMap<u32, Expected> {
        let oldest = self.rows.saturating_sub(capacity);
        let mut all = BTreeMap::new();
        for (i, first) in self.transitions.iter().enumerate().filter(|(_, t)| t.row >= oldest) {
            let (mut reward, mut whole) = (0.0, None);
            for (k, t) in self.transitions[i..].iter().take(n).enumerate() {
                reward += GAMMA.powi(k as i32) * f64::from(t.reward);
                if t.terminated || t.truncated || k + 1 == n {
                    let discount = if t.terminated { 0.0 } else { GAMMA.powi(k as i32 + 1) };
                    whole = Some((discount, t.next_obs));
                    break;
                }
            }
            if let Some((discount, next_obs)) = whole {
                let expected = Expected { action: first.action, reward, discount, next_obs };
                all.insert(first.obs, expected);
            }
        }
        all
    }
}

/// Three components of 0 to 255, so that both element types hold it.
fn obs(id: u32) -> [f32; 3] {
    [id % 256, id / 256 % 256, id / 65_536].map(|x| x as f32)
}

fn id(obs: &[f32]) -> u32 {
    obs[0] as u32 + 256 * obs[1] as u32 + 65_536 * obs[2] as u32
}

/// The replay and the models of its environments, fed alike.
struct Pair {
    replay: Replay,
    spec: EnvSpec,
    models: Vec<Model>,
    n: usize,
    capacity: usize,
    next_id: u32,
}

impl Pair {
    fn new(envs: usize, capacity: usize, n: usize, dtype: Dtype, discrete: bool) -> Pair {
        let action = if discrete { ActionSpace::Discrete(7) } else { ActionSpace::symmetric(2) };
        let mut spec = EnvSpec::vector(3, action);
        spec.obs.dtype = dtype;
        let replay = Replay::new(&spec, envs, capacity, n, GAMMA, Device::Cpu);
        let models = (0..envs).map(|_| Model::default()).collect();
        let mut pair = Pair { replay, spec, models, n, capacity, next_id: 1 };
        (0..envs).for_each(|i| pair.restart(i));
        pair
    }

    fn fresh(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id
    }

    fn restart(&mut self, env: usize) {
        let first = self.fresh();
        self.replay.start(env, &obs(first));
        self.models[env].restart(first);
    }

    /// One experience of the actor that drives the environments from `first` on.
    fn step(&mut self, first: usize, events: &[Event]) {
        let mut experience = Experience {
            actions: Actions::Discrete(Vec::new()),
            outcomes: Vec::new(),
            next_obs: Vec::new(),
            reset_obs: Vec::new(),
        };
        let (mut choices, mut data) = (Vec::new(), Vec::new());
        for (i, &event) in events.iter().enumerate() {
            let Event { reward, terminated, truncated } = event;
            let next = self.fresh();
            let reset = (terminated || truncated).then(|| self.fresh());
            let action = next % 7;
            choices.push(action as usize);
            data.extend([action as f32 / 7.0, -(action as f32) / 7.0]);
            experience.outcomes.push(Outcome {
                reward,
                terminated,
                truncated,
                task: 0,
                episode: None,
            });
            experience.next_obs.extend(obs(next));
            experience.reset_obs.extend(reset.iter().flat_map(|&r| obs(r)));
            self.models[first + i].step(event, next, reset, action);
        }
        experience.actions = match self.spec.action {
            ActionSpace::Discrete(_) => Actions::Discrete(choices),
            ActionSpace::Box { .. } => Actions::Continuous { data, dim: 2 },
        };
        self.replay.push(first, &experience);
    }

    fn expected(&self) -> BTreeMap<u32, Expected> {
        let rows = self.capacity.div_ceil(self.models.len()) as u64 + 1;
        self.models.iter().flat_map(|m| m.expected(self.n, rows)).collect()
    }

    /// Draws and counts how often each transition came, checking each.
    fn draw(&mut self, batch: usize, seed: u64) -> BTreeMap<u32, u32> {
        let expected = self.expected();
        let b = self.replay.sample(batch, &mut random::stream(seed, 0));
        assert_eq!((b.obs.kind(), b.next_obs.kind()), (Kind::Float, Kind::Float));
        assert_eq!(b.obs.size(), [batch as i64, 3]);
        let host =
            |t: &Tensor| Vec::<f32>::try_from(&t.to_kind(Kind::Float).flatten(0, -1)).unwrap();
        let (rows, next) = (host(&b.obs), host(&b.next_obs));
        let (reward, discount, action) = (host(&b.reward), host(&b.discount), host(&b.action));
        let width = action.len() / batch;
        let mut counts = BTreeMap::new();
        for i in 0..batch {
            let key = id(&rows[3 * i..]);
            let e = expected.get(&key).unwrap_or_else(|| panic!("{key} is no valid transition"));
            assert_eq!(id(&next[3 * i..]), e.next_obs, "next observation of {key}");
            let wanted = e.action as f32;
            match action[i * width..(i + 1) * width] {
                [choice] => assert_eq!(choice, wanted, "action of {key}"),
                [a, b] => assert_eq!((a, b), (wanted / 7.0, -wanted / 7.0), "action of {key}"),
                _ => unreachable!("one choice or two components"),
            }
            let close =
                |got: f32, want: f64| (f64::from(got) - want).abs() < 1e-6 * (10.0 + want.abs());
            assert!(close(reward[i], e.reward), "reward of {key}: {} {}", reward[i], e.reward);
            assert!(close(discount[i], e.discount), "{key}: {} {}", discount[i], e.discount);
            *counts.entry(key).or_insert(0) += 1;
        }
        counts
    }
}

fn event() -> impl Strategy<Value = Event> {
    // Ends with probability 1 / 5: episodes of one step to dozens.
    (-3.0f32..3.0, 0u8..20).prop_map(|(reward, end)| Event {
        reward,
        terminated: end < 2 || end == 3,
        truncated: end == 2 || end == 3,
    })
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![15 => event().prop_map(Turn::Step), 1 => Just(Turn::Restart)]
}

#[derive(Debug)]
struct Case {
    actors: usize,
    per_actor: usize,
    n: usize,
    capacity: usize,
    bytes: bool,
    discrete: bool,
    /// Per round and environment.
    rounds: Vec<Vec<Turn>>,
}

fn case() -> impl Strategy<Value = Case> {
    (1usize..=3, 1usize..=2, 1usize..=5, 0usize..40, any::<bool>(), any::<bool>()).prop_flat_map(
        |(actors, per_actor, n, extra, bytes, discrete)| {
            let envs = actors * per_actor;
            let least = n + 3; // what `Config::validate` asks for, per environment
            let rounds = prop::collection::vec(prop::collection::vec(turn(), envs), least..90);
            rounds.prop_map(move |rounds| {
                let capacity = least * envs + extra;
                Case { actors, per_actor, n, capacity, bytes, discrete, rounds }
            })
        },
    )
}

impl Case {
    fn feed(&self) -> Pair {
        let dtype = if self.bytes { Dtype::U8 } else { Dtype::F32 };
        let envs = self.actors * self.per_actor;
        let mut pair = Pair::new(envs, self.capacity, self.n, dtype, self.discrete);
        for round in &self.rounds {
            for (i, turn) in round.iter().enumerate() {
                if matches!(turn, Turn::Restart) {
                    pair.restart(i);
                }
            }
            for actor in 0..self.actors {
                let first = actor * self.per_actor;
                let events: Vec<Event> = round[first..first + self.per_actor]
                    .iter()
                    .map(|turn| match turn {
                        Turn::Step(event) => *event,
                        Turn::Restart => Event { reward: 1.5, terminated: false, truncated: false },
                    })
                    .collect();
                pair.step(first, &events);
            }
        }
        pair
    }
}

/// What is drawn is in the model, and all of the model is drawn: at 40 draws a transition, one is
/// missed by chance with probability 10^-15.
#[test]
fn draws_are_exactly_the_models_transitions() {
    holds(case, |case, seed| {
        let mut pair = case.feed();
        let valid: BTreeSet<u32> = pair.expected().into_keys().collect();
        let drawn = pair.draw(40 * valid.len(), seed);
        assert_eq!(drawn.into_keys().collect::<BTreeSet<_>>(), valid);
    });
}

/// A replay read back from its file draws the same, and goes on alike.
#[test]
fn a_saved_replay_goes_on_alike() {
    holds(case, |case, seed| {
        let mut pair = case.feed();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("replay");
        let (meta, columns) = pair.replay.save();
        tensor_file::write(&path, &columns).unwrap();
        let file = TensorFile::new(std::fs::read(&path).unwrap()).unwrap();
        let envs = pair.models.len();
        let mut again = Replay::new(&pair.spec, envs, case.capacity, case.n, GAMMA, Device::Cpu);
        again.load(&meta, &file).unwrap();
        assert_eq!((again.len(), again.bytes()), (pair.replay.len(), pair.replay.bytes()));
        let before = pair.draw(32, seed);
        std::mem::swap(&mut pair.replay, &mut again);
        assert_eq!(pair.draw(32, seed), before);
        // The environments go on where they were: no cut.
        for i in 0..envs {
            let now = pair.models[i].obs;
            pair.replay.start(i, &obs(now));
        }
        for _ in 0..case.n {
            let event = Event { reward: 0.5, terminated: false, truncated: false };
            (0..envs).for_each(|i| pair.step(i, &[event]));
        }
        pair.draw(64, seed);
    });
}

/// Chi-square with about 90 valid transitions and 400 draws each; the statistic of a uniform law
/// lies within five standard deviations, sqrt(2 df), of df. Episode ends, short rings and the
/// wrap-around are all in it.
#[test]
fn draws_are_uniform() {
    within(60, || {
        for n in [1, 3] {
            let mut pair = Pair::new(2, 100, n, Dtype::F32, true);
            for i in 0..170u32 {
                let end = |length| (i + 1).is_multiple_of(length);
                let event =
                    |terminated, truncated| Event { reward: i as f32, terminated, truncated };
                pair.step(0, &[event(end(9), false), event(false, end(23))]);
            }
            let valid = pair.expected().len();
            assert!((80..100).contains(&valid), "{valid}");
            let each = 400.0;
            let counts = pair.draw(400 * valid, 7);
            assert_eq!(counts.len(), valid);
            let chi_square: f64 =
                counts.values().map(|&c| (f64::from(c) - each).powi(2) / each).sum();
            let df = (valid - 1) as f64;
            let bound = 5.0 * (2.0 * df).sqrt();
            assert!((chi_square - df).abs() < bound, "n {n}: chi-square {chi_square} at df {df}");
        }
    });
}

/// By hand: rewards 1, 10, 100, ... and an episode of four steps, n = 3.
#[test]
fn n_step_returns_by_hand() {
    within(60, || {
        for (terminated, truncated, bootstrap) in
            [(true, false, 0.0), (false, true, 1.0), (true, true, 0.0)]
        {
            let mut pair = Pair::new(1, 20, 3, Dtype::F32, true);
            for k in 0..8 {
                let last = k == 3;
                pair.step(
                    0,
                    &[Event {
                        reward: 10f32.powi(k % 4),
                        terminated: last && terminated,
                        truncated: last && truncated,
                    }],
                );
            }
            // Observations: 2 is the first; then 3, 4, 5, 6 (the last, reset to 7), 8, 9, 10, 11.
            let by_hand = [
                (2, 1.0 + 9.0 + 81.0, 0.729, 5),
                (3, 10.0 + 90.0 + 810.0, 0.729 * bootstrap, 6),
                (4, 100.0 + 900.0, 0.81 * bootstrap, 6),
                (5, 1000.0, 0.9 * bootstrap, 6),
                (7, 1.0 + 9.0 + 81.0, 0.729, 10),
                (8, 10.0 + 90.0 + 810.0, 0.729, 11),
            ];
            let expected = pair.expected();
            assert_eq!(expected.len(), by_hand.len());
            for (obs, reward, discount, next_obs) in by_hand {
                let e = expected[&obs];
                assert!((e.reward - reward).abs() < 1e-9, "{obs}: {}", e.reward);
                assert!((e.discount - discount).abs() < 1e-9, "{obs}: {}", e.discount);
                assert_eq!(e.next_obs, next_obs, "{obs}");
            }
            assert_eq!(pair.draw(1000, 1).len(), by_hand.len());
        }
    });
}

/// The same seed draws the same; the generator is the only source.
#[test]
fn draws_depend_on_the_generator_only() {
    within(60, || {
        let mut pair = Pair::new(2, 60, 2, Dtype::U8, false);
        for i in 0..50u32 {
            let event = Event {
                reward: 1.0,
                terminated: i.is_multiple_of(7),
                truncated: i.is_multiple_of(5),
            };
            pair.step(0, &[event, event]);
        }
        let first = pair.draw(100, 3);
        assert_eq!(pair.draw(100, 3), first);
        assert_ne!(pair.draw(100, 4), first);
    });
}
