//! The MuJoCo environments as environments: repeatable, saved and loaded bit for bit, with
//! constants that take effect, and messages that help.
#![cfg(feature = "mujoco")]

use envs::drift::Drift;
use envs::{Action, ActionSpace, Env, Kwargs, Registry};
use serde_json::json;

/// Both suites; registry.rs has the list.
fn ids() -> Vec<String> {
    let registry = Registry::builtin();
    let ids: Vec<String> = registry
        .ids()
        .filter(|id| id.ends_with("-v5") || id.starts_with("dmc/"))
        .map(String::from)
        .collect();
    assert_eq!(ids.len(), 36);
    ids
}

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
        let kwargs = kwargs.as_object().expect("an object");
        let made = Registry::builtin().make(id, kwargs).map(|_| ());
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

/// Observations, rewards and ends of an episode, bit by bit.
fn episode(env: &mut dyn Env, seed: u64, most: usize) -> Vec<u32> {
    let mut obs = vec![f32::NAN; env.spec().obs.size()];
    env.reset(seed, &mut obs).expect("reset");
    let mut tape: Vec<u32> = obs.iter().map(|x| x.to_bits()).collect();
    tape.extend(steps(env, 0, most));
    tape
}

/// Up to `n` steps with the actions that come from time `t` on.
fn steps(env: &mut dyn Env, t: usize, n: usize) -> Vec<u32> {
    let spec = env.spec();
    let mut obs = vec![f32::NAN; spec.obs.size()];
    let mut tape = Vec::new();
    for t in t..t + n {
        let action: Vec<f32> =
            (0..spec.action.size()).map(|i| ((3 * t + 5 * i) as f32).sin()).collect();
        let step = env.step(Action::Continuous(&action), &mut obs).expect("a good action");
        tape.extend(obs.iter().map(|x| x.to_bits()));
        tape.extend([step.reward.to_bits(), step.terminated.into(), step.truncated.into()]);
        if step.terminated || step.truncated {
            break;
        }
    }
    tape
}

fn make(id: &str, kwargs: serde_json::Value) -> Box<dyn Env> {
    Registry::builtin().make(id, &object(kwargs)).expect("a good environment")
}

fn bare(id: &str, kwargs: serde_json::Value) -> Box<dyn Env> {
    Registry::builtin().make_bare(id, &object(kwargs)).expect("a good environment")
}

fn object(kwargs: serde_json::Value) -> Kwargs {
    let serde_json::Value::Object(kwargs) = kwargs else { panic!("an object") };
    kwargs
}
