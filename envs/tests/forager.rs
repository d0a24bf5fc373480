//! `forager/two-biome` as an environment: episodes that are pieces of one life, ages, keyword
//! arguments; the rules are tested beside them, against the package.

use envs::drift::{FixedStep, StepOffset};
use envs::{Action, ActionSpace, Actions, Dtype, Env, EnvError, Kwargs, Registry, VecEnv};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

const SIZE: usize = 3 * 9 * 9;

fn make(kwargs: Value) -> Result<Box<dyn Env>, EnvError> {
    let kwargs = Kwargs::try_from(kwargs).expect("an object");
    Registry::builtin().make("forager/two-biome", &kwargs)
}

fn good(kwargs: Value) -> Box<dyn Env> {
    make(kwargs).expect("known arguments")
}

fn reset(env: &mut dyn Env, seed: u64) -> Vec<f32> {
    let mut obs = vec![f32::NAN; env.spec().obs.size()];
    env.reset(seed, &mut obs).expect("reset");
    obs
}

/// What `steps` steps lead to, going back and forth over the world.
fn live(env: &mut dyn Env, steps: usize) -> Vec<(Vec<f32>, f32, bool)> {
    let mut obs = vec![f32::NAN; env.spec().obs.size()];
    let mut tape = Vec::new();
    for t in 0..steps {
        let action = [1, 1, 0, 1, 2, 1, 3][(t * t / 5) % 7];
        let step = env.step(Action::Discrete(action), &mut obs).expect("a good action");
        assert!(!step.terminated, "nothing ends");
        tape.push((obs.clone(), step.reward, step.truncated));
    }
    tape
}

#[test]
fn shapes_and_actions() {
    let spec = good(json!({})).spec();
    assert_eq!(spec.obs.shape, [3, 9, 9]);
    assert_eq!(spec.obs.dtype, Dtype::U8);
    assert_eq!(spec.action, ActionSpace::Discrete(4));
    assert_eq!(spec.time_limit, Some(1000));
    let spec = good(json!({ "aperture_size": 15, "max_episode_steps": -1 })).spec();
    assert_eq!(spec.obs.shape, [3, 15, 15]);
    assert_eq!(spec.time_limit, None);
    for aperture in [1, 5, 9, 15] {
        let mut env = good(json!({ "aperture_size": aperture, "period": 300 }));
        assert_eq!(envs::check(env.as_mut(), "forager"), [], "{aperture}");
    }
}

/// The time limit cuts one life into pieces: observations, rewards and things are those of a life
/// without a limit, whatever the seeds of later resets.
#[test]
fn resets_go_on_in_the_same_world() {
    let mut whole = good(json!({ "max_episode_steps": -1 }));
    let mut pieces = good(json!({ "max_episode_steps": 70 }));
    assert_eq!(reset(whole.as_mut(), 5), reset(pieces.as_mut(), 5));
    let expected = live(whole.as_mut(), 70 * 12);
    // The same actions, over the ends of pieces.
    let mut obs = vec![f32::NAN; SIZE];
    for (t, (seen, reward, _)) in expected.iter().enumerate() {
        let action = [1, 1, 0, 1, 2, 1, 3][(t * t / 5) % 7];
        let step = pieces.step(Action::Discrete(action), &mut obs).expect("a good action");
        assert_eq!((&obs, step.reward), (seen, *reward), "step {t}");
        assert_eq!((step.terminated, step.truncated), (false, t % 70 == 69), "step {t}");
        if step.truncated {
            assert_eq!(reset(pieces.as_mut(), t as u64), *seen, "the last one again");
        }
    }
    assert!(expected.iter().any(|(_, reward, _)| *reward != 0.0), "nothing was eaten");
}

/// An evaluation's episodes are of worlds of their own, which their seeds decide.
#[test]
fn an_age_begins_a_new_world() {
    let mut env: Box<dyn Env> = Box::new(FixedStep::new(good(json!({})), 40));
    let first = (reset(env.as_mut(), 1), live(env.as_mut(), 200));
    let second = (reset(env.as_mut(), 2), live(env.as_mut(), 200));
    assert_ne!(first, second);
    assert_eq!(first, (reset(env.as_mut(), 1), live(env.as_mut(), 200)));
    let mut other = good(json!({}));
    reset(other.as_mut(), 9);
    live(other.as_mut(), 30);
    other.set_age(40);
    assert_eq!(first, (reset(other.as_mut(), 1), live(other.as_mut(), 200)));
}

/// Which half of the wave is on goes by the age, in steps lived.
#[test]
fn the_wave_follows_the_age() {
    let rewards = |age: u64| {
        let mut env: Box<dyn Env> =
            Box::new(FixedStep::new(good(json!({ "period": 20_000 })), age));
        let mut seen = Vec::new();
        for seed in 0..20 {
            reset(env.as_mut(), seed);
            assert_eq!(env.task() as u64, age / 10_000);
            // Through both biomes, row by row.
            let mut obs = vec![f32::NAN; SIZE];
            for t in 0..300 {
                let action = if t % 5 == 4 { 0 } else { [3, 1][t / 20 % 2] };
                let step = env.step(Action::Discrete(action), &mut obs).expect("a good action");
                seen.push(step.reward as i32);
            }
        }
        seen
    };
    let (first, second) = (rewards(0), rewards(10_000));
    assert_eq!(first, rewards(20_000));
    for kind in [4, -2, -8, -14] {
        assert!(first.contains(&kind), "{kind} never came");
    }
    // The same worlds, the same foods, worth something else.
    let turned = |reward: &i32| if *reward == 0 { 0 } else { -10 - reward };
    assert_eq!(first.iter().map(turned).collect::<Vec<_>>(), second);

    let mut env = good(json!({ "period": 100 }));
    reset(env.as_mut(), 0);
    let tasks: Vec<usize> = (0..400)
        .map(|_| {
            let task = env.task();
            live(env.as_mut(), 1);
            task
        })
        .collect();
    let expected: Vec<usize> = (0..400).map(|t| t / 50).collect();
    assert_eq!(tasks, expected, "each half of the wave is a task, within an episode too");
    let mut env = good(json!({ "period": 100, "signal_task_change": false }));
    reset(env.as_mut(), 0);
    live(env.as_mut(), 90);
    assert_eq!(env.task(), 0);
    let mut env = StepOffset::new(good(json!({ "period": 100 })), 130);
    reset(&mut env, 0);
    assert_eq!(env.task(), 2, "a run may begin in the middle");
}

/// A run that was saved in the middle of a life continues in it, over the ends of episodes.
#[test]
fn a_saved_life_goes_on() {
    let vector = |seed: u64| {
        let envs = (0..2).map(|_| good(json!({ "max_episode_steps": 50 }))).collect();
        VecEnv::new(envs, ChaCha8Rng::seed_from_u64(seed)).expect("two of a kind")
    };
    let go_on = |envs: &mut VecEnv| {
        let mut tape = Vec::new();
        for t in 0..300 {
            envs.step(&Actions::Discrete(vec![(t * t / 5) % 4, 3 - t / 4 % 4])).expect("a step");
            tape.push((envs.obs().to_vec(), envs.outcomes().to_vec()));
        }
        tape
    };
    let mut one = vector(0);
    go_on(&mut one);
    let saved = one.save();
    let expected = go_on(&mut one);
    let mut other = vector(1);
    let report = other.load(&saved).expect("a good state");
    assert_eq!((report.resumed, report.restarted), (2, 0));
    assert_eq!(go_on(&mut other), expected);
}

#[test]
fn wrong_arguments_and_states_are_refused() {
    for (kwargs, wanted) in [
        (json!({ "aperture_size": 4 }), "aperture_size = 4 has no middle cell or is too wide"),
        (json!({ "aperture_size": 17 }), "give 1, 3, ... 15"),
        (json!({ "aperture_size": -1 }), "give 1, 3, ... 15"),
        (json!({ "period": 1 }), "period = 1 has no two halves; give 2 steps or more"),
        (json!({ "signal_task_change": 1 }), "give true or false"),
        (json!({ "aperture": 9 }), "did you mean 'aperture_size'?"),
    ] {
        let error = make(kwargs).err().expect("refused").to_string();
        assert!(error.contains(wanted), "{error}");
    }
    let mut env = good(json!({ "max_episode_steps": -1 }));
    reset(env.as_mut(), 0);
    let error = env.step(Action::Discrete(4), &mut [0.0; SIZE]).expect_err("no such action");
    assert!(error.to_string().contains("action 4 is not one of 0..4"), "{error}");
    let error = env.state().expect("has a state").load(b"{}").expect_err("no state").to_string();
    assert!(error.contains("saved state"), "{error}");
}

/// Walls, both foods and the player, lighter where it is seen.
#[test]
fn pictures_show_the_world() {
    let mut env = good(json!({}));
    let obs = reset(env.as_mut(), 0);
    let frame = env.render().expect("it can be drawn").expect("a picture");
    assert_eq!((frame.width, frame.height), (480, 300));
    let pixel = |x: usize, y: usize, right: usize, down: usize| {
        let at = ((y * 20 + down) * 480 + x * 20 + right) * 3;
        [frame.rgb[at], frame.rgb[at + 1], frame.rgb[at + 2]]
    };
    assert_eq!(pixel(12, 7, 10, 10), [66, 122, 190], "the player");
    let colours = [[124, 61, 81], [218, 145, 0], [52, 58, 70]];
    for (i, _) in obs.iter().enumerate().filter(|(_, x)| **x == 1.0) {
        let (plane, x, y) = (i / 81, i % 9 + 8, i % 81 / 9 + 3);
        if (x, y) != (12, 7) {
            assert_eq!(pixel(x, y, 10, 10), colours[plane], "{plane} at {x}, {y}");
        }
    }
    let foods = [(0, 0), (23, 14)].map(|(x, y)| pixel(x, y, 0, 0));
    assert!(foods.iter().all(|colour| [[216, 215, 212], [52, 58, 70]].contains(colour)), "unseen");
}
