//! Names and keyword arguments, and the messages for wrong ones.

use envs::{
    Action, ActionSpace, CartPole, Env, EnvError, EnvSpec, Kwargs, MountainCar, Pendulum, Registry,
    Step,
};
use serde_json::{Value, json};

fn kwargs(value: Value) -> Kwargs {
    Kwargs::try_from(value).expect("an object")
}

fn make(id: &str, value: Value) -> Result<Box<dyn Env>, EnvError> {
    Registry::builtin().make(id, &kwargs(value))
}

fn refusal(id: &str, value: Value) -> String {
    make(id, value).err().expect("must be refused").to_string()
}

fn constant(env: &mut dyn Env, name: &str) -> f64 {
    env.params().expect("has constants").get(name).expect("a known constant")
}

#[test]
fn ids_are_those_of_the_originals_and_sorted() {
    let registry = Registry::builtin();
    let missing = registry.missing().map(|(id, _)| id);
    let mut ids: Vec<&str> = registry.ids().chain(missing).collect();
    ids.sort_unstable();
    let expected = [
        "Acrobot-v1",
        "Ant-v5",
        "CartPole-v1",
        "HalfCheetah-v5",
        "Hopper-v5",
        "Humanoid-v5",
        "HumanoidStandup-v5",
        "InvertedDoublePendulum-v5",
        "InvertedPendulum-v5",
        "MountainCar-v0",
        "MountainCarContinuous-v0",
        "Pendulum-v1",
        "Pusher-v5",
        "Reacher-v5",
        "Swimmer-v5",
        "Walker2d-v5",
        "dmc/acrobot-swingup",
        "dmc/acrobot-swingup_sparse",
        "dmc/ball_in_cup-catch",
        "dmc/cartpole-balance",
        "dmc/cartpole-balance_sparse",
        "dmc/cartpole-swingup",
        "dmc/cartpole-swingup_sparse",
        "dmc/cheetah-run",
        "dmc/dog-fetch",
        "dmc/dog-run",
        "dmc/dog-stand",
        "dmc/dog-trot",
        "dmc/dog-walk",
        "dmc/finger-spin",
        "dmc/finger-turn_easy",
        "dmc/finger-turn_hard",
        "dmc/hopper-hop",
        "dmc/hopper-stand",
        "dmc/pendulum-swingup",
        "dmc/point_mass-easy",
        "dmc/reacher-easy",
        "dmc/reacher-hard",
        "dmc/walker-run",
        "dmc/walker-stand",
        "dmc/walker-walk",
        "forager/two-biome",
        "minatar/asterix",
        "minatar/breakout",
        "minatar/freeway",
        "minatar/seaquest",
        "minatar/space_invaders",
    ];
    assert_eq!(ids, expected);
}

/// The reason goes with the feature alone, and so with the whole suite.
#[test]
fn without_its_feature_mujoco_is_known_and_missing() {
    let registry = Registry::builtin();
    let missing: Vec<(&str, &str)> = registry.missing().collect();
    if cfg!(feature = "mujoco") {
        assert_eq!(missing, []);
        return;
    }
    assert!(missing.iter().any(|(id, _)| *id == "HalfCheetah-v5"), "{missing:?}");
    assert!(!registry.ids().any(|id| id.ends_with("-v5") || id.starts_with("dmc/")));
    for (id, reason) in missing {
        let message = refusal(id, json!({}));
        assert_eq!(message, format!("environment '{id}': {reason}"));
        assert!(message.contains("`cargo xtask setup`"), "{message}");
        assert!(message.contains("`--features mujoco`"), "{message}");
    }
    assert!(refusal("halfcheetah-v5", json!({})).contains("did you mean 'HalfCheetah-v5'?"));
}

#[test]
fn kwargs_of_gymnasium_work() {
    let mut env = make("CartPole-v1", json!({"sutton_barto_reward": true})).expect("known");
    let mut obs = [0.0; 4];
    env.reset(0, &mut obs).expect("reset");
    assert_eq!(env.step(Action::Discrete(0), &mut obs).expect("step").reward, 0.0);

    let mut env = make("Pendulum-v1", json!({"g": 9.81})).expect("known");
    assert_eq!(constant(env.as_mut(), "gravity"), 9.81);
    for id in ["MountainCar-v0", "MountainCarContinuous-v0"] {
        let mut env = make(id, json!({"goal_velocity": 0.02})).expect("known");
        assert_eq!(constant(env.as_mut(), "goal_velocity"), 0.02, "{id}");
    }
}

#[test]
fn constants_are_kwargs() {
    let mut env = make("CartPole-v1", json!({"gravity": 1.6, "length": 1})).expect("known");
    assert_eq!(constant(env.as_mut(), "gravity"), 1.6);
    assert_eq!(constant(env.as_mut(), "length"), 1.0);
}

#[test]
fn the_time_limit_can_be_changed_and_taken_off() {
    let lengths = [(json!({}), Some(200)), (json!({"max_episode_steps": 3}), Some(3))];
    for (arguments, limit) in lengths {
        let mut env = make("Pendulum-v1", arguments).expect("known");
        assert_eq!(env.spec().time_limit, limit);
        assert_eq!(steps_until_truncation(env.as_mut(), 300), limit);
    }
    let mut env = make("Pendulum-v1", json!({"max_episode_steps": -1})).expect("known");
    assert_eq!(env.spec().time_limit, None);
    assert_eq!(steps_until_truncation(env.as_mut(), 300), None);
}

fn steps_until_truncation(env: &mut dyn Env, most: u32) -> Option<u32> {
    let mut obs = [0.0; 3];
    env.reset(0, &mut obs).expect("reset");
    (1..=most).find(|_| env.step(Action::Continuous(&[0.0]), &mut obs).expect("step").truncated)
}

#[test]
fn frames_are_stacked_on_demand() {
    let env = make("Pendulum-v1", json!({"frame_stack": 4})).expect("known");
    assert_eq!(env.spec().obs.shape, [4, 3]);
}

#[test]
fn continuous_actions_are_always_in_minus_one_to_one() {
    let env = make("Pendulum-v1", json!({})).expect("known");
    assert_eq!(env.spec().action, ActionSpace::symmetric(1));
}

#[test]
fn unknown_ids_name_the_closest() {
    let message = refusal("cartpole-v1", json!({}));
    assert!(message.starts_with("there is no environment 'cartpole-v1'"), "{message}");
    assert!(message.contains("did you mean 'CartPole-v1'?"), "{message}");
    assert!(message.ends_with("`supple envs` lists all"), "{message}");
    assert!(refusal("MountinCar-v0", json!({})).contains("'MountainCar-v0'"));
    let empty = Registry::default().make("x", &Kwargs::new()).err().expect("empty").to_string();
    assert_eq!(empty, "there is no environment 'x'; `supple envs` lists all");
}

#[test]
fn unknown_kwargs_name_the_closest() {
    let message = refusal("CartPole-v1", json!({"gravty": 1.0}));
    assert!(message.contains("environment 'CartPole-v1'"), "{message}");
    assert!(message.contains("'gravty', did you mean 'gravity'?"), "{message}");
    assert!(
        message.contains("sutton_barto_reward, action_repeat, max_episode_steps, frame_stack"),
        "{message}"
    );
    assert!(refusal("Pendulum-v1", json!({"max_steps": 1})).contains("'max_episode_steps'"));
    // `g` is Pendulum's alone.
    assert!(refusal("CartPole-v1", json!({"g": 1.0})).contains("unknown keyword argument 'g'"));
}

#[test]
fn ill_typed_and_senseless_kwargs_say_so() {
    let cases = [
        (
            "CartPole-v1",
            json!({"gravity": "low"}),
            "gravity = \"low\" has the wrong type; give a number",
        ),
        ("CartPole-v1", json!({"sutton_barto_reward": 1}), "= 1 has the wrong type; give true or"),
        ("Pendulum-v1", json!({"g": []}), "g = [] has the wrong type; give a number"),
        ("Pendulum-v1", json!({"max_episode_steps": 1.5}), "give a whole number"),
        ("Pendulum-v1", json!({"max_episode_steps": 0}), "time limit of 0 steps"),
        ("Pendulum-v1", json!({"max_episode_steps": -2}), "-2 is out of range"),
        ("Pendulum-v1", json!({"frame_stack": 1}), "a stack of 1 frames"),
        ("Pendulum-v1", json!({"frame_stack": -3}), "-3 is out of range"),
        ("Pendulum-v1", json!({"mass": 0.0}), "mass = 0 makes no physical sense"),
    ];
    for (id, arguments, expected) in cases {
        let message = refusal(id, arguments);
        assert!(message.contains(expected), "{message}");
        assert!(message.starts_with(&format!("environment '{id}': ")), "{message}");
    }
}

#[test]
fn constructors_get_their_kwargs_and_no_others() {
    let mut registry = Registry::default();
    registry.insert("plain", || Ok(MountainCar::default()));
    registry.insert_with("free", |kwargs| {
        let given: Vec<&String> = kwargs.keys().collect();
        assert_eq!(given, ["gravity", "rom"]);
        Ok(Box::new(CartPole::default()))
    });
    registry.insert("failing", || Err::<Pendulum, EnvError>("no licence".into()));
    let clone = registry.clone();

    let arguments = kwargs(json!({"gravity": 2.0, "rom": "pong", "frame_stack": 2}));
    let mut env = clone.make("free", &arguments).expect("takes anything");
    assert_eq!(constant(env.as_mut(), "gravity"), 2.0);
    let error = clone.make("plain", &arguments).err().expect("no kwarg `rom`").to_string();
    assert!(error.contains("unknown keyword argument 'rom'"), "{error}");
    let error = clone.make("failing", &Kwargs::new()).err().expect("fails").to_string();
    assert_eq!(error, "environment 'failing': no licence");
}

#[test]
fn infinite_action_bounds_are_refused() {
    struct Endless;
    impl Env for Endless {
        fn spec(&self) -> EnvSpec {
            EnvSpec::vector(1, ActionSpace::Box { low: vec![0.0], high: vec![f32::INFINITY] })
        }
        fn reset(&mut self, _: u64, _: &mut [f32]) -> Result<(), EnvError> {
            Ok(())
        }
        fn step(&mut self, _: Action<'_>, _: &mut [f32]) -> Result<Step, EnvError> {
            Ok(Step { reward: 0.0, terminated: false, truncated: false })
        }
    }
    let mut registry = Registry::default();
    registry.insert("endless", || Ok(Endless));
    let error = registry.make("endless", &Kwargs::new()).err().expect("refused").to_string();
    assert!(error.contains("action component 0 is bounded by 0 and inf"), "{error}");
}

#[test]
fn families_are_found_by_prefix_and_named_entries_come_first() {
    let mut registry = Registry::default();
    registry.insert_family("cars:", |rest, kwargs| match rest {
        "mountain" => {
            assert_eq!(kwargs.keys().collect::<Vec<_>>(), ["colour"], "not the wrappers' own");
            Ok(Box::new(MountainCar::default()))
        }
        _ => Err(format!("there is no car '{rest}'").into()),
    });
    registry.insert("cars:pole", || Ok(CartPole::new(false)));
    let given = kwargs(json!({"colour": "red", "frame_stack": 2}));
    let env = registry.make("cars:mountain", &given).expect("of the family");
    assert_eq!(env.spec().obs.shape, [2, 2]);
    assert_eq!(registry.make("cars:pole", &Kwargs::new()).expect("named").spec().obs.size(), 4);
    let error = registry.make("cars:boat", &Kwargs::new()).err().expect("unknown").to_string();
    assert_eq!(error, "environment 'cars:boat': there is no car 'boat'");
    assert!(registry.make("carts:pole", &Kwargs::new()).is_err());
    assert_eq!(registry.families().collect::<Vec<_>>(), ["cars:"]);
}

#[test]
fn missing_names_give_way_to_environments() {
    let mut registry = Registry::default();
    registry.insert_missing("cars:pole", "there is no road; build one");
    registry.insert_missing("boat", "there is no water");
    let error = registry.make("cars:pole", &Kwargs::new()).err().expect("missing").to_string();
    assert_eq!(error, "environment 'cars:pole': there is no road; build one");
    assert_eq!(registry.ids().count(), 0);
    let missing: Vec<(&str, &str)> = registry.missing().collect();
    assert_eq!(
        missing,
        [("boat", "there is no water"), ("cars:pole", "there is no road; build one")]
    );

    let mut named = registry.clone();
    named.insert("cars:pole", || Ok(CartPole::new(false)));
    assert!(named.make("cars:pole", &Kwargs::new()).is_ok());
    assert_eq!(named.missing().collect::<Vec<_>>(), [("boat", "there is no water")]);

    registry.insert_family("cars:", |_, _| Ok(Box::new(CartPole::new(false))));
    assert!(registry.make("cars:pole", &Kwargs::new()).is_ok());
    assert_eq!(registry.missing().collect::<Vec<_>>(), [("boat", "there is no water")]);
}
