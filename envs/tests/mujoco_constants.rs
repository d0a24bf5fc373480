//! The constants of the MuJoCo environments: which there are, what they do, what is refused.
#![cfg(feature = "mujoco")]

mod mujoco_made;

use envs::Action;
use mujoco_made::{bare, episode, ids, make, steps};
use serde_json::json;

/// All but a few make a difference.
#[test]
fn constants_take_effect_and_go_back_bitwise() {
    let mut idle = Vec::new();
    for id in &ids() {
        let mut env = make(id, json!({}));
        let before = episode(env.as_mut(), 0, 50);
        let names: Vec<String> =
            env.params().expect("has constants").names().into_iter().map(String::from).collect();
        // The finger's model switches it off.
        let heavy = !id.starts_with("dmc/finger-");
        assert_eq!(names.iter().any(|name| name == "gravity"), heavy, "{id}: {names:?}");
        for name in names {
            let params = env.params().expect("has constants");
            let value = params.get(&name).expect("a value");
            params.set(&name, value * 1.5 + 0.5).expect("a good value");
            assert_eq!(params.get(&name), Some(value * 1.5 + 0.5), "{id} {name}");
            if episode(env.as_mut(), 0, 50) == before {
                idle.push(format!("{id} {name}"));
            }
            env.params().expect("has constants").set(&name, value).expect("its own value");
            assert_eq!(episode(env.as_mut(), 0, 50), before, "{id}: {name} was put back");
        }
    }
    assert_eq!(idle, WITHOUT_EFFECT);
}

/// Arms, swimmer and point move in the plane; cylinder, ball and spinner are not touched so early.
const WITHOUT_EFFECT: [&str; 15] = [
    "Pusher-v5 mass/object",
    "Pusher-v5 mass/goal",
    "Reacher-v5 gravity",
    "Reacher-v5 mass/target",
    "Swimmer-v5 gravity",
    "dmc/dog-fetch mass/ball",
    "dmc/finger-spin friction",
    "dmc/finger-spin mass/spinner",
    "dmc/finger-turn_easy friction",
    "dmc/finger-turn_easy mass/spinner",
    "dmc/finger-turn_hard friction",
    "dmc/finger-turn_hard mass/spinner",
    "dmc/point_mass-easy gravity",
    "dmc/reacher-easy gravity",
    "dmc/reacher-hard gravity",
];

#[test]
fn constants_without_meaning_are_refused() {
    let mut ant = bare("Ant-v5", json!({}));
    let params = ant.params().expect("has constants");
    for (name, value) in [
        ("gravity", f64::NAN),
        ("gravity", -9.81),
        ("friction", -1.0),
        ("friction", f64::INFINITY),
        ("damping", -0.1),
        ("mass/torso", 0.0),
        ("mass/torso", -1.0),
        ("gear/hip_1", f64::INFINITY),
        ("mass/nose", 1.0),
    ] {
        let before = params.get(name);
        let error = params.set(name, value).expect_err("no meaning").to_string();
        assert!(error.contains(name), "{error}");
        assert_eq!(params.get(name), before);
    }
}

#[test]
fn constants_are_read_from_the_model_and_from_kwargs() {
    let mut ant = make("Ant-v5", json!({"friction": 0.05, "mass/torso": 2.0}));
    let params = ant.params().expect("has constants");
    assert_eq!(params.get("friction"), Some(0.05));
    assert_eq!(params.get("mass/torso"), Some(2.0));
    assert_eq!(params.get("gravity"), Some(9.81));
    assert_eq!(params.get("gear/hip_1"), Some(150.0));
    assert_eq!(params.get("damping"), Some(1.0));
    let mut hopper = make("Hopper-v5", json!({}));
    // The foot's; the floor's is 1.
    assert_eq!(hopper.params().expect("has constants").get("friction"), Some(2.0));
}

/// A mass that is set in the middle of an episode leaves its course alone but for the mass.
#[test]
fn a_mass_set_to_itself_in_an_episode_changes_nothing() {
    let (mut one, mut other) = (make("Humanoid-v5", json!({})), make("Humanoid-v5", json!({})));
    for env in [&mut one, &mut other] {
        let mut obs = vec![0.0; env.spec().obs.size()];
        env.reset(0, &mut obs).expect("reset");
        steps(env.as_mut(), 0, 10);
    }
    let params = other.params().expect("has constants");
    let mass = params.get("mass/torso").expect("a torso");
    params.set("mass/torso", 2.0 * mass).expect("a good mass");
    params.set("mass/torso", mass).expect("a good mass");
    assert_eq!(steps(other.as_mut(), 10, 20), steps(one.as_mut(), 10, 20));
}

/// A cheetah that is thrown forward at 5 m/s and lies still.
#[test]
fn on_slippery_ground_things_slide() {
    let speed_after_three_seconds = |friction: f64| {
        let mut cheetah = bare("HalfCheetah-v5", json!({"friction": friction}));
        let mut obs = [0.0; 17];
        cheetah.reset(0, &mut obs).expect("reset");
        let mut state = cheetah.state().expect("has a state").save();
        // After `position` and time come 9 positions, then velocities.
        state[88..96].copy_from_slice(&5.0_f64.to_le_bytes());
        cheetah.state().expect("has a state").load(&state).expect("a good state");
        for _ in 0..60 {
            cheetah.step(Action::Continuous(&[0.0; 6]), &mut obs).expect("a good action");
        }
        obs[8]
    };
    let (rough, slippery) = (speed_after_three_seconds(0.4), speed_after_three_seconds(0.01));
    assert!(rough < 1.0 && slippery > 3.0, "{rough} m/s on the ground, {slippery} m/s on ice");
}
