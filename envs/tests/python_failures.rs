//! Python environments that fail: what is said, how soon, and what continues afterwards.

#[path = "python/support.rs"]
mod support;

use std::process::Command;

use envs::{Actions, Env, Registry, VecEnv};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use support::{
    eventually, kwargs, make, mark, patience, pids, refusal, reset, runs, sources, step, try_make,
    within, world,
};

/// A text with all of these words in it.
fn says(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "no `{word}` in: {message}");
    }
}

/// The error of `worlds.Fault` in its third step, and how the environment is afterwards.
fn third_step(arguments: Value) -> (String, Box<dyn Env>) {
    let mut env = world("Fault", arguments);
    reset(env.as_mut(), 0).expect("reset");
    step(env.as_mut(), 0).expect("one");
    step(env.as_mut(), 0).expect("two");
    let error = step(env.as_mut(), 0).expect_err("the third step fails");
    (error.to_string(), env)
}

#[test]
fn an_exception_shows_its_traceback_and_harms_nobody() {
    within(30, || {
        let (message, mut env) = third_step(json!({"fault": "exception"}));
        says(
            &message,
            &[
                "its step() raised ValueError: the bridge is out\n\nTraceback (most recent call last):\n",
                "worlds.py\", line ",
                "in happen",
                "ValueError: the bridge is out",
            ],
        );
        assert!(!message.contains("<string>"), "our own frames are left out: {message}");
        reset(env.as_mut(), 0).expect("the worker keeps running");
        assert_eq!(step(env.as_mut(), 0).expect("a step").0, [1.0, 0.0]);

        let mut env = world("Fault", json!({"fault": "exception", "at": "reset"}));
        let message = reset(env.as_mut(), 0).expect_err("fails").to_string();
        says(&message, &["its reset() raised ValueError: the bridge is out\n", "worlds.py"]);

        let id = "python:worlds:Fault";
        let message = refusal(id, json!({"fault": "exception", "at": "make"}));
        let first = "'python:worlds:Fault': making it raised ValueError: the bridge is out\n";
        says(&message, &[first, "worlds.py"]);
        // sys.exit() is an exception too.
        let (message, _) = third_step(json!({"fault": "leave"}));
        says(&message, &["its step() raised SystemExit: 4\n"]);
    });
}

#[test]
fn a_death_is_named() {
    within(30, || {
        let (message, mut env) = third_step(json!({"fault": "exit"}));
        says(
            &message,
            &["the Python worker (process ", "ended with exit code 3", "restart = true"],
        );
        let again = reset(env.as_mut(), 0).expect_err("is gone").to_string();
        assert_eq!(again, message, "the reason is kept");

        let (message, _) = third_step(json!({"fault": "kill"}));
        says(&message, &["was killed by signal 9 (SIGKILL)"]);
        let message = refusal("python:worlds:Fault", json!({"fault": "exit", "at": "make"}));
        says(&message, &["ended with exit code 3"]);
    });
}

/// The socket stays open as long as the helper lives, which is longer than this test.
#[test]
fn a_death_is_named_while_a_forked_helper_lives_on() {
    within(120, || {
        for at in ["make", "reset", "step"] {
            let marked = mark(&format!("orphan_{at}"));
            let arguments = json!({"fault": "orphan", "at": at, "timeout_s": 3600, "mark": marked});
            let message = match at {
                "make" => refusal("python:worlds:Fault", arguments),
                "reset" => {
                    let mut env = world("Fault", arguments);
                    reset(env.as_mut(), 0).expect_err("it dies").to_string()
                }
                _ => third_step(arguments).0,
            };
            let helper = pids(&marked)[1];
            assert!(runs(helper), "the helper has not ended: {message}");
            let killed = Command::new("kill").args(["-9", &helper.to_string()]).status();
            assert!(killed.expect("kill runs").success());
            says(&message, &["the Python worker (process ", "ended with exit code 3"]);
        }
    });
}

#[test]
fn a_hang_ends_after_the_timeout() {
    within(60, || {
        let limit = patience();
        let said = |seconds: u64| format!("did not answer within {seconds} s");
        for fault in ["hang", "spin", "stop", "close_files"] {
            let marked = mark(fault);
            let arguments = json!({"fault": fault, "timeout_s": limit, "mark": marked});
            let (message, env) = third_step(arguments);
            says(&message, &[&said(limit), "timeout_s"]);
            assert!(!runs(pids(&marked)[0]), "{fault}: it was killed");
            drop(env);
        }
        let arguments = json!({"fault": "hang", "at": "make", "timeout_s": limit});
        says(&refusal("python:worlds:Fault", arguments), &[&said(5 * limit)]);
        let mut env = world("Fault", json!({"fault": "hang", "at": "reset", "timeout_s": limit}));
        says(&reset(env.as_mut(), 0).expect_err("hangs").to_string(), &[&said(limit)]);
    });
}

/// Starting may take five times as long as a step.
#[test]
fn a_slow_start_is_no_hang() {
    within(30, || {
        let limit = patience();
        let mut env = world("Slow", json!({"timeout_s": limit, "seconds": 1.5 * limit as f64}));
        assert_eq!(reset(env.as_mut(), 0).expect("reset"), [0.0, 0.0]);
    });
}

#[test]
fn a_close_that_hangs_is_cut_short() {
    within(60, || {
        let marked = mark("close");
        let arguments =
            json!({"fault": "hang", "at": "close", "timeout_s": patience(), "mark": marked});
        let mut env = world("Fault", arguments);
        reset(env.as_mut(), 0).expect("reset");
        drop(env);
        assert!(!runs(pids(&marked)[0]));
    });
}

#[test]
fn printing_and_reading_do_no_harm() {
    within(30, || {
        for fault in ["talk", "listen"] {
            for at in ["make", "reset", "step"] {
                let mut env = world("Fault", json!({"fault": fault, "at": at}));
                reset(env.as_mut(), 0).expect("reset");
                for t in 1..=4 {
                    assert_eq!(step(env.as_mut(), 0).expect("step").0, [t as f32, 0.0]);
                }
            }
        }
    });
}

#[test]
fn wrong_values_are_explained() {
    let third = |what: &str| {
        let mut env = world("Wrong", json!({"what": what}));
        reset(env.as_mut(), 0).expect("reset");
        step(env.as_mut(), 0).expect("one");
        step(env.as_mut(), 0).expect("two");
        let result = step(env.as_mut(), 0);
        result.expect_err("the third step is wrong").to_string()
    };
    within(60, move || {
        assert_eq!(
            third("shape"),
            "the observation has shape [2, 1] where its space has [2]; make them agree"
        );
        says(&third("byte_float"), &["has dtype float64 where its space has uint8"]);
        says(&third("byte_int"), &["has dtype int64 where its space has uint8"]);
        says(&third("words"), &["has dtype <U1 where its space has float32"]);
        assert_eq!(third("outside"), "the observation 7 is outside its space Discrete(3)");
        assert_eq!(third("no_reward"), "the reward is None; it must be one number");
        says(&third("rewards"), &["the reward is [1.0, 2.0]; it must be one number"]);
        says(&third("old_step"), &["step() returned (array(", "returns five values"]);
        let mut env = world("Wrong", json!({"what": "old_reset"}));
        let message = reset(env.as_mut(), 0).expect_err("no info").to_string();
        says(&message, &["reset() returned array(", "returns two values"]);
    });
}

/// What ends an episode is a bool or 0 or 1, and never something that is merely not empty.
#[test]
fn flags_and_info_are_not_taken_by_their_truth() {
    let first = |returns: &str| {
        let mut env = world("Flags", json!({"returns": returns}));
        reset(env.as_mut(), 0).expect("reset");
        step(env.as_mut(), 0).map(|(_, step)| step).map_err(|error| error.to_string())
    };
    within(60, move || {
        let order = "step() returns observation, reward, terminated, truncated and a dictionary";
        for (returns, words) in [
            ("1.0, 'False', False, {}", ["terminated is 'False'; it must be True or False", order]),
            ("1.0, False, 'False', {}", ["truncated is 'False'", order]),
            ("1.0, False, {'a': 1}, False", ["truncated is {'a': 1}", order]),
            ("1.0, False, None, {}", ["truncated is None", order]),
            ("1.0, 2, False, {}", ["terminated is 2;", order]),
            ("1.0, -1, False, {}", ["terminated is -1;", order]),
            ("1.0, [], False, {}", ["terminated is [];", order]),
            ("1.0, np.array([False]), False, {}", ["terminated is array([False]);", order]),
            ("1.0, False, float('nan'), {}", ["truncated is nan;", order]),
            ("True, 1.0, False, {}", ["terminated is 1.0;", order]),
            ("False, 0, False, {}", ["the reward is False and terminated is 0", "exchanged"]),
            ("1.0, False, False, None", ["info is None, not a dictionary", order]),
            ("1.0, False, False, 0", ["info is 0, not a dictionary", order]),
            ("1.0, False, False, ['a']", ["info is ['a'], not a dictionary", order]),
        ] {
            says(&first(returns).expect_err(returns), &words);
        }
        for (returns, terminated, truncated) in [
            ("1.0, np.True_, np.False_, {}", true, false),
            ("1.0, 0, 1, {'a': 1}", false, true),
            ("1.0, np.int64(1), np.uint8(0), {}", true, false),
            ("1.0, np.array(False), np.array(1), {}", false, true),
            ("1, False, False, {'task': 2**64}", false, false),
            ("True, False, False, {}", false, false),
        ] {
            let step = first(returns).expect(returns);
            assert_eq!((step.terminated, step.truncated), (terminated, truncated), "{returns}");
            assert_eq!(step.reward, 1.0, "{returns}");
        }
        for info in ["None", "False", "[1]"] {
            let arguments = json!({"returns": "0.0, False, False, {}", "reset_info": info});
            let mut env = world("Flags", arguments);
            let message = reset(env.as_mut(), 0).expect_err(info).to_string();
            says(&message, &[&format!("info is {info}, not a dictionary"), "reset() returns"]);
        }
    });
}

#[test]
fn episodes_that_end_at_once_after_the_first_are_noticed() {
    within(60, || {
        let findings = |arguments: Value| {
            let found = envs::check(world("NeverCleared", arguments).as_mut(), "never");
            found.into_iter().filter(|f| f.what.contains("after their first step")).collect()
        };
        let found: Vec<envs::Finding> = findings(json!({}));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].severity, envs::Severity::Warning);
        says(&found[0].what, &["of the 9995 episodes after the first, 9995 ended"]);
        says(&found[0].remedy, &["reset()"]);
        for fine in [json!({"cleared": true}), json!({"length": 1, "cleared": true})] {
            let found = findings(fine);
            assert_eq!(found, []);
        }
    });
}

/// Numbers that are not finite are `VecEnv`'s affair, as of any environment.
#[test]
fn numbers_that_are_not_finite_stop_the_run() {
    within(30, || {
        for (what, text) in [
            ("nan", "environment 0, step 3 of its episode: observation component 1 is NaN"),
            ("infinite", "observation component 1 is inf; it must be finite"),
            ("nan_reward", "step 3 of its episode: the reward is NaN; it must be finite"),
        ] {
            let env = world("Wrong", json!({"what": what}));
            let mut envs = VecEnv::new(vec![env], ChaCha8Rng::seed_from_u64(0)).expect("reset");
            let actions = Actions::Discrete(vec![0]);
            envs.step(&actions).expect("one");
            envs.step(&actions).expect("two");
            says(&envs.step(&actions).expect_err("not finite").to_string(), &[text]);
        }
        let findings = envs::check(world("Wrong", json!({"what": "nan"})).as_mut(), "wrong");
        assert!(findings.iter().any(|f| f.what.contains("component 1 is NaN")), "{findings:?}");
    });
}

#[test]
fn names_that_do_not_exist_are_refused() {
    let message = refusal("gymnasium:CartPol-v1", json!({}));
    assert_eq!(
        message,
        "environment 'gymnasium:CartPol-v1': Environment `CartPol` doesn't exist. Did you mean: \
         `CartPole`?"
    );
    says(
        &refusal("gymnasium:MiniGrid-Empty-5x5-v0", json!({})),
        &[
            "doesn't exist. If a package of its own registers it, name that too, as gymnasium:PACKAGE:ID",
        ],
    );
    says(
        &refusal("gymnasium:ALE/Pong-v5", json!({})),
        &["has no package ale-py; run `", "install ale-py`"],
    );
    let message = refusal("python:no_such_module:X", json!({}));
    says(&message, &["there is no module `no_such_module` in the current folder, in `path`"]);
    let message = refusal("python:worlds:Fautl", json!({}));
    says(&message, &["module `worlds`", "nothing to call by the name `Fautl`; it has", "Fault"]);
    let message = refusal("python:worlds:not_an_environment", json!({}));
    says(&message, &["returned 'a string', which has no `reset`", "gymnasium.Env"]);
}

#[test]
fn missing_interpreters_and_packages_are_named() {
    let message = refusal("gymnasium:CartPole-v1", json!({"python": "python9.99"}));
    says(&message, &["cannot start the Python interpreter `python9.99`", "`python`"]);

    let message = refusal("gymnasium:CartPole-v1", json!({"path": sources()}));
    says(
        &message,
        &["has no package gymnasium; run `/", " -m pip install gymnasium`", "with `python`"],
    );

    let old = sources().join("old_gymnasium");
    let path = kwargs(json!({}))["path"][0].clone();
    let message = refusal("gymnasium:CartPole-v1", json!({"path": [old, path]}));
    says(&message, &["has gymnasium 0.29.1, and 1.0 or newer is needed", "--upgrade gymnasium"]);
}

#[test]
fn options_are_checked() {
    let refused = |arguments: Value, word: &str| {
        says(&refusal("gymnasium:CartPole-v1", arguments), &[word]);
    };
    refused(json!({"timeout_s": 0}), "timeout_s = 0 is out of range; give seconds");
    refused(json!({"timeout_s": "1"}), "timeout_s = \"1\" has the wrong type; give a number");
    refused(json!({"restart": 1}), "restart = 1 has the wrong type; give true or false");
    refused(json!({"path": 1}), "path = 1 has the wrong type; give a folder or a list");
    refused(json!({"envs_per_worker": 0}), "envs_per_worker = 0 is out of range");
    refused(json!({"atari_preprocessing": 4}), "atari_preprocessing = 4 has the wrong type");
    refused(json!({"atari_preprocessing": true}), "is for gymnasium:ALE/... environments");
    let message = refusal("python:worlds:space", json!({"atari_preprocessing": {}}));
    says(&message, &["is for gymnasium:ALE/... environments", "your own callable"]);
    // A package that an environment of Gymnasium's needs.
    says(
        &refusal("gymnasium:LunarLander-v3", json!({})),
        &["': Box2D is not installed", "pip install"],
    );
    // `path` is ours and theirs.
    let message = refusal("python:worlds:Ambiguous", json!({}));
    says(
        &message,
        &["`path` is an option of the Python bridge, but Ambiguous also has a parameter"],
    );
}

/// What the wrappers keep for themselves never reaches the constructor, so it must not have it.
#[test]
fn a_constructor_with_a_parameter_of_a_wrapper_is_not_given_silence() {
    for name in ["max_episode_steps", "action_repeat", "frame_stack"] {
        let argument = json!({name: 2});
        let message = refusal("python:worlds:Limited", argument.clone());
        let whose = format!("`{name}` is an option of every environment, but Limited also has a");
        says(&message, &[&whose, "wrap it in a callable of your own"]);
        world("Fault", argument);
    }
    world("Limited", json!({}));
    // gymnasium.make has the same option, and keeps it from the constructor, too.
    let limit = json!({"max_episode_steps": 7});
    assert!(try_make("gymnasium:worlds:Limited-v0", limit).is_ok());
    says(
        &refusal("gymnasium:worlds:Limited-v0", json!({"frame_stack": 2})),
        &["`frame_stack` is an option of every environment, but Limited also has"],
    );
}

/// Two environments in one worker that dies: both episodes are cut off, the run continues.
#[test]
fn a_worker_is_replaced_on_request() {
    within(60, || {
        let marked = mark("restart");
        let registry = Registry::builtin();
        let arguments = kwargs(json!({"fault": "kill", "restart": true, "mark": marked}));
        let made = || registry.make("python:worlds:Fault", &arguments).expect("made");
        let mut envs =
            VecEnv::new(vec![made(), made()], ChaCha8Rng::seed_from_u64(0)).expect("reset");
        let first = pids(&marked);
        assert_eq!(first[0], first[1], "one process");
        let actions = Actions::Discrete(vec![0, 0]);
        for round in 0..3 {
            for t in 1..=2 {
                envs.step(&actions).expect("a step");
                assert_eq!(envs.obs(), [t as f32, 0.0, t as f32, 0.0]);
            }
            envs.step(&actions).expect("both are cut off");
            for outcome in envs.outcomes() {
                assert!(outcome.truncated && !outcome.terminated, "{outcome:?}");
                assert_eq!(outcome.reward, 0.0);
                assert_eq!(outcome.episode, None, "an interrupted episode is no result");
            }
            assert_eq!(envs.next_obs(), [2.0, 0.0, 2.0, 0.0], "the last one, again");
            assert_eq!(envs.obs(), [0.0; 4], "the next episode");
            assert_eq!(pids(&marked).len(), 2 * (round + 2), "both were made again");
        }
        assert!(!runs(first[0]));
    });
}

#[test]
fn a_hanging_worker_is_replaced_too() {
    within(60, || {
        let arguments = json!({"fault": "hang", "restart": true, "timeout_s": patience()});
        let mut env = world("Fault", arguments);
        reset(env.as_mut(), 0).expect("reset");
        step(env.as_mut(), 0).expect("one");
        step(env.as_mut(), 0).expect("two");
        let (obs, cut) = step(env.as_mut(), 0).expect("cut off");
        assert!(cut.truncated);
        assert_eq!(obs, [2.0, 0.0]);
        reset(env.as_mut(), 0).expect("a step");
        assert_eq!(step(env.as_mut(), 0).expect("a step").0, [1.0, 0.0]);
    });
}

/// One that dies at once would be replaced for ever.
#[test]
fn a_hopeless_worker_is_not_replaced() {
    within(30, || {
        let mut env = world("Fault", json!({"fault": "exit", "at": "reset", "restart": true}));
        let message = reset(env.as_mut(), 0).expect_err("dies at once").to_string();
        says(&message, &["exit code 3", "it was not replaced"]);
    });
}

#[test]
fn environments_made_alike_must_be_alike() {
    let registry = Registry::builtin();
    let arguments = kwargs(json!({}));
    let first = registry.make("python:worlds:Unlike", &arguments).expect("made");
    let second = registry.make("python:worlds:Unlike", &arguments).err().expect("differs");
    says(&second.to_string(), &["two environments made alike have different spaces"]);
    drop(first);
}

/// Nothing stays behind in the shared memory.
#[test]
fn shared_memory_is_unlinked() {
    let ours = || {
        let names = std::fs::read_dir("/dev/shm").expect("Linux").flatten();
        let ours = format!("supple-{}-", std::process::id());
        names.filter(|entry| entry.file_name().to_string_lossy().starts_with(&ours)).count()
    };
    let mut env = make("gymnasium:CartPole-v1", json!({}));
    reset(env.as_mut(), 0).expect("reset");
    // Other tests of this program have theirs for a moment.
    eventually("no file in /dev/shm is ours", || ours() == 0);
    step(env.as_mut(), 0).expect("it is mapped all the same");
}
