//! What every drifting environment must hold to, over classic control: for any seed, any actions and
//! any age. Numbers worked out by hand are in `drift_wrappers.rs` and `drift_over_time.rs`.

use envs::drift::Drift;
use envs::{Action, ActionSpace, Env, Kwargs, Registry, check};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

const CLASSIC: [&str; 5] =
    ["Acrobot-v1", "CartPole-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1"];

/// Lists of wrappers. Periods are short, so that some episodes hold several ends of them.
fn lists() -> Vec<Value> {
    let physics = |course: Value| json!({ "kind": "physics", "constant": "gravity", "seed": 3, "course": course });
    let alone = [
        json!({ "kind": "permute_obs", "period": 13 }),
        json!({ "kind": "mask_obs", "count": 1, "period": 13, "identity_first": true }),
        json!({ "kind": "mask_obs", "fraction": 0.5, "period": 0 }),
        json!({ "kind": "shift_obs", "std": 2.0, "period": 13, "seed": 5 }),
        json!({ "kind": "remap_actions", "period": 13 }),
        json!({ "kind": "reward", "scales": [1.0, -0.5], "period": 13 }),
        physics(json!({ "kind": "table", "values": [1.0, 0.5, 2.0], "period": 13 })),
        physics(
            json!({ "kind": "table", "values": "slippery_ant", "period": 13, "at_end": "hold" }),
        ),
        physics(json!({ "kind": "schedule", "shape": "sine", "period": 90 })),
        physics(json!({ "kind": "schedule", "shape": "linear", "period": 900 })),
        physics(
            json!({ "kind": "random_walk", "step": 0.3, "low": 0.5, "high": 2.0, "period": 5 }),
        ),
        json!({ "kind": "obs_noise", "std": 0.1 }),
        json!({ "kind": "obs_delay", "steps": 3 }),
        json!({ "kind": "action_delay", "steps": 2 }),
    ];
    let tasks = json!({
        "kind": "task_sequence", "steps_per_task": 13, "cycles": 3, "task_in_obs": true,
        "tasks": [{}, { "kwargs": { "gravity": 3.0 } }, { "kwargs": { "gravity": 5.0 } }],
    });
    let mut lists: Vec<Value> = alone.iter().map(|drift| json!([drift])).collect();
    lists.push(json!([tasks]));
    let all = [&tasks].into_iter().chain(alone.iter().filter(|d| d["kind"] != "physics"));
    lists.push(all.cloned().collect());
    let inner = alone.iter().filter(|d| d["course"].is_null()).chain([&alone[10]]);
    lists.push(inner.cloned().collect());
    lists
}

fn make(id: &str, list: &Value) -> Box<dyn Env> {
    let list: Vec<Drift> = serde_json::from_value(list.clone()).expect("well written");
    Registry::builtin().make_drifting(id, &Kwargs::new(), &list).expect("fits")
}

/// What happened, bit by bit: observation, reward, end, task.
#[derive(Debug, PartialEq)]
struct Record(Vec<u32>, u32, bool, usize);

/// An environment with the generator of its actions. The next episode's seed is drawn from it too.
struct Life {
    env: Box<dyn Env>,
    rng: ChaCha8Rng,
    over: bool,
    steps: u64,
}

impl Life {
    fn new(env: Box<dyn Env>, seed: u64) -> Self {
        Self { env, rng: ChaCha8Rng::seed_from_u64(seed), over: true, steps: 0 }
    }

    /// A step, or a reset after an end.
    fn go(&mut self) -> Record {
        let spec = self.env.spec();
        let mut obs = vec![f32::NAN; spec.obs.size()];
        let mut reward = 0.0;
        if std::mem::take(&mut self.over) {
            self.env.reset(self.rng.random(), &mut obs).expect("reset");
        } else {
            let numbers: Vec<f32> =
                (0..spec.action.size()).map(|_| self.rng.random_range(-1.0..1.0)).collect();
            let action = match &spec.action {
                ActionSpace::Discrete(n) => Action::Discrete(self.rng.random_range(0..*n)),
                ActionSpace::Box { .. } => Action::Continuous(&numbers),
            };
            let step = self.env.step(action, &mut obs).expect("a good action");
            self.over = step.terminated || step.truncated;
            reward = step.reward;
            self.steps += 1;
        }
        for (i, x) in obs.iter().enumerate() {
            let (low, high) = (spec.obs.low[i], spec.obs.high[i]);
            assert!(low <= *x && *x <= high, "component {i} is {x}, bounded by {low} and {high}");
        }
        assert!(reward.is_finite());
        let bits = obs.iter().map(|x| x.to_bits()).collect();
        Record(bits, reward.to_bits(), self.over, self.env.task())
    }

    fn tape(&mut self, length: usize) -> Vec<Record> {
        (0..length).map(|_| self.go()).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Observations within bounds are asserted on the way.
    #[test]
    fn one_seed_gives_one_life(seed: u64) {
        for list in lists() {
            for id in CLASSIC {
                let tape = || Life::new(make(id, &list), seed).tape(250);
                prop_assert_eq!(tape(), tape(), "{}: {}", id, list);
            }
        }
    }

    #[test]
    fn a_saved_life_goes_on_bitwise_in_another_environment(seed: u64, before in 0..150usize) {
        for list in lists() {
            for id in CLASSIC {
                let mut life = Life::new(make(id, &list), seed);
                life.tape(before + 1);
                let bytes = life.env.state().expect("saves").save();
                let mut other = Life::new(make(id, &list), seed);
                other.tape(7); // what it was before must not matter
                other.env.state().expect("loads").load(&bytes).expect("just saved");
                prop_assert_eq!(other.env.task(), life.env.task());
                let again = other.env.state().expect("saves").save();
                prop_assert_eq!(again, bytes, "{}: {} is not as loaded", id, list);
                (other.rng, other.over) = (life.rng.clone(), life.over);
                prop_assert_eq!(other.tape(150), life.tape(150), "{}: {}", id, list);
            }
        }
    }

    /// There and back again.
    #[test]
    fn ages_that_are_jumped_to_equal_lived_ones(seed: u64, length in 0..200usize, far in 0..5000u64) {
        for list in lists() {
            for id in CLASSIC {
                let mut lived = Life::new(make(id, &list), seed);
                lived.tape(length);
                lived.over = true;
                let mut jumped = Life::new(make(id, &list), 1);
                jumped.env.set_age(far);
                jumped.tape(9);
                jumped.env.set_age(lived.steps);
                (jumped.rng, jumped.over) = (lived.rng.clone(), true);
                prop_assert_eq!(jumped.tape(100), lived.tape(100), "{}: {}", id, list);
            }
        }
    }

    /// Whatever is on, it stays until the next reset.
    #[test]
    fn tasks_only_count_up_and_only_at_resets(seed: u64) {
        for list in lists() {
            let mut life = Life::new(make("CartPole-v1", &list), seed);
            let mut before = 0;
            for _ in 0..300 {
                let first = life.over;
                let task = life.go().3;
                prop_assert!(task == before || (first && task > before), "{before}, then {task}");
                before = task;
            }
            let counted = list.as_array().expect("a list").iter().any(|drift| {
                drift["period"] == 13 || drift["steps_per_task"] == 13 || drift["course"]["period"] == 13
            });
            prop_assert_eq!(before > 0, counted, "{}: task {}", list, before);
        }
    }
}

#[test]
fn the_checker_finds_nothing() {
    for list in lists() {
        for id in CLASSIC {
            assert_eq!(check(make(id, &list).as_mut(), id), [], "{id}: {list}");
        }
    }
}

#[test]
fn configurations_survive_json() {
    for list in lists() {
        let drifts: Vec<Drift> = serde_json::from_value(list).expect("well written");
        let text = serde_json::to_string(&drifts).expect("plain data");
        assert_eq!(serde_json::from_str::<Vec<Drift>>(&text).expect("just written"), drifts);
        for drift in drifts {
            let json = serde_json::to_value(&drift).expect("plain data");
            assert_eq!(json["kind"], drift.kind());
        }
    }
}
