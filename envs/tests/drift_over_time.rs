//! When drift changes what, in numbers worked out by hand: periods, courses of a constant, sequences
//! of tasks, ages.

mod probe;

use envs::drift::FixedStep;
use envs::{Action, Actions, Env, Kwargs, VecEnv};
use probe::{choose, make, registry, reset, reset_at, step, try_make};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

#[test]
fn changes_begin_with_an_episode() {
    let list = json!([{ "kind": "reward", "scales": [1.0, -2.0, 0.5], "period": 3 }]);
    let mut env = make("discrete", &list);
    let mut seen = Vec::new();
    for length in [2, 2, 5, 1] {
        reset(env.as_mut());
        let rewards: Vec<f32> = (0..length).map(|_| choose(env.as_mut(), 0).0).collect();
        seen.push((env.task(), rewards));
    }
    // They begin at ages 0, 2, 4, 9: periods 0, 0, 1, 3.
    let expected = [(0, vec![1.0; 2]), (0, vec![1.0; 2]), (1, vec![-2.0; 5]), (3, vec![1.0])];
    assert_eq!(seen, expected);
    env.set_age(7);
    assert_eq!(env.task(), 3, "an age counts from the next reset on");
    reset(env.as_mut());
    assert_eq!((env.task(), choose(env.as_mut(), 0).0), (2, 0.5));
}

#[test]
fn tasks_of_several_wrappers_add_up_and_hidden_ones_do_not_count() {
    let list = json!([
        { "kind": "reward", "scales": [1.0], "period": 10 },
        { "kind": "permute_obs", "period": 4 },
        { "kind": "mask_obs", "count": 1, "period": 1, "signal_task_change": false },
        { "kind": "physics", "constant": "constant", "course":
            { "kind": "random_walk", "step": 0.1, "low": 0.5, "high": 2.0, "period": 1 } },
    ]);
    let mut env = make("discrete", &list);
    for (age, task) in [(0, 0), (3, 0), (4, 1), (9, 2), (10, 3), (12, 4), (20, 7)] {
        reset_at(env.as_mut(), age);
        assert_eq!(env.task(), task, "{age}");
    }
}

/// The constant is 10 at first; the first observed number is what it is now.
#[test]
fn courses_of_a_constant() {
    let cos = (std::f64::consts::PI / 4.0).cos();
    let cases = [
        // Linear from 1 to 3 in 4 steps, times 10.
        (
            json!({ "kind": "schedule", "shape": "linear", "from": 1.0, "to": 3.0, "period": 4 }),
            false,
            vec![(0, 10.0), (1, 15.0), (2, 20.0), (3, 25.0), (4, 30.0), (99, 30.0)],
        ),
        // A quarter of the way of half a cosine.
        (
            json!({ "kind": "schedule", "shape": "cosine", "from": 3.0, "to": 1.0, "period": 8 }),
            true,
            vec![(0, 3.0), (2, 3.0 - (1.0 - cos)), (4, 2.0), (8, 1.0), (9, 1.0)],
        ),
        (
            json!({ "kind": "schedule", "from": 0.5, "to": 2.0, "period": 8 }),
            true,
            vec![(0, 1.25), (2, 2.0), (4, 1.25), (6, 0.5), (8, 1.25), (10, 2.0), (14, 0.5)],
        ),
        (
            json!({ "kind": "table", "values": [7.0, 8.0, 9.0], "period": 2 }),
            true,
            vec![(0, 7.0), (1, 7.0), (2, 8.0), (4, 9.0), (6, 7.0), (11, 9.0)],
        ),
        (
            json!({ "kind": "table", "values": [0.7, 0.8], "period": 2, "at_end": "hold" }),
            false,
            vec![(0, 7.0), (2, 8.0), (4, 8.0), (5000, 8.0), (1, 7.0)],
        ),
        // Line 0 of the file.
        (
            json!({ "kind": "table", "values": "slippery_ant", "period": 2_000_000 }),
            true,
            vec![(0, 0.296_088_4), (1_999_999, 0.296_088_4), (2_000_000, 0.239_919_8)],
        ),
    ];
    for (course, absolute, points) in cases {
        let list = json!([
            { "kind": "physics", "constant": "constant", "absolute": absolute, "course": course }
        ]);
        let mut env = make("discrete", &list);
        assert_eq!(env.params().expect("one").get("constant"), Some(10.0), "before any episode");
        for (age, value) in points {
            let seen = f64::from(reset_at(env.as_mut(), age)[0]);
            assert!((seen - value).abs() < 1e-6, "{course} at {age}: {seen}, not {value}");
        }
    }
}

#[test]
fn tables_count_their_values_and_those_that_hold_stop() {
    for (at_end, tasks) in [("cycle", [0, 1, 2, 3, 50]), ("hold", [0, 1, 2, 2, 2])] {
        let course = json!({ "kind": "table", "values": [1, 2, 3], "period": 2, "at_end": at_end });
        let list = json!([{ "kind": "physics", "constant": "constant", "course": course }]);
        let mut env = make("discrete", &list);
        for (age, task) in [0, 2, 4, 6, 100].into_iter().zip(tasks) {
            reset_at(env.as_mut(), age);
            assert_eq!(env.task(), task, "{at_end} at {age}");
        }
    }
}

/// Steps of the logarithm are normal with the deviation given; mirrors keep the walk within bounds.
#[test]
fn random_walks() {
    let walk = |step: f64, low: f64, high: f64, seed: u64| {
        let course =
            json!({ "kind": "random_walk", "step": step, "low": low, "high": high, "period": 10 });
        make(
            "discrete",
            &json!([{ "kind": "physics", "constant": "constant", "course": course, "seed": seed }]),
        )
    };
    let mut env = walk(0.01, 1e-3, 1e3, 0);
    let logs: Vec<f64> =
        (0..=2000).map(|k| (f64::from(reset_at(env.as_mut(), 10 * k)[0]) / 10.0).ln()).collect();
    assert_eq!(logs[0], 0.0, "it begins at the constant's own value");
    let steps: Vec<f64> = logs.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mean = steps.iter().sum::<f64>() / 2000.0;
    let std = (steps.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 2000.0).sqrt();
    assert!(mean.abs() < 0.01 * 4.0 / 2000_f64.sqrt(), "{mean}");
    assert!((std / 0.01 - 1.0).abs() < 0.07, "{std}"); // 4 standard errors

    let mut env = walk(0.5, 0.8, 1.25, 0);
    let values: Vec<f32> = (0..500).map(|k| reset_at(env.as_mut(), 10 * k)[0]).collect();
    assert!(values.iter().all(|x| (8.0..=12.5).contains(x)));
    let (least, most) = (8.5, 12.0);
    assert!(values.iter().any(|&x| x < least) && values.iter().any(|&x| x > most));
    assert_eq!(reset_at(env.as_mut(), 19), reset_at(env.as_mut(), 10), "one step in 10");
    assert_ne!(reset_at(walk(0.5, 0.8, 1.25, 1).as_mut(), 10)[0], values[1], "seeds differ");
    assert_eq!(reset_at(walk(0.5, 0.8, 1.25, 0).as_mut(), 4990)[0], values[499]);
}

/// `constant` tells the tasks apart.
#[test]
fn sequences_of_tasks() {
    let tasks = json!([
        {}, { "kwargs": { "constant": 20.0 } }, { "name": "forgetful", "kwargs": { "constant": 30.0 } },
    ]);
    let list = |cycles: u64, signal_task_change: bool| {
        json!([{ "kind": "task_sequence", "tasks": tasks, "steps_per_task": 5, "cycles": cycles,
            "signal_task_change": signal_task_change, "task_in_obs": true }])
    };
    let rows = [(0, 10.0), (4, 10.0), (5, 20.0), (10, 30.0), (15, 10.0), (25, 30.0), (35, 20.0)];
    for (cycles, signal_task_change) in [(0, true), (2, true), (1, false)] {
        let mut env = make("discrete", &list(cycles, signal_task_change));
        assert_eq!(env.spec().obs.shape, [12]);
        assert_eq!(env.spec().obs.high[9..], [1.0; 3]);
        assert!(env.state().is_none(), "one of them cannot be saved");
        for (age, constant) in rows {
            let obs = reset_at(env.as_mut(), age);
            let most = if cycles == 0 { u64::MAX } else { 3 * cycles - 1 };
            let visit = (age / 5).min(most);
            let constant = if visit < age / 5 { 30.0 } else { constant };
            assert_eq!(obs[0], constant, "{cycles} cycles at {age}");
            let mut hot = [0.0; 3];
            hot[(visit % 3) as usize] = 1.0;
            assert_eq!(obs[9..], hot);
            assert_eq!(choose(env.as_mut(), 1).1[9..], hot);
            assert_eq!(env.task() as u64, if signal_task_change { visit } else { 0 });
        }
    }
}

/// `drifting` multiplies rewards by 1, 2, 3, ... itself, each for 5 steps.
#[test]
fn tasks_of_a_sequence_age_together_and_share_bounds() {
    let list = json!([{ "kind": "task_sequence", "steps_per_task": 10, "cycles": 0,
        "tasks": [{}, { "name": "drifting" }, { "name": "wide" }] }]);
    let mut env = make("discrete", &list);
    let spec = env.spec().obs;
    assert_eq!((spec.low[0], spec.high[0], spec.low[1]), (-20.0, 2000.0, -9.0));
    let mut rewards = Vec::new();
    for _ in 0..12 {
        reset(env.as_mut());
        let all: Vec<f32> = (0..5).map(|_| choose(env.as_mut(), 0).0).collect();
        assert_eq!(all, vec![all[0]; 5]);
        rewards.push(all[0]);
    }
    // At ages 10 and 15, then 40 and 45.
    assert_eq!(rewards, [1.0, 1.0, 3.0, 4.0, 1.0, 1.0, 1.0, 1.0, 9.0, 10.0, 1.0, 1.0]);
    // From one visit of it to the next.
    reset_at(env.as_mut(), 15);
    reset_at(env.as_mut(), 40);
    assert_eq!(choose(env.as_mut(), 0).0, 9.0);
}

/// Ages go through the wrappers that the registry puts around an environment that drifts itself. Each
/// step is two of it where actions are repeated.
#[test]
fn ages_reach_what_is_wrapped() {
    let cases = [
        (json!({}), 3.0),
        (json!({ "max_episode_steps": 9 }), 3.0),
        (json!({ "frame_stack": 2 }), 3.0),
        (json!({ "action_repeat": 2 }), 2.0 * 5.0),
    ];
    for (kwargs, reward) in cases {
        let kwargs: Kwargs = serde_json::from_value(kwargs).expect("a table");
        let mut env = registry().make("drifting", &kwargs).expect("fits");
        reset_at(env.as_mut(), 10);
        assert_eq!(choose(env.as_mut(), 0).0, reward, "{kwargs:?}");
    }
    let mut env = registry().make("drifting continuous", &Kwargs::new()).expect("fits");
    reset_at(env.as_mut(), 10);
    assert_eq!(step(env.as_mut(), Action::Continuous(&[0.0; 4])).0, 3.0);
}

#[test]
fn constants_of_a_sequence_are_those_that_all_tasks_share() {
    let sequence = |gravity: f64| {
        json!({ "kind": "task_sequence", "steps_per_task": 5,
            "tasks": [{ "kwargs": { "length": 1.5 } }, { "kwargs": { "length": 1.5, "gravity": gravity } }] })
    };
    let mut env = make("Pendulum-v1", &json!([sequence(10.0)]));
    let params = env.params().expect("has constants");
    assert_eq!(params.names(), ["gravity", "mass", "length", "dt"]);
    let physics = |constant: &str| {
        json!({ "kind": "physics", "constant": constant, "absolute": true, "course":
            { "kind": "table", "values": [3.0, 4.0], "period": 5 } })
    };
    let mut env = make("Pendulum-v1", &json!([sequence(10.0), physics("gravity")]));
    reset_at(env.as_mut(), 5);
    assert_eq!((env.task(), env.params().expect("some").get("gravity")), (2, Some(4.0)));
    let fresh = |gravity: f64| {
        let mut kwargs = Kwargs::new();
        kwargs.insert("gravity".into(), gravity.into());
        kwargs.insert("length".into(), 1.5.into());
        let mut env = registry().make("Pendulum-v1", &kwargs).expect("built in");
        reset(env.as_mut());
        step(env.as_mut(), Action::Continuous(&[0.5])).1
    };
    assert_eq!(step(env.as_mut(), Action::Continuous(&[0.5])).1, fresh(4.0));
    let error = try_make("Pendulum-v1", &json!([sequence(9.0), physics("gravity")]))
        .err()
        .expect("differs between tasks");
    assert!(error.contains("no constant 'gravity'; there are mass, length, dt"), "{error}");
}

#[test]
fn an_environment_can_stop_getting_older() {
    let list = json!([{ "kind": "reward", "scales": [1.0, 2.0, 3.0], "period": 5 }]);
    let mut env = FixedStep::new(make("discrete", &list), 5);
    for _ in 0..3 {
        reset(&mut env);
        for _ in 0..20 {
            assert_eq!((choose(&mut env, 0).0, env.task()), (2.0, 1));
        }
    }
    env.set_age(10);
    reset(&mut env);
    assert_eq!(choose(&mut env, 0).0, 3.0);
}

/// What cannot be saved begins a new episode on resume, but not a new life.
#[test]
fn a_restarted_environment_keeps_its_age() {
    let list = json!([{ "kind": "reward", "scales": [1.0, 2.0], "period": 5 }]);
    let all = || {
        let envs = vec![make("forgetful", &list), make("forgetful", &list)];
        VecEnv::new(envs, ChaCha8Rng::seed_from_u64(0)).expect("two of a kind")
    };
    let (mut lived, mut resumed) = (all(), all());
    for _ in 0..7 {
        lived.step(&Actions::Discrete(vec![0, 0])).expect("good actions");
    }
    assert_eq!(resumed.load(&lived.save()).expect("fits").restarted, 2);
    resumed.step(&Actions::Discrete(vec![0, 0])).expect("good actions");
    let tasks: Vec<(usize, f32)> = resumed.outcomes().iter().map(|o| (o.task, o.reward)).collect();
    assert_eq!(tasks, [(1, 2.0), (1, 2.0)]);
}
