//! What cannot work is refused when the environment is made, with the reason and the entry.

mod probe;

use envs::drift::Drift;
use envs::{Action, ActionSpace, Env, EnvError, EnvSpec, Kwargs, Registry, Step};
use probe::{Probe, try_make};
use serde_json::{Value, json};

fn refused(cases: &[(&str, Value, &str)]) {
    for (id, list, wanted) in cases {
        let error = try_make(id, list).err().unwrap_or_else(|| panic!("{list} was taken"));
        assert!(error.contains(wanted), "{list}\n got: {error}\nwant: {wanted}");
    }
}

#[test]
fn keys_and_numbers() {
    refused(&[
        ("discrete", json!([{ "kind": "permute" }]), "unknown variant `permute`"),
        ("discrete", json!([{ "kind": "permute_obs" }]), "missing field `period`"),
        ("discrete", json!([{ "kind": "obs_delay", "steps": 1, "k": 2 }]), "unknown field `k`"),
        ("discrete", json!([{ "kind": "obs_delay", "steps": 0 }]), "give 1 to 1024"),
        ("discrete", json!([{ "kind": "action_delay", "steps": 2000 }]), "give 1 to 1024"),
        ("discrete", json!([{ "kind": "mask_obs", "period": 1 }]), "do not say what to hide"),
        ("discrete", json!([{ "kind": "mask_obs", "period": 1, "count": 9 }]), "hides 9 of 9"),
        (
            "discrete",
            json!([{ "kind": "mask_obs", "period": 1, "fraction": 0.01 }]),
            "hides 0 of 9",
        ),
        (
            "discrete",
            json!([{ "kind": "mask_obs", "period": 1, "fraction": 0.5, "count": 1 }]),
            "fraction = 0.5 and count = 1",
        ),
        ("discrete", json!([{ "kind": "obs_noise", "std": -1.0 }]), "std = -1 is no spread"),
        ("discrete", json!([{ "kind": "shift_obs", "std": 0.0, "period": 1 }]), "std = 0"),
        ("discrete", json!([{ "kind": "reward", "scales": [], "period": 1 }]), "no factor"),
        ("discrete", json!([{ "kind": "reward", "scales": [1.0], "period": 0 }]), "period = 0"),
        ("one choice", json!([{ "kind": "remap_actions", "period": 1 }]), "changes nothing"),
        (
            "continuous",
            json!([{ "kind": "remap_actions", "period": 1, "permute": false, "flip": false }]),
            "changes nothing",
        ),
    ]);
}

#[test]
fn constants_and_their_courses() {
    let physics =
        |course: Value| json!([{ "kind": "physics", "constant": "constant", "course": course }]);
    let walk = |step: f64, low: f64, high: f64| {
        physics(
            json!({ "kind": "random_walk", "step": step, "low": low, "high": high, "period": 5 }),
        )
    };
    refused(&[
        (
            "discrete",
            json!([{ "kind": "physics", "constant": "gravty" }]),
            "entry 0 (physics): there is no constant 'gravty'; there are constant",
        ),
        (
            "discrete",
            json!([{ "kind": "physics", "constant": "constant" }, { "kind": "obs_noise", "std": 1.0 },
                { "kind": "physics", "constant": "constant" }]),
            "entry 2 (physics): constant changes by an entry before",
        ),
        (
            "discrete",
            physics(json!({ "kind": "table", "values": [1.0, 1e9], "period": 5 })),
            "constant = 10000000000 is too high",
        ),
        (
            "discrete",
            physics(json!({ "kind": "table", "values": [true], "period": 5 })),
            "course.values can be a list of numbers",
        ),
        ("discrete", physics(json!({ "kind": "table", "values": [], "period": 5 })), "no number"),
        ("discrete", physics(json!({ "kind": "schedule", "period": 0 })), "course.period = 0"),
        (
            "discrete",
            physics(json!({ "kind": "table", "values": "nowhere.csv", "period": 5 })),
            "\"nowhere.csv\" cannot be read",
        ),
        ("discrete", walk(0.1, 2.0, 3.0), "the walk begins at 1, outside its bounds 2 to 3"),
        ("discrete", walk(0.0, 0.5, 2.0), "course.step = 0"),
        ("discrete", walk(0.1, 0.0, 2.0), "give 0 < low < high"),
    ]);
}

#[test]
fn sequences_of_tasks() {
    let sequence =
        |tasks: Value| json!([{ "kind": "task_sequence", "tasks": tasks, "steps_per_task": 5 }]);
    refused(&[
        ("discrete", sequence(json!([])), "tasks = [] has no environment"),
        ("discrete", sequence(json!([{}, { "name": "nothing" }])), "task 1: there is no"),
        ("discrete", sequence(json!([{}, { "nam": "x" }])), "unknown field `nam`"),
        (
            "discrete",
            sequence(json!([{}, { "name": "continuous" }])),
            "task 1 has observations of shape [12] and task 0 of [9]; give tasks of one shape",
        ),
        (
            "discrete",
            sequence(json!([{}, { "name": "one choice" }])),
            "task 1 has 1 choice and task 0 has 5 choices; give tasks of one action space",
        ),
        (
            "CartPole-v1",
            sequence(json!([{}, { "kwargs": { "max_episode_steps": 7 } }])),
            "task 1 has a time limit of 7 steps and task 0 has a time limit of 500 steps; give all",
        ),
        (
            "picture",
            json!([{ "kind": "task_sequence", "tasks": [{}], "steps_per_task": 5, "task_in_obs": true }]),
            "the shape [3, 3]",
        ),
        (
            "discrete",
            json!([{ "kind": "obs_delay", "steps": 1 },
                { "kind": "task_sequence", "tasks": [{}], "steps_per_task": 5 }]),
            "entry 1 (task_sequence): it makes the environment, so it can only be the first",
        ),
    ]);
}

/// An environment without constants.
struct Bare(Probe);
impl Env for Bare {
    fn spec(&self) -> EnvSpec {
        self.0.spec()
    }
    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        self.0.reset(seed, obs)
    }
    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        self.0.step(action, obs)
    }
}

#[test]
fn constants_where_there_are_none() {
    let mut registry = Registry::default();
    registry.insert("bare", || Ok(Bare(Probe::new(ActionSpace::Discrete(2)))));
    let list = json!([{ "kind": "physics", "constant": "gravity" }]);
    let list: Vec<Drift> = serde_json::from_value(list).expect("well written");
    let error = registry.make_drifting("bare", &Kwargs::new(), &list).err().expect("no constants");
    assert!(error.to_string().contains("no constants to change"), "{error}");
}
