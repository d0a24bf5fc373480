//! A replay that stores whole transitions, in the plainest way, and random lives to feed it and ours with.
#![allow(dead_code, reason = "every test file uses a part")]

use std::collections::BTreeMap;

use agents::{
    experience::{Batch, Experience},
    replay::{Replay, sampler::SamplerConfig},
};
use envs::{ActionSpace, Actions, Dtype, EnvSpec, Outcome};
use networks::random;
use proptest::prelude::*;
use tch::{Device, Kind, Tensor};

pub(crate) const GAMMA: f64 = 0.9;

/// What happens to one environment in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) reward: f32,
    pub(crate) terminated: bool,
    pub(crate) truncated: bool,
}

/// One step in the order of each environment's life.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Turn {
    Step(Event),
    /// The environment begins a new episode out of turn: a resume without its state.
    Restart,
}

/// A whole transition of one step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transition {
    pub(crate) obs: u32,
    pub(crate) action: u32,
    pub(crate) reward: f32,
    pub(crate) next_obs: u32,
    pub(crate) terminated: bool,
    pub(crate) truncated: bool,
    /// Its row in the environment's ring: one per observation.
    pub(crate) row: u64,
}

/// An n-step transition as it must be sampled, keyed by its unique observation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expected {
    pub(crate) action: u32,
    pub(crate) reward: f64,
    pub(crate) discount: f64,
    pub(crate) next_obs: u32,
    /// The observations before the steps after the first.
    pub(crate) between: Vec<u32>,
    /// Where its observation is in the environment's ring.
    pub(crate) row: u64,
    /// Steps that the environment made since.
    pub(crate) steps_since: u64,
}

/// The life of one environment.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) transitions: Vec<Transition>,
    pub(crate) obs: u32,
    pub(crate) rows: u64,
}

impl Model {
    pub(crate) fn step(
        &mut self,
        event: Event,
        next_obs: u32,
        reset_obs: Option<u32>,
        action: u32,
    ) {
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

    pub(crate) fn restart(&mut self, obs: u32) {
        if let Some(last) = self.transitions.last_mut()
            && last.next_obs == self.obs
        {
            last.truncated = true;
        }
        self.obs = obs;
        self.rows += 1;
    }

    /// Every transition that may be drawn from a ring of `capacity` rows.
    pub(crate) fn expected(&self, n: usize, capacity: u64) -> BTreeMap<u32, Expected> {
        let oldest = self.rows.saturating_sub(capacity);
        let mut all = BTreeMap::new();
        for (i, first) in self.transitions.iter().enumerate().filter(|(_, t)| t.row >= oldest) {
            let (mut reward, mut whole, mut between) = (0.0, None, Vec::new());
            for (k, t) in self.transitions[i..].iter().take(n).enumerate() {
                between.extend((k > 0).then_some(t.obs));
                reward += GAMMA.powi(k as i32) * f64::from(t.reward);
                if t.terminated || t.truncated || k + 1 == n {
                    let discount = if t.terminated { 0.0 } else { GAMMA.powi(k as i32 + 1) };
                    whole = Some((discount, t.next_obs));
                    break;
                }
            }
            if let Some((discount, next_obs)) = whole {
                let (action, row) = (first.action, first.row);
                let steps_since = (self.transitions.len() - 1 - i) as u64;
                let expected =
                    Expected { action, reward, discount, next_obs, between, row, steps_since };
                all.insert(first.obs, expected);
            }
        }
        all
    }
}

/// Three components of 0 to 255, so that both element types hold it.
pub(crate) fn obs(id: u32) -> [f32; 3] {
    [id % 256, id / 256 % 256, id / 65_536].map(|x| x as f32)
}

pub(crate) fn id(obs: &[f32]) -> u32 {
    obs[0] as u32 + 256 * obs[1] as u32 + 65_536 * obs[2] as u32
}

/// The replay and the models of its environments, fed alike.
pub(crate) struct Pair {
    pub(crate) replay: Replay,
    pub(crate) spec: EnvSpec,
    pub(crate) models: Vec<Model>,
    pub(crate) n: usize,
    pub(crate) capacity: usize,
    pub(crate) next_id: u32,
}

impl Pair {
    pub(crate) fn new(
        envs: usize,
        capacity: usize,
        n: usize,
        dtype: Dtype,
        discrete: bool,
    ) -> Pair {
        let action = if discrete { ActionSpace::Discrete(7) } else { ActionSpace::symmetric(2) };
        let mut spec = EnvSpec::vector(3, action);
        spec.obs.dtype = dtype;
        let replay =
            Replay::new(&spec, envs, capacity, n, GAMMA, Device::Cpu).unwrap().with_between(true);
        let models = (0..envs).map(|_| Model::default()).collect();
        let mut pair = Pair { replay, spec, models, n, capacity, next_id: 1 };
        (0..envs).for_each(|i| pair.restart(i));
        pair
    }

    /// The same with replay choosing in another way.
    pub(crate) fn with_sampler(self, sampler: &SamplerConfig) -> Pair {
        Pair { replay: self.replay.with_sampler(sampler).unwrap(), ..self }
    }

    pub(crate) fn fresh(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id
    }

    pub(crate) fn restart(&mut self, env: usize) {
        let first = self.fresh();
        self.replay.start(env, &obs(first));
        self.models[env].restart(first);
    }

    /// One experience of the actor that drives the environments from `first` on.
    pub(crate) fn step(&mut self, first: usize, events: &[Event]) {
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

    pub(crate) fn expected(&self) -> BTreeMap<u32, Expected> {
        let rows = self.capacity.div_ceil(self.models.len()) as u64 + 1;
        self.models.iter().flat_map(|m| m.expected(self.n, rows)).collect()
    }

    /// Draws uniformly and counts how often each transition came, checking each.
    pub(crate) fn draw(&mut self, batch: usize, seed: u64) -> BTreeMap<u32, u32> {
        let b = self.replay.sample(batch, &mut random::stream(seed, 0));
        self.counts(&b)
    }

    /// How often each transition came in a batch, checking each.
    pub(crate) fn counts(&self, b: &Batch) -> BTreeMap<u32, u32> {
        let (expected, batch) = (self.expected(), b.rows.len());
        assert_eq!((b.obs.kind(), b.next_obs.kind()), (Kind::Float, Kind::Float));
        assert_eq!(b.obs.size(), [batch as i64, 3]);
        let host =
            |t: &Tensor| Vec::<f32>::try_from(&t.to_kind(Kind::Float).flatten(0, -1)).unwrap();
        let (rows, next) = (host(&b.obs), host(&b.next_obs));
        let (reward, discount, action) = (host(&b.reward), host(&b.discount), host(&b.action));
        let width = action.len() / batch;
        assert_eq!(b.between.is_some(), self.n > 1);
        let between =
            b.between.as_ref().map_or_else(Default::default, |b| (host(&b.obs), host(&b.discount)));
        let mut counts = BTreeMap::new();
        for i in 0..batch {
            let key = id(&rows[3 * i..]);
            let e = expected.get(&key).unwrap_or_else(|| panic!("{key} is no valid transition"));
            assert_eq!(id(&next[3 * i..]), e.next_obs, "next observation of {key}");
            let (row, envs) = (b.rows[i], self.models.len() as u64);
            assert!(
                self.models[row.env].transitions.iter().any(|t| t.obs == key),
                "{key}: {row:?}"
            );
            assert_eq!((row.number, row.age), (e.row, e.steps_since * envs), "row of {key}");
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
            for k in 1..self.n {
                let at = i * (self.n - 1) + k - 1;
                let (obs, discount) = match e.between.get(k - 1) {
                    Some(&obs) => (obs, GAMMA.powi(k as i32)),
                    None => (e.next_obs, 0.0), // the episode is over
                };
                assert_eq!(id(&between.0[3 * at..]), obs, "step {k} after {key}");
                assert!(close(between.1[at], discount), "step {k} after {key}: {}", between.1[at]);
            }
            *counts.entry(key).or_insert(0) += 1;
        }
        counts
    }
}

pub(crate) fn event() -> impl Strategy<Value = Event> {
    // Ends with probability 1 / 5: episodes of one step to dozens.
    (-3.0f32..3.0, 0u8..20).prop_map(|(reward, end)| Event {
        reward,
        terminated: end < 2 || end == 3,
        truncated: end == 2 || end == 3,
    })
}

pub(crate) fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![15 => event().prop_map(Turn::Step), 1 => Just(Turn::Restart)]
}

#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) actors: usize,
    pub(crate) per_actor: usize,
    pub(crate) n: usize,
    pub(crate) capacity: usize,
    pub(crate) bytes: bool,
    pub(crate) discrete: bool,
    /// Per round and environment.
    pub(crate) rounds: Vec<Vec<Turn>>,
}

pub(crate) fn case() -> impl Strategy<Value = Case> {
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
    pub(crate) fn feed(&self) -> Pair {
        self.feed_with(&SamplerConfig::default())
    }

    pub(crate) fn feed_with(&self, sampler: &SamplerConfig) -> Pair {
        let dtype = if self.bytes { Dtype::U8 } else { Dtype::F32 };
        let envs = self.actors * self.per_actor;
        let mut pair = Pair::new(envs, self.capacity, self.n, dtype, self.discrete);
        pair = pair.with_sampler(sampler);
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
