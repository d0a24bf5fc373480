//! What each drift wrapper does to observations and actions, in numbers worked out by hand.

mod probe;

use std::collections::BTreeSet;

use envs::drift::Drift;
use envs::{Action, ActionSpace, Dtype, Env, Kwargs, Registry, check};
use probe::{Probe, choose, inside, make, reset, reset_at, reset_with, step};
use serde_json::{Value, json};

#[test]
fn permutations_of_what_is_seen() {
    let list = json!([{ "kind": "permute_obs", "period": 10, "identity_first": true }]);
    let mut env = make("discrete", &list);
    let plain = reset(env.as_mut());
    assert_eq!(plain, [10.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 9.0]);
    let mut kinds = BTreeSet::new();
    for k in 1..20 {
        let obs = reset_at(env.as_mut(), 10 * k);
        assert_eq!(reset_at(env.as_mut(), 10 * k + 9), obs, "all in a period are the same");
        let mut sorted = obs.clone();
        sorted.sort_by(f32::total_cmp);
        assert_eq!(sorted, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 9.0, 10.0]);
        kinds.insert(format!("{obs:?}"));
    }
    assert_eq!(kinds.len(), 19);
    let first = |seed: u64| {
        let list = json!([{ "kind": "permute_obs", "period": 10, "seed": seed }]);
        reset(make("discrete", &list).as_mut())
    };
    assert!(first(0) != plain && first(0) != first(1));
    // Within an episode the permutation is the same at every step.
    let mut env = make("discrete", &json!([{ "kind": "permute_obs", "period": 1 }]));
    let before = reset(env.as_mut());
    let place = before.iter().position(|&x| x == 0.0).expect("the time");
    assert_eq!((choose(env.as_mut(), 0).1[place], choose(env.as_mut(), 0).1[place]), (1.0, 2.0));
    assert_eq!(make("picture", &list).spec().obs.shape, [3, 3]);
}

/// What published results hang on: these draws must never change.
#[test]
fn draws_are_pinned() {
    let mut env = make("discrete", &json!([{ "kind": "permute_obs", "period": 10, "seed": 42 }]));
    let permuted: Vec<Vec<f32>> = [0, 10].map(|age| reset_at(env.as_mut(), age)).into();
    assert_eq!(permuted, PERMUTED);
    let walk = json!({ "kind": "random_walk", "step": 0.1, "low": 0.5, "high": 2.0, "period": 1 });
    let list = json!([{ "kind": "physics", "constant": "constant", "course": walk, "seed": 42 }]);
    let mut env = make("discrete", &list);
    let walked = [1, 2, 1000].map(|age| reset_at(env.as_mut(), age)[0]);
    for (seen, pinned) in walked.into_iter().zip(WALKED) {
        assert!((seen / pinned - 1.0).abs() < 1e-6, "{walked:?}");
    }
}

/// An environment that runs elsewhere hears of its action as it will be given it, once: [`Probe`]
/// compares. A late action cannot be told early.
#[test]
fn actions_are_announced_as_they_will_be_given() {
    let remap = json!({ "kind": "remap_actions", "period": 3 });
    let tasks =
        json!({ "kind": "task_sequence", "tasks": [{ "name": "discrete" }], "steps_per_task": 3 });
    let delay = json!({ "kind": "action_delay", "steps": 2 });
    for (list, told) in [
        (json!([remap]), true),
        (json!([tasks, remap]), true),
        (json!([delay, remap]), false),
        (json!([remap, delay]), false),
    ] {
        let mut env = make("discrete", &list);
        reset(env.as_mut());
        for choice in [0, 3, 1, 4, 2, 2, 0] {
            assert_eq!(env.begin(Action::Discrete(choice)), told, "{list}");
            choose(env.as_mut(), choice);
        }
    }
}

/// Bounds are those of the widest component, which may come anywhere.
#[test]
fn bounds_hold_whatever_is_drawn() {
    let bounds = |list: Value, id: &str| {
        let obs = make(id, &list).spec().obs;
        (obs.low, obs.high)
    };
    let pendulum = (vec![-1.0, -1.0, -8.0], vec![1.0, 1.0, 8.0]);
    assert_eq!(bounds(json!([]), "Pendulum-v1"), pendulum);
    let permuted = bounds(json!([{ "kind": "permute_obs", "period": 1 }]), "Pendulum-v1");
    assert_eq!(permuted, (vec![-8.0; 3], vec![8.0; 3]));
    let car = bounds(json!([]), "MountainCar-v0");
    assert_eq!(car, (vec![-1.2, -0.07], vec![0.6, 0.07]));
    let mask = json!([{ "kind": "mask_obs", "count": 1, "period": 1 }]);
    assert_eq!(bounds(mask.clone(), "MountainCar-v0"), car);
    let inf = f32::INFINITY;
    for list in [
        json!([{ "kind": "shift_obs", "std": 1.0, "period": 1 }]),
        json!([{ "kind": "obs_noise", "std": 1.0 }]),
    ] {
        assert_eq!(bounds(list.clone(), "MountainCar-v0"), (vec![-inf; 2], vec![inf; 2]));
        let spec = make("picture", &list).spec();
        assert_eq!((spec.obs.low, spec.obs.high), (vec![0.0; 9], vec![255.0; 9]));
        assert_eq!(spec.obs.dtype, Dtype::U8);
    }
    // 0 is a new value where bounds left it out.
    let mut registry = Registry::default();
    registry.insert("far", || {
        let mut probe = Probe::new(ActionSpace::Discrete(2));
        probe.spec.obs.low.fill(0.5);
        Ok(probe)
    });
    let mask: Vec<Drift> = serde_json::from_value(mask).expect("well written");
    let spec = registry.make_drifting("far", &Kwargs::new(), &mask).expect("fits").spec();
    assert_eq!((spec.obs.low, spec.obs.high), (vec![0.0; 9], vec![1000.0; 9]));
}

#[test]
fn masks_hide_as_many_as_asked_for() {
    // 9 components, of which one is 0 itself; 0.5 of them are rounded to 5.
    for (key, value, hidden) in
        [("count", json!(2), 2), ("fraction", json!(0.5), 5), ("fraction", json!(0.12), 1)]
    {
        let mut entry = json!({ "kind": "mask_obs", "period": 10, "identity_first": true });
        entry[key] = value;
        let mut env = make("discrete", &json!([entry]));
        reset(env.as_mut());
        let plain = choose(env.as_mut(), 1).1;
        assert!(plain.iter().all(|&x| x != 0.0), "{plain:?}");
        let mut kinds = BTreeSet::new();
        for k in 1..20 {
            reset_at(env.as_mut(), 10 * k);
            let obs = choose(env.as_mut(), 1).1;
            let zeros: Vec<usize> = (0..9).filter(|&i| obs[i] == 0.0).collect();
            assert_eq!(zeros.len(), hidden, "{obs:?}");
            assert!((0..9).all(|i| obs[i] == 0.0 || obs[i] == plain[i]));
            kinds.insert(zeros);
        }
        assert!(kinds.len() > 4, "{kinds:?}");
    }
}

#[test]
fn shifts_are_constant_in_a_period() {
    let list = json!([{ "kind": "shift_obs", "std": 2.0, "period": 10, "identity_first": true }]);
    let mut env = make("discrete", &list);
    let plain = reset(env.as_mut());
    assert_eq!(plain, [10.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 9.0]);
    let shift = |obs: &[f32]| -> Vec<f32> { obs.iter().zip(&plain).map(|(x, y)| x - y).collect() };
    let mut all = Vec::new();
    for k in 1..400 {
        let first = shift(&reset_at(env.as_mut(), 10 * k));
        let mut later = choose(env.as_mut(), 1).1;
        (later[1], later[8]) = (later[1] - 1.0, later[8] + 8.0); // time and action moved on
        for (x, y) in shift(&later).iter().zip(&first) {
            assert!((x - y).abs() < 1e-5);
        }
        all.extend(first.into_iter().map(f64::from));
    }
    let n = all.len() as f64;
    let mean = all.iter().sum::<f64>() / n;
    let std = (all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
    assert!(mean.abs() < 0.14 && (std - 2.0).abs() < 0.1, "{mean} {std}"); // 4 standard errors
}

#[test]
fn choices_change_places() {
    let list = json!([{ "kind": "remap_actions", "period": 10, "identity_first": true }]);
    let mut env = make("discrete", &list);
    let mut kinds = BTreeSet::new();
    for k in 0..20 {
        reset_at(env.as_mut(), 10 * k);
        let map: Vec<u32> =
            (0..5).map(|choice| inside(&choose(env.as_mut(), choice).1)[0] as u32).collect();
        let mut sorted = map.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2, 3, 4]);
        assert!(k > 0 || map == sorted, "the first period is plain");
        kinds.insert(map);
    }
    assert!(kinds.len() > 10, "{kinds:?}");
    let error = env.step(Action::Discrete(5), &mut [0.0; 9]).expect_err("5 of 0..5").to_string();
    assert!(error.contains("5 is not one of 0..5"), "{error}");
}

#[test]
fn components_change_places_and_signs() {
    let action = [0.1, -0.2, 0.3, -0.4];
    for (permute, flip) in [(true, true), (true, false), (false, true)] {
        let list =
            json!([{ "kind": "remap_actions", "period": 10, "permute": permute, "flip": flip }]);
        let mut env = make("continuous", &list);
        let mut kinds = BTreeSet::new();
        for k in 0..30 {
            reset_at(env.as_mut(), 10 * k);
            let got = inside(&step(env.as_mut(), Action::Continuous(&action)).1).to_vec();
            let mut sizes: Vec<f32> = got.iter().map(|x| x.abs()).collect();
            assert!(permute || sizes == [0.1, 0.2, 0.3, 0.4], "{got:?}");
            sizes.sort_by(f32::total_cmp);
            assert_eq!(sizes, [0.1, 0.2, 0.3, 0.4]);
            assert!(flip || got.iter().all(|x| action.contains(x)), "{got:?}");
            kinds.insert(format!("{got:?}"));
        }
        assert!(kinds.len() > 8, "{kinds:?}");
    }
}

#[test]
fn noise_is_of_the_episode() {
    let list = |seed: u64| json!([{ "kind": "obs_noise", "std": 0.5, "seed": seed }]);
    let mut env = make("discrete", &list(0));
    let first = reset_with(env.as_mut(), 1);
    let mut noise = Vec::new();
    for t in 1..1000_i32 {
        let obs = choose(env.as_mut(), 1).1;
        noise.extend([f64::from(obs[0]) - 10.0, f64::from(obs[1]) - f64::from(t)]);
    }
    let n = noise.len() as f64;
    let mean = noise.iter().sum::<f64>() / n;
    let std = (noise.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
    assert!(mean.abs() < 0.045 && (std - 0.5).abs() < 0.032, "{mean} {std}"); // 4 standard errors
    assert_eq!(reset_with(env.as_mut(), 1), first, "whatever the age");
    assert_ne!(reset_with(env.as_mut(), 2), first);
    assert_ne!(reset_with(make("discrete", &list(1)).as_mut(), 1), first);
    // Bytes stay bytes: t is 0 and cannot fall below, the action is 9.
    let mut env = make("picture", &json!([{ "kind": "obs_noise", "std": 3.0 }]));
    let mut bytes = Vec::new();
    for seed in 0..50 {
        bytes.extend(reset_with(env.as_mut(), seed));
    }
    assert!(bytes.iter().all(|x| x.fract() == 0.0 && (0.0..256.0).contains(x)), "{bytes:?}");
    assert!(bytes.contains(&0.0) && bytes.contains(&12.0));
}

#[test]
fn observations_come_late() {
    let mut env = make("discrete", &json!([{ "kind": "obs_delay", "steps": 2 }]));
    for _ in 0..2 {
        let mut times = vec![reset(env.as_mut())[1]];
        times.extend((0..5).map(|_| choose(env.as_mut(), 0).1[1]));
        assert_eq!(times, [0.0, 0.0, 0.0, 1.0, 2.0, 3.0]);
    }
}

#[test]
fn actions_act_late() {
    let mut env = make("discrete", &json!([{ "kind": "action_delay", "steps": 2 }]));
    for _ in 0..2 {
        reset(env.as_mut());
        let taken: Vec<f32> =
            [4, 3, 2, 1].iter().map(|&c| inside(&choose(env.as_mut(), c).1)[0]).collect();
        assert_eq!(taken, [0.0, 0.0, 4.0, 3.0]);
    }
    let mut env = make("continuous", &json!([{ "kind": "action_delay", "steps": 1 }]));
    for _ in 0..2 {
        reset(env.as_mut());
        let mut got = |x: f32| {
            let action = [x, -x, x / 2.0, 1.0];
            inside(&step(env.as_mut(), Action::Continuous(&action)).1).to_vec()
        };
        assert_eq!(got(0.5), [0.0; 4]);
        assert_eq!(got(0.3), [0.5, -0.5, 0.25, 1.0]);
        assert_eq!(got(0.1), [0.3, -0.3, 0.15, 1.0]);
    }
}

const PERMUTED: [[f32; 9]; 2] = [
    [4.0, 5.0, 0.0, 10.0, 2.0, 3.0, 9.0, 1.0, 6.0],
    [5.0, 9.0, 2.0, 3.0, 0.0, 6.0, 10.0, 1.0, 4.0],
];
const WALKED: [f32; 3] = [10.085_654, 8.933_264, 6.705_14];

/// Observations that are no longer a stack of frames say so, and all others still say it.
#[test]
fn what_changes_observations_undoes_frame_stacks() {
    let mut registry = Registry::default();
    let probe = || Probe::new(ActionSpace::Discrete(5));
    registry.insert("discrete", move || Ok(probe()));
    let table = json!({ "kind": "table", "values": [1.0, 2.0], "period": 20 });
    let tasks = json!([{ "kwargs": { "frame_stack": 3 } }, { "kwargs": { "frame_stack": 3 } }]);
    let kinds = [
        (json!({ "kind": "task_sequence", "tasks": tasks, "steps_per_task": 50 }), 3),
        (json!({ "kind": "permute_obs", "period": 10 }), 1),
        (json!({ "kind": "mask_obs", "count": 2, "period": 10 }), 1),
        (json!({ "kind": "shift_obs", "std": 1.0, "period": 10 }), 1),
        (json!({ "kind": "remap_actions", "period": 10 }), 3),
        (json!({ "kind": "reward", "scales": [1.0, 2.0], "period": 10 }), 3),
        (json!({ "kind": "physics", "constant": "constant", "course": table }), 3),
        (json!({ "kind": "obs_noise", "std": 1.0 }), 1),
        (json!({ "kind": "obs_delay", "steps": 2 }), 1),
        (json!({ "kind": "action_delay", "steps": 2 }), 3),
    ];
    let kwargs = json!({ "frame_stack": 3, "max_episode_steps": 30 });
    let kwargs: Kwargs = serde_json::from_value(kwargs).expect("a table");
    for (drift, frames) in kinds {
        let list: Vec<Drift> = serde_json::from_value(json!([drift])).expect("drift");
        let mut env = registry.make_drifting("discrete", &kwargs, &list).expect("it fits");
        let obs = env.spec().obs;
        assert_eq!((obs.frames, obs.shape), (frames, vec![3, 9]), "{drift}");
        let faults: Vec<String> = check(env.as_mut(), "probe")
            .iter()
            .filter(|f| f.what.contains("stack"))
            .map(ToString::to_string)
            .collect();
        assert!(faults.is_empty(), "{drift}: {faults:#?}");
    }
}

/// Tasks of one shape, of which only one is of stacks, are not stored as such.
#[test]
fn tasks_with_and_without_a_stack_have_none() {
    let mut registry = Registry::default();
    registry.insert("one", || Ok(Probe::new(ActionSpace::Discrete(5))));
    registry.insert("three", || {
        let mut probe = Probe::new(ActionSpace::Discrete(5));
        probe.spec.obs.shape = vec![3, 9];
        (probe.spec.obs.low, probe.spec.obs.high) = (vec![-9.0; 27], vec![9.0; 27]);
        Ok(probe)
    });
    for (second, frames) in [("one", 3), ("three", 1)] {
        let stack = json!({ "frame_stack": 3 });
        let kwargs = if second == "one" { stack.clone() } else { json!({}) };
        let tasks =
            json!([{ "name": "one", "kwargs": stack }, { "name": second, "kwargs": kwargs }]);
        let list = json!([{ "kind": "task_sequence", "tasks": tasks, "steps_per_task": 50 }]);
        let list: Vec<Drift> = serde_json::from_value(list).expect("drift");
        let env = registry.make_drifting("one", &Kwargs::new(), &list).expect("one shape");
        assert_eq!(env.spec().obs.frames, frames, "{second}");
    }
}
