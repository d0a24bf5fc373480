//! What goes in and out of a Python environment: spaces, actions, tasks, pictures, time limits.

#[path = "python/support.rs"]
mod support;

use std::path::Path;
use std::process::Command;

use envs::{Action, ActionSpace, Dtype, Env, Frame, Kwargs, Registry};
use serde_json::{Value, json};
use support::{kwargs, make, packages, refusal, reset, step, world};

const SPACES: [&str; 17] = [
    "box",
    "scalar",
    "doubles",
    "unbounded",
    "half",
    "pixels",
    "integers",
    "discrete",
    "started",
    "multi",
    "multi_grid",
    "multi_started",
    "binary",
    "text",
    "dict",
    "nested",
    "bytes",
];

/// `gymnasium.wrappers.FlattenObservation` is `gymnasium.spaces.flatten` of each observation.
#[test]
fn observations_are_flattened_as_gymnasium_does() {
    for name in SPACES {
        let mut ours = world("space", json!({"name": name}));
        let mut theirs = world("flattened", json!({"name": name}));
        let (a, b) = (ours.spec(), theirs.spec());
        assert_eq!(a.obs.low, b.obs.low, "{name}");
        assert_eq!(a.obs.high, b.obs.high, "{name}");
        assert_eq!(a.obs.size(), b.obs.size(), "{name}");
        let mut varied = false;
        for seed in 0..3 {
            let first = reset(ours.as_mut(), seed).expect("reset");
            assert_eq!(first, reset(theirs.as_mut(), seed).expect("reset"), "{name}");
            for t in 0..10 {
                let (obs, result) = step(ours.as_mut(), 1).expect("step");
                assert_eq!(obs, step(theirs.as_mut(), 1).expect("step").0, "{name}, step {t}");
                assert_eq!((result.terminated, result.truncated), (false, t == 9));
                varied |= obs != first;
            }
        }
        assert!(varied, "{name}: the test has only seen one observation");
    }
}

#[test]
fn shapes_and_types_are_kept() {
    let spec = |name: &str| world("space", json!({"name": name})).spec().obs;
    assert_eq!((spec("pixels").shape, spec("pixels").dtype), (vec![4, 5, 3], Dtype::U8));
    assert_eq!((spec("bytes").shape, spec("bytes").dtype), (vec![7], Dtype::U8));
    assert_eq!((spec("box").shape, spec("box").dtype), (vec![2, 3], Dtype::F32));
    assert_eq!((spec("scalar").shape, spec("scalar").dtype), (vec![1], Dtype::F32));
    assert_eq!((spec("nested").shape, spec("nested").dtype), (vec![5], Dtype::F32));
    assert_eq!((spec("binary").shape, spec("binary").dtype), (vec![6], Dtype::F32));
    assert_eq!(spec("half").low, [0.0, f32::NEG_INFINITY]);
    assert_eq!(spec("half").high, [f32::INFINITY, 5.0]);
}

/// By hand: keys of a dictionary are sorted, a choice is one-hot, from the space's start.
#[test]
fn an_observation_by_hand() {
    let mut env = world("space", json!({"name": "dict"}));
    let obs = reset(env.as_mut(), 5).expect("reset");
    assert_eq!(obs.len(), 4 + 2 + 3);
    assert!(obs[..4].iter().all(|x| x.fract() != 0.0), "a: numbers, {obs:?}");
    assert!(obs[4..6].iter().all(|x| [0.0, 1.0].contains(x)), "m: bits, {obs:?}");
    assert_eq!(obs[6..].iter().sum::<f32>(), 1.0, "z: one of three, {obs:?}");
}

fn echo(name: &str, action: Action<'_>) -> Vec<f32> {
    let mut env = world("Echo", json!({"name": name}));
    let mut obs = reset(env.as_mut(), 0).expect("reset");
    env.step(action, &mut obs).unwrap_or_else(|error| panic!("{name}: {error}"));
    obs
}

#[test]
fn choices_are_numbered_from_the_start_of_their_space() {
    let n = |name| world("Echo", json!({"name": name})).spec().action;
    assert_eq!(n("discrete"), ActionSpace::Discrete(3));
    assert_eq!(echo("discrete", Action::Discrete(2)), [2.0]);
    assert_eq!(echo("started", Action::Discrete(0)), [10.0]);
    assert_eq!(echo("started", Action::Discrete(2)), [12.0]);
    assert_eq!(n("many"), ActionSpace::Discrete(5000));
    assert_eq!(echo("many", Action::Discrete(4999)), [4998.0]);
}

#[test]
fn products_of_choices_count_the_last_one_fastest() {
    let n = |name| world("Echo", json!({"name": name})).spec().action;
    assert_eq!(n("multi"), ActionSpace::Discrete(24));
    assert_eq!(echo("multi", Action::Discrete(0)), [0.0, 0.0, 0.0]);
    assert_eq!(echo("multi", Action::Discrete(5)), [0.0, 1.0, 1.0]);
    assert_eq!(echo("multi", Action::Discrete(23)), [2.0, 1.0, 3.0]);
    assert_eq!(echo("multi_started", Action::Discrete(5)), [7.0, 0.0]);
    assert_eq!(echo("grid", Action::Discrete(23)), [2.0, 1.0, 1.0, 1.0]);
    assert_eq!(n("binary"), ActionSpace::Discrete(8));
    assert_eq!(echo("binary", Action::Discrete(6)), [1.0, 1.0, 0.0]);
}

#[test]
fn continuous_actions_reach_their_bounds_and_no_further() {
    let low = [-1.0; 4];
    assert_eq!(echo("box", Action::Continuous(&low)), [-2.0, 0.0, 0.0, 0.0]);
    assert_eq!(echo("box", Action::Continuous(&[1.0, 1.0, 0.0, 0.5])), [2.0, 1.0, 2.0, 6.0]);
    // 0.1 in f32 is more than 0.1, which the environment would refuse.
    assert_eq!(echo("doubles", Action::Continuous(&[1.0, -1.0])), [0.1, -0.1]);
    assert_eq!(echo("integers", Action::Continuous(&[0.13, -0.13])), [6.0, 4.0]);
}

#[test]
fn unsupported_spaces_are_refused() {
    let refused = |name: &str, words: &[&str]| {
        let message = refusal("python:worlds:Echo", json!({"name": name}));
        for word in words {
            assert!(message.contains(word), "{name}: no `{word}` in: {message}");
        }
    };
    refused("too_many", &["MultiDiscrete([64 65]) has 4160 combinations", "at most 4096"]);
    refused("too_binary", &["MultiBinary(13)", "8192 combinations", "wrap it"]);
    refused("tuple", &["Tuple(Discrete(2), Discrete(3)) is not supported; supported are Box"]);
    refused("unbounded", &["action component 0", "give finite bounds"]);
    let message = refusal("python:worlds:graph", json!({}));
    assert!(message.contains("Sequence(Discrete(2)"), "{message}");
    assert!(message.contains("cannot be made one array; supported are Box"), "{message}");
}

#[test]
fn the_part_that_cannot_be_flattened_is_named() {
    let message = refusal("python:worlds:mission", json!({}));
    assert!(message.contains("part ['mission'] of its observation space"), "{message}");
    assert!(message.contains("leave it out with `obs_keys = [\"image\"]`"), "{message}");
    assert!(!message.contains("NotImplementedError"), "{message}");
    let message = refusal("python:worlds:graph", json!({}));
    assert!(message.contains("`wrappers = [\"MODULE:CLASS\"]`"), "{message}");
}

#[test]
fn obs_keys_keep_the_named_parts_of_a_dict() {
    let mut env = world("Room", json!({"obs_keys": ["image", "direction"]}));
    // As Gymnasium does, the parts are in the order of their keys; a choice is one-hot.
    assert_eq!(env.spec().obs.shape, [8]);
    assert_eq!(reset(env.as_mut(), 0).expect("good"), [1.0, 0.0, 0.0, 0.0, 10.0, 10.0, 10.0, 10.0]);
    let (obs, _) = step(env.as_mut(), 0).expect("good");
    assert_eq!(obs, [0.0, 1.0, 0.0, 0.0, 11.0, 11.0, 11.0, 11.0]);
    // One part alone stays what it is.
    let mut env = world("Room", json!({"obs_keys": "image"}));
    assert_eq!((env.spec().obs.shape, env.spec().obs.dtype), (vec![2, 2, 1], Dtype::U8));
    assert_eq!(reset(env.as_mut(), 0).expect("good"), [10.0; 4]);

    let refused = |name: &str, keys: Value, word: &str| {
        let message = refusal(&format!("python:worlds:{name}"), json!({"obs_keys": keys}));
        assert!(message.contains(word), "{keys}: no `{word}` in: {message}");
    };
    refused("Room", json!(["imag"]), "`obs_keys` names 'imag', and its observation space has");
    refused("Room", json!([]), "obs_keys is empty");
    refused("Room", json!([1]), "give a list of keys");
    refused("Fault", json!(["image"]), "leave `obs_keys` out");
}

#[test]
fn wrappers_apply_in_order_with_their_arguments() {
    let times = json!({"class": "worlds:Affine", "kwargs": {"times": 2}});
    let plus = json!({"class": "worlds:Affine", "kwargs": {"plus": 3}});
    let first = |wrappers: Value| {
        let mut env = world("Room", json!({"wrappers": wrappers, "envs_per_worker": 1}));
        assert_eq!((env.spec().obs.shape, env.spec().obs.dtype), (vec![2, 2, 1], Dtype::U8));
        reset(env.as_mut(), 0).expect("good")
    };
    assert_eq!(first(json!(["worlds:Image"])), [10.0; 4]);
    assert_eq!(first(json!(["worlds:Image", times, plus])), [23.0; 4]);
    assert_eq!(first(json!(["worlds:Image", plus, times])), [26.0; 4]);

    let refused = |wrappers: Value, word: &str| {
        let message = refusal("python:worlds:Room", json!({"wrappers": wrappers}));
        assert!(message.contains(word), "{wrappers}: no `{word}` in: {message}");
    };
    for wrong in [
        json!("worlds:Image"),
        json!(["worlds"]),
        json!([":Image"]),
        json!([{"kwargs": {}}]),
        json!([{"class": "worlds:Image", "kwarg": {}}]),
        json!([{"class": "worlds:Image", "kwargs": 3}]),
    ] {
        refused(wrong, "wrappers = ");
    }
    refused(json!(["worlds:Imag"]), "nothing to call by the name `Imag`");
    refused(json!(["wrolds:Image"]), "there is no module `wrolds`");
    refused(json!(["worlds:no_wrapper"]), "worlds:no_wrapper returned None, which has no `reset`");
    let unknown = json!(["worlds:Image", {"class": "worlds:Affine", "kwargs": {"tims": 2}}]);
    refused(unknown, "unexpected keyword argument 'tims'");
}

#[test]
fn the_checker_says_that_f32_cannot_hold_a_64_bit_counter() {
    let id = "python:worlds:beyond_f32";
    let findings = envs::check(make(id, json!({})).as_mut(), id);
    let said = |what: &str| findings.iter().any(|finding| finding.what.contains(what));
    assert!(said("component 0 is 8589934592; observations travel as f32"), "{findings:?}");
}

#[test]
fn the_checker_speaks_of_observation_space_to_users_of_python() {
    let id = "python:worlds:astray";
    let findings = envs::check(make(id, json!({})).as_mut(), id);
    let outside = findings.iter().find(|finding| finding.what.contains("outside its bounds"));
    let remedy = &outside.expect("found").remedy;
    assert!(remedy.contains("observation_space") && !remedy.contains("spec()"), "{remedy}");
}

#[test]
fn an_action_of_the_wrong_kind_is_an_error() {
    let mut env = world("Echo", json!({"name": "discrete"}));
    let mut obs = reset(env.as_mut(), 0).expect("reset");
    assert!(!env.begin(Action::Continuous(&[0.0])));
    let error = env.step(Action::Continuous(&[0.0]), &mut obs).expect_err("continuous");
    assert!(error.to_string().contains("takes discrete actions"), "{error}");
    let error = env.step(Action::Discrete(3), &mut obs).expect_err("out of range");
    assert!(error.to_string().contains("action 3 is not one of 0..3"), "{error}");
    env.step(Action::Discrete(2), &mut obs).expect("a step");
}

/// The same steps in Python itself, bit for bit.
#[test]
fn cartpole_is_gymnasiums() {
    const SCRIPT: &str = "
import sys
sys.path[:0] = sys.argv[2:]
import gymnasium, numpy
env = gymnasium.make('CartPole-v1', sutton_barto_reward=True)
obs, _ = env.reset(seed=int(sys.argv[1]))
print(*obs.view(numpy.uint32))
for t in range(60):
    obs, reward, terminated, truncated, _ = env.step(t // 2 % 2)
    print(*obs.view(numpy.uint32), reward, int(terminated), int(truncated))
    if terminated: break
";
    let (seed, folded) = (0x1234_5678_9abc_def0_u64, 0x0888_8888_u64);
    assert_eq!((seed ^ (seed >> 32)) & 0x7fff_ffff, folded);
    let arguments = kwargs(json!({"sutton_barto_reward": true}));
    let mut command = Command::new(&packages().bare);
    command.args(["-c", SCRIPT, &folded.to_string()]);
    for folder in arguments["path"].as_array().expect("folders") {
        command.arg(folder.as_str().expect("a folder"));
    }
    let output = command.output().expect("runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = text.lines();

    let bits = |obs: &[f32]| obs.iter().map(|x| x.to_bits().to_string()).collect::<Vec<_>>();
    let mut env = Registry::builtin().make("gymnasium:CartPole-v1", &arguments).expect("made");
    let obs = reset(env.as_mut(), seed).expect("reset");
    assert_eq!(bits(&obs).join(" "), lines.next().expect("a first line"));
    let mut ended = false;
    for (t, line) in lines.enumerate() {
        assert!(!ended);
        let (obs, result) = step(env.as_mut(), t / 2 % 2).expect("step");
        let rest = format!(
            "{:?} {} {}",
            result.reward,
            u8::from(result.terminated),
            u8::from(result.truncated)
        );
        assert_eq!(format!("{} {rest}", bits(&obs).join(" ")), line, "step {t}");
        ended = result.terminated;
    }
    assert!(ended, "the episode is too short to tell: {text}");
}

/// Gymnasium's own time limit would cut longer episodes.
#[test]
fn time_limits_are_ours() {
    let length = |arguments: Value| {
        let mut env = make("gymnasium:MountainCar-v0", arguments);
        reset(env.as_mut(), 0).expect("reset");
        let limit = env.spec().time_limit;
        let cut = (1..=300).find(|_| step(env.as_mut(), 1).expect("step").1.truncated);
        assert_eq!(cut, limit);
        limit
    };
    assert_eq!(length(json!({})), Some(200));
    assert_eq!(length(json!({"max_episode_steps": 250})), Some(250));
    assert_eq!(length(json!({"max_episode_steps": -1})), None);
}

#[test]
fn ids_may_name_a_module_or_leave_the_version_out() {
    for id in ["CartPole", "gymnasium.envs.classic_control:CartPole-v1"] {
        assert_eq!(
            make(&format!("gymnasium:{id}"), json!({})).spec().time_limit,
            Some(500),
            "{id}"
        );
    }
    let message = refusal("gymnasium:no_such_module:CartPole-v1", json!({}));
    assert!(message.contains("No module named 'no_such_module'"), "{message}");
}

#[test]
fn wrappers_go_around() {
    let env = make("gymnasium:MountainCar-v0", json!({"frame_stack": 3, "action_repeat": 2}));
    assert_eq!((env.spec().obs.shape, env.spec().time_limit), (vec![3, 2], Some(100)));
}

#[test]
fn keyword_arguments_reach_the_environment() {
    world("given", json!({"word": "a", "number": 1.5, "nested": {"list": [1, "", true]}}));
    let message = refusal("gymnasium:CartPole-v1", json!({"gravty": 1.0}));
    assert!(message.contains("unexpected keyword argument 'gravty'"), "{message}");
}

#[test]
fn tasks_come_from_the_info() {
    let mut env = world("Tasks", json!({}));
    reset(env.as_mut(), 0).expect("reset");
    let tasks: Vec<usize> = (0..5)
        .map(|_| {
            step(env.as_mut(), 0).expect("step");
            env.task()
        })
        .collect();
    assert_eq!(tasks, [0, 1, 1, 2, 2]);
    reset(env.as_mut(), 0).expect("reset");
    assert_eq!(env.task(), 0);
}

#[test]
fn pictures_are_rendered_on_demand() {
    let mut env = world("Picture", json!({"render_mode": "rgb_array"}));
    reset(env.as_mut(), 0).expect("reset");
    step(env.as_mut(), 0).expect("step");
    let mut rgb = vec![0; 18];
    rgb[6..9].copy_from_slice(&[1, 2, 3]);
    rgb[10] = 1;
    let picture = env.render().expect("renders");
    assert_eq!(picture, Some(Frame { width: 3, height: 2, rgb }));
    for blind in [json!({}), json!({"render_mode": "human"})] {
        let mut env = world("Picture", blind);
        reset(env.as_mut(), 0).expect("reset");
        assert_eq!(env.render().expect("no fault"), None);
    }
}

#[test]
fn the_checker_finds_nothing_wrong() {
    for id in ["gymnasium:CartPole-v1", "gymnasium:Pendulum-v1"] {
        assert_eq!(envs::check(make(id, json!({})).as_mut(), id), []);
    }
    let mut env = world("space", json!({"name": "nested"}));
    assert_eq!(envs::check(env.as_mut(), "nested"), []);
}

#[test]
fn the_families_are_known() {
    let registry = Registry::builtin();
    assert_eq!(registry.families().collect::<Vec<_>>(), ["gymnasium:", "python:"]);
    for name in ["python:", "python:worlds", "python::x", "python:worlds:"] {
        let message = registry.make(name, &Kwargs::new()).err().expect("no name").to_string();
        assert!(message.contains("must be python:MODULE:CALLABLE"), "{message}");
    }
}

#[test]
fn it_cannot_be_saved() {
    let mut env = world("space", json!({"name": "box"}));
    assert!(env.state().is_none() && env.params().is_none());
}

/// The example of docs/environments.md, as it stands there.
#[test]
fn the_documented_environment_works() {
    let docs = include_str!("../../docs/environments.md");
    let block = |language: &str| {
        let begin = format!("```{language}\n");
        let (_, rest) = docs.split_once(&begin).expect("a block");
        rest.split_once("```").expect("its end").0.to_owned()
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("documented");
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    let code = block("python");
    assert!(code.lines().count() < 20, "it is to be short");
    std::fs::write(folder.join("thermostat.py"), code).expect("the target folder can be written");
    // The two lines of the configuration that concern the environment.
    let config = block("toml");
    assert!(config.contains("\nname = \"python:thermostat:Thermostat\"\n"), "{config}");
    assert!(config.contains("\nkwargs = { max_episode_steps = 200 }\n"), "{config}");

    let path = json!([packages().folder, folder]);
    let id = "python:thermostat:Thermostat";
    let mut env = make(id, json!({"max_episode_steps": 200, "path": path}));
    assert_eq!(envs::check(env.as_mut(), id), []);
    reset(env.as_mut(), 0).expect("reset");
    let mut obs = [0.0];
    for t in 1..=200 {
        let step = env.step(Action::Continuous(&[0.5]), &mut obs).expect("step");
        assert_eq!((step.terminated, step.truncated), (false, t == 200));
    }
    assert!((obs[0] - 20.0).abs() < 0.01, "held at 20: {obs:?}");
}

/// The tests run in the folder of the crate.
#[test]
fn modules_of_the_current_folder_are_found() {
    let path = json!(packages().folder);
    make("python:tests.python.worlds:Tasks", json!({"path": path}));
}
