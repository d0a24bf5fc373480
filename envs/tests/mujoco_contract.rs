//! The MuJoCo environments as environments: repeatable, saved and loaded bit for bit, and messages that
//! help.
#![cfg(feature = "mujoco")]

mod mujoco_made;

use envs::drift::Drift;
use envs::{Action, ActionSpace, Env, Kwargs, Registry};
use mujoco_made::{bare, episode, ids, make, object, steps};
use serde_json::json;

#[test]
fn check_finds_nothing() {
    for id in &ids() {
        let mut env = make(id, json!({}));
        assert_eq!(envs::check(env.as_mut(), id), []);
    }
}

#[test]
fn seeds_repeat_and_differ() {
    for id in &ids() {
        let (mut one, mut other) = (make(id, json!({})), make(id, json!({})));
        let first = episode(one.as_mut(), 5, 60);
        // The other has lived before.
        episode(other.as_mut(), 9, 30);
        assert_eq!(first, episode(other.as_mut(), 5, 60), "{id}: the same seed");
        assert_ne!(first, episode(one.as_mut(), 6, 60), "{id}: another seed");
    }
}

#[test]
fn a_saved_episode_goes_on_bitwise_in_another_environment() {
    for id in &ids() {
        let (mut one, mut other) = (make(id, json!({})), make(id, json!({})));
        let mut obs = vec![0.0; one.spec().obs.size()];
        one.reset(3, &mut obs).expect("reset");
        steps(one.as_mut(), 0, 7);
        let saved = one.state().expect("has a state").save();
        let expected = steps(one.as_mut(), 7, 30);

        other.reset(8, &mut obs).expect("reset");
        steps(other.as_mut(), 50, 5);
        other.state().expect("has a state").load(&saved).expect("a good state");
        assert_eq!(steps(other.as_mut(), 7, 30), expected, "{id}");
        assert_eq!(other.state().expect("has a state").save(), one.state().expect("same").save());
    }
}

#[test]
fn damaged_states_are_refused() {
    let mut ant = bare("Ant-v5", json!({}));
    let saved = ant.state().expect("has a state").save();
    let mut nan = saved.clone();
    nan[40..48].copy_from_slice(&f64::NAN.to_le_bytes());
    for (bytes, word) in [
        (&saved[..saved.len() - 3], "whole number"),
        (&saved[..saved.len() - 8], "xml_file"),
        (&saved[..0], "damaged"),
        (&nan, "NaN"),
    ] {
        let error = ant.state().expect("has a state").load(bytes).expect_err("damaged").to_string();
        assert!(error.contains(word), "{error}");
    }
}

/// Where the target is belongs to the state; one that is refused leaves it alone.
#[test]
fn targets_are_saved_and_loaded() {
    for id in ["dmc/finger-turn_easy", "dmc/reacher-hard"] {
        let mut env = bare(id, json!({}));
        let mut obs = vec![0.0; env.spec().obs.size()];
        let [one, other] = [0, 1].map(|seed| {
            env.reset(seed, &mut obs).expect("reset");
            env.state().expect("has a state").save()
        });
        assert_ne!(one[..16], other[..16], "{id}: both starts have one target");
        for damaged in [&one[..8], &one[..one.len() - 8]] {
            env.state().expect("has a state").load(damaged).expect_err("too short");
            assert_eq!(env.state().expect("has a state").save(), other, "{id}");
        }
        env.state().expect("has a state").load(&one).expect("a good state");
        assert_eq!(env.state().expect("has a state").save(), one, "{id}");
    }
}

#[test]
fn bad_keyword_arguments_are_refused() {
    for (id, kwargs, word) in [
        ("Ant-v5", json!({"ctrl_cost_wieght": 1.0}), "did you mean 'ctrl_cost_weight'"),
        ("Hopper-v5", json!({"contact_cost_weight": 1.0}), "unknown"),
        ("Hopper-v5", json!({"healthy_z_range": 0.7}), "two numbers"),
        ("Hopper-v5", json!({"healthy_z_range": [1.0, 0.5]}), "lower one first"),
        ("Hopper-v5", json!({"frame_skip": 0}), "at least 1"),
        ("Hopper-v5", json!({"reset_noise_scale": -1.0}), "at least 0"),
        ("Hopper-v5", json!({"terminate_when_unhealthy": 1}), "true or false"),
        ("Hopper-v5", json!({"xml_file": "hoper.xml"}), "hopper.xml"),
        ("Hopper-v5", json!({"xml_file": "./nowhere.xml"}), "no model file"),
        ("Hopper-v5", json!({"xml_file": "/with\0zero.xml"}), "no model file"),
        ("Hopper-v5", json!({"xml_file": "inverted_pendulum.xml"}), "positions"),
        ("Pusher-v5", json!({"xml_file": "ant.xml"}), "tips_arm"),
        ("Reacher-v5", json!({"xml_file": "half_cheetah.xml"}), "fingertip"),
        ("InvertedDoublePendulum-v5", json!({"xml_file": "ant.xml"}), "site"),
        ("Ant-v5", json!({"main_body": "nose"}), "no body named 'nose'"),
        ("Ant-v5", json!({"main_body": "no\0se"}), "no body"),
        ("Ant-v5", json!({"main_body": 14}), "14 bodies"),
        ("Ant-v5", json!({"main_body": 1.5}), "name or the number"),
        ("HumanoidStandup-v5", json!({"uph_cost_weight": 2.0}), "not used"),
        ("Ant-v5", json!({"gravity": -1.0}), "gravity"),
        // Nothing rubs there.
        ("Swimmer-v5", json!({"friction": 0.5}), "unknown"),
        ("dmc/cartpole-balance", json!({"friction": 0.5}), "unknown"),
        ("dmc/finger-spin", json!({"gravity": 9.81}), "unknown"),
        ("dmc/walker-run", json!({"frame_skip": 2}), "unknown"),
    ] {
        let made = Registry::builtin().make(id, &object(kwargs.clone())).map(drop);
        let error = made.expect_err(&format!("{kwargs:?} is wrong")).to_string();
        assert!(error.contains(word) && error.contains(id), "{id} {kwargs:?}: {error}");
    }
}

#[test]
fn models_of_ones_own_are_loaded_or_refused_with_the_reason() {
    let folder = std::env::temp_dir().join(format!("supple-mujoco-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the test");
    let model = |actuator: &str| {
        format!(
            "<mujoco><worldbody><body name='cart'><joint name='slide' type='slide' axis='1 0 0'/>\
             <geom size='.1'/></body></worldbody><actuator>{actuator}</actuator></mujoco>"
        )
    };
    for (file, text, expected) in [
        ("good.xml", model("<motor joint='slide' ctrlrange='-2 2'/>"), Ok(2)),
        ("unlimited.xml", model("<motor joint='slide'/>"), Err("no limits")),
        ("still.xml", model(""), Err("no actuators")),
        ("broken.xml", "<mujoco><no></mujoco>".into(), Err("MuJoCo refuses")),
    ] {
        let path = folder.join(file);
        std::fs::write(&path, text).expect("the file can be written");
        let kwargs = json!({"xml_file": path, "exclude_current_positions_from_observation": false});
        let made = Registry::builtin().make_bare("HalfCheetah-v5", &object(kwargs));
        match (made, expected) {
            (Ok(env), Ok(size)) => {
                let spec = env.spec();
                assert_eq!(spec.obs.size(), size);
                let action = ActionSpace::Box { low: vec![-2.0], high: vec![2.0] };
                assert_eq!(spec.action, action);
            }
            (Err(error), Err(word)) => assert!(error.to_string().contains(word), "{error}"),
            (made, _) => panic!("{file}: {:?}", made.map(|_| ()).map_err(|e| e.to_string())),
        }
    }
    std::fs::remove_dir_all(&folder).expect("the folder can be removed");
}

/// Sequences that are published for continual control: tasks of one body, one after the other.
#[test]
fn tasks_of_a_domain_are_a_sequence() {
    let sequence = |names: &[&str]| {
        let tasks: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
        let list = json!([{ "kind": "task_sequence", "tasks": tasks, "steps_per_task": 40 }]);
        let list: Vec<Drift> = serde_json::from_value(list).expect("well written");
        Registry::builtin().make_drifting(names[0], &Kwargs::new(), &list)
    };
    for (names, size) in [
        (&["dmc/walker-stand", "dmc/walker-walk", "dmc/walker-run"][..], 24),
        (&["dmc/dog-stand", "dmc/dog-walk", "dmc/dog-run", "dmc/dog-trot"], 223),
    ] {
        let mut env = sequence(names).expect("one body");
        assert_eq!(env.spec().obs.size(), size);
        for (age, name) in (0..).step_by(40).zip(names) {
            env.set_age(age);
            let played = episode(env.as_mut(), 4, 20);
            let alone = episode(make(name, json!({})).as_mut(), 4, 20);
            assert_eq!(played, alone, "{name}");
            assert_eq!(env.task() as u64, age / 40);
        }
    }
    let error = sequence(&["dmc/walker-run", "dmc/cheetah-run"]).err().expect("two bodies");
    let expected =
        "task 1 has observations of shape [17] and task 0 of [24]; give tasks of one shape";
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn actions_of_the_wrong_size_are_refused() {
    let mut ant = bare("Ant-v5", json!({}));
    let mut obs = vec![0.0; 105];
    ant.reset(0, &mut obs).expect("reset");
    let error = ant.step(Action::Continuous(&[0.0; 7]), &mut obs).expect_err("7 of 8").to_string();
    assert!(error.contains('8'), "{error}");
    ant.step(Action::Discrete(0), &mut obs).expect_err("continuous actions");
}

#[test]
fn bare_environments_refuse_what_is_of_wrappers() {
    let kwargs = json!({"frame_stack": 3});
    let made = Registry::builtin().make_bare("Ant-v5", &object(kwargs)).map(|_| ());
    assert!(made.expect_err("no wrapper").to_string().contains("frame_stack"));
}

/// Whether this machine has what draws: EGL and a vendor's half of it.
fn has_egl() -> bool {
    let listed = std::process::Command::new("/sbin/ldconfig").arg("-p").output();
    let listed =
        listed.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    let vendor = ["libEGL_mesa.so.0", "libEGL_nvidia.so.0"].iter().any(|lib| listed.contains(lib));
    vendor && listed.contains("libEGL.so.1")
}

/// A picture shows something, follows what moves, and comes from any thread; a machine that cannot draw
/// says what to install.
#[test]
fn pictures() {
    if !has_egl() {
        let mut env = make("Ant-v5", json!({}));
        env.reset(0, &mut vec![0.0; env.spec().obs.size()]).expect("reset");
        match env.render() {
            Err(error) => assert!(error.to_string().contains("install EGL"), "{error}"),
            Ok(picture) => assert!(picture.is_some(), "EGL from elsewhere"),
        }
        return;
    }
    let draw = |env: &mut Box<dyn Env>| env.render().expect("EGL is there").expect("a picture");
    for id in &ids() {
        let mut env = make(id, json!({}));
        let mut obs = vec![0.0; env.spec().obs.size()];
        env.reset(0, &mut obs).expect("reset");
        let first = draw(&mut env);
        assert_eq!((first.width, first.height, first.rgb.len()), (480, 480, 480 * 480 * 3));
        let darkest = first.rgb.iter().min().expect("pixels");
        assert!(first.rgb.iter().max().expect("pixels") - darkest > 50, "{id}: it is empty");
        assert_eq!(draw(&mut env), first, "{id}: the same state twice");

        let tape = steps(env.as_mut(), 0, 5);
        let moved = draw(&mut env);
        assert_ne!(moved, first, "{id}: nothing moved");
        let elsewhere = std::thread::spawn(move || env.render()).join().expect("no panic");
        assert_eq!(elsewhere.expect("EGL is there"), Some(moved), "{id}: from another thread");

        // Drawing leaves the simulation alone.
        let mut other = make(id, json!({}));
        other.reset(0, &mut obs).expect("reset");
        assert_eq!(steps(other.as_mut(), 0, 5), tape, "{id}");
    }
}

#[test]
fn bounds_may_be_infinite_and_weights_not() {
    let made = |text: &str| {
        let kwargs: Kwargs = text.parse().expect("TOML");
        Registry::builtin().make("Hopper-v5", &kwargs).map(drop).map_err(|e| e.to_string())
    };
    for range in ["[0.7, inf]", "[-inf, 2]", "['-inf', 'inf']"] {
        made(&format!("healthy_z_range = {range}")).expect(range);
    }
    for (wrong, word) in [
        ("healthy_z_range = [nan, 1.0]", "two numbers"),
        ("forward_reward_weight = inf", "a finite number"),
        ("reset_noise_scale = inf", "a finite number of at least 0"),
    ] {
        assert!(made(wrong).expect_err(wrong).contains(word), "{wrong}");
    }
}
