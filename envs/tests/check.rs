//! Every fault the checker knows, in an environment that has it and nothing else wrong.

#[path = "check/broken.rs"]
mod broken;

use std::{cell::Cell, time::Duration};

use broken::{Broken, Constants, Saves, boxed, error, finds, warning};
use envs::{ActionSpace, Dtype, Severity, Space, Watch, check, check_within};

#[test]
fn nothing_is_wrong_with_an_unbroken_one() {
    assert_eq!(check(&mut Broken::new(), "whole"), []);
    let spare = Broken { saves: Saves::Nothing, constants: None, ..Broken::new() };
    assert_eq!(check(&mut { spare }, "without state and constants"), []);
    let mut lopsided = Broken::new();
    lopsided.spec.action = boxed(&[-3.0, 0.0], &[1.0, 0.0]);
    assert_eq!(check(&mut lopsided, "asymmetric actions"), []);
    let mut discrete = Broken::new();
    discrete.spec.action = ActionSpace::Discrete(1);
    assert_eq!(check(&mut discrete, "one action"), []);
}

/// A clock that a step takes a second of.
fn check_in_seconds(
    env: &mut Broken,
    seconds: u64,
) -> (Vec<envs::Finding>, Vec<&'static str>, u64) {
    let (steps, mut doing) = (Cell::new(0), Vec::new());
    let findings = check_within(
        env,
        "slow",
        Watch {
            budget: Duration::from_secs(seconds),
            elapsed: &mut || Duration::from_secs(steps.get()),
            progress: &mut |now| {
                assert_eq!(now.steps as u64, steps.get() + 1);
                steps.set(now.steps as u64);
                doing.push(now.doing);
            },
        },
    );
    doing.dedup();
    (findings, doing, steps.get())
}

#[test]
fn a_slow_environment_is_checked_in_the_time_given_and_what_is_left_out_is_said() {
    // Episodes of a hundred steps: none ends while there is time.
    let long = || Broken { length: 100, ..Broken::new() };
    let (findings, doing, took) = check_in_seconds(&mut long(), 60);
    let [finding] = &findings[..] else { panic!("{findings:?}") };
    assert_eq!(
        finding.to_string(),
        "note: it is slow, so not everything was tried: 30 of 10000 random steps were played; episodes were compared \
         for 3 steps instead of 200\n  where: slow, the time for the check\n  \
         to do: give the check more time: `supple check-env --seconds N`"
    );
    assert!(doing.len() == 3 && doing[0].contains("random"), "{doing:?}");
    assert!((50..=60).contains(&took), "{took} s");
    // With time for everything it is as without a limit.
    let (findings, _, took) = check_in_seconds(&mut long(), 30_000);
    assert!(findings.is_empty() && took > 10_000, "{findings:?}");
    assert_eq!(findings, check(&mut long(), "slow"));
    // What is wrong is found in the first steps, too.
    let forgetful = Broken { saves: Saves::HalfOfIt, ..long() };
    let (findings, ..) = check_in_seconds(&mut { forgetful }, 60);
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert_eq!(findings[0].severity, Severity::Error);
}

#[test]
fn a_finding_reads_well() {
    let env = Broken { reward: f32::NAN, constants: None, ..Broken::new() };
    let finding = finds(env, Severity::Error, "the reward is NaN", "step 1 of reset(seed 0)");
    let expected = "error: the reward is NaN\n  where: broken, step 1 of reset(seed 0)\n  \
                    to do: give finite rewards; look for a division by zero or an overflow";
    assert_eq!(finding.to_string(), expected);
}

#[test]
fn empty_observations() {
    error(|env| env.spec.obs = Space::vector(0), "shape [0] have no components", "spec().obs");
}

#[test]
fn bounds_of_another_length() {
    error(|env| env.spec.obs.low.push(0.0), "3 lower and 2 upper", "spec().obs");
}

#[test]
fn bounds_the_wrong_way_round() {
    error(|env| env.spec.obs.low[1] = 2000.0, "component 1 is bounded by 2000", "spec().obs");
    error(
        |env| env.spec.action = boxed(&[1.0, 1.0], &[2.0, -1.0]),
        "component 1 is bounded by 1 below and -1 above",
        "spec().action",
    );
}

#[test]
fn bounds_that_are_nan() {
    error(|env| env.spec.obs.high[0] = f32::NAN, "component 0 is NaN", "spec().obs");
    error(
        |env| env.spec.action = boxed(&[0.0, f32::NAN], &[1.0, 1.0]),
        "component 1 is NaN",
        "spec().action",
    );
}

#[test]
fn no_actions() {
    error(|env| env.spec.action = ActionSpace::Discrete(0), "0 discrete actions", "spec().action");
    error(|env| env.spec.action = ActionSpace::symmetric(0), "0 lower and 0 upper", "action");
    error(|env| env.spec.action = boxed(&[0.0], &[1.0, 1.0]), "1 lower and 2 upper", "action");
}

#[test]
fn infinite_action_bounds() {
    let half_open = boxed(&[-1.0, 0.0], &[1.0, f32::INFINITY]);
    error(|env| env.spec.action = half_open, "component 1 has an infinite bound", "spec().action");
}

#[test]
fn a_time_limit_of_zero() {
    error(|env| env.spec.time_limit = Some(0), "the time limit is 0", "spec().time_limit");
}

#[test]
fn a_spec_that_changes() {
    error(
        |env| {
            env.observe = |env, _, obs| {
                obs.copy_from_slice(&[env.t as f32, env.start as f32]);
                env.spec.time_limit = Some(3);
                Ok(())
            }
        },
        "spec() changed",
        "after some episodes",
    );
}

#[test]
fn components_that_are_not_written() {
    error(
        |env| {
            env.observe = |env, _, obs| {
                obs[0] = env.start as f32;
                obs[1] = if env.t == 0 { 0.0 } else { obs[1] };
                Ok(())
            }
        },
        "component 1 was not written",
        "step 1 of reset(seed 0)",
    );
    error(
        |env| {
            env.observe = |env, _, obs| {
                obs[1] = env.start as f32;
                if env.t > 0 {
                    obs[0] = 0.0;
                }
                Ok(())
            }
        },
        "component 0 was not written",
        "reset(seed 0)",
    );
}

#[test]
fn observations_that_are_not_finite() {
    error(
        |env| {
            env.spec.obs = Space::vector(2);
            env.observe = |env, _, obs| {
                obs.copy_from_slice(&[1.0 / (3.0 - env.t as f32), env.start as f32]);
                Ok(())
            };
        },
        "component 0 is inf",
        "step 3 of reset(seed 0)",
    );
}

#[test]
fn observations_out_of_bounds() {
    error(
        |env| env.spec.obs.high[0] = 3.5,
        "component 0 is 4, outside its bounds 0 to 3.5",
        "step 4 of reset(seed 0)",
    );
}

#[test]
fn numbers_that_f32_skips() {
    warning(
        |env| {
            env.spec.obs = Space::vector(2);
            env.observe = |env, _, obs| {
                obs.copy_from_slice(&[(env.t + (1 << 33)) as f32, env.start as f32]);
                Ok(())
            };
        },
        "component 0 is 8589934592; observations travel as f32",
        "reset(seed 0)",
    );
}

#[test]
fn limits_of_a_type_as_bounds() {
    let limits =
        |high: &[f32]| Space { shape: vec![1, 2], ..Space::bounded(vec![0.0; 2], high.to_vec()) };
    for limit in [f32::MAX, i32::MAX as f32, i64::MAX as f32] {
        let picture = limits(&[1000.0, limit]);
        warning(|env| env.spec.obs = picture, "component 1 of a picture", "spec().obs");
        let action = boxed(&[-limit, -1.0], &[limit, 1.0]);
        error(
            |env| env.spec.action = action,
            "component 0 is bounded by the limit",
            "spec().action",
        );
    }
    let mut vector = Broken::new();
    vector.spec.obs = Space::bounded(vec![0.0; 2], vec![f32::MAX; 2]);
    assert_eq!(check(&mut vector, "a vector, which nothing divides"), []);
}

#[test]
fn bytes_that_are_fractions() {
    error(
        |env| {
            env.spec.obs.dtype = Dtype::U8;
            env.observe = |env, _, obs| {
                obs.copy_from_slice(&[env.t as f32 / 4.0, env.start as f32]);
                Ok(())
            };
        },
        "component 0 is 0.25, but its type is u8",
        "step 1 of reset(seed 0)",
    );
}

#[test]
fn stacks_that_are_none() {
    error(|env| env.spec.obs.frames = 0, "cannot be a stack of 0 frames", "spec().obs");
    error(|env| env.spec.obs.frames = 3, "2 components cannot be a stack of 3", "spec().obs");
    // Right at the start of an episode, but no stack afterwards.
    error(
        |env| {
            env.spec.obs.frames = 2;
            env.observe = |env, _, obs| {
                let x = (env.start * 10 + env.t) as f32;
                obs.copy_from_slice(&[x, x]);
                Ok(())
            };
        },
        "no stack of 2 frames",
        "step 1 of reset(seed 0)",
    );
    error(
        |env| {
            env.spec.obs.frames = 2;
            env.observe = |env, _, obs| {
                let x = (env.start * 10 + env.t) as f32;
                obs.copy_from_slice(&[x - 1.0, x]);
                Ok(())
            };
            env.spec.obs.low = vec![-1.0; 2];
        },
        "no stack of 2 frames",
        "reset(seed 0)",
    );
}

#[test]
fn starts_that_ignore_the_seed_but_not_the_time() {
    error(
        |env| {
            env.observe = |env, _, obs| {
                obs.copy_from_slice(&[env.t as f32, (env.resets % 900) as f32]);
                Ok(())
            }
        },
        "different first observations",
        "reset(seed 0)",
    );
}

#[test]
fn steps_that_are_not_reproducible() {
    error(
        |env| {
            env.observe = |env, _, obs| {
                let luck = if env.t == 0 { 0 } else { env.resets % 800 };
                obs.copy_from_slice(&[luck as f32, env.start as f32]);
                Ok(())
            }
        },
        "two different episodes",
        "step(), seed 0",
    );
}

#[test]
fn seeds_without_effect() {
    warning(
        |env| {
            env.observe = |env, _, obs| {
                obs.copy_from_slice(&[env.t as f32, 0.0]);
                Ok(())
            }
        },
        "five different seeds",
        "reset(seed 0 to 4)",
    );
}

#[test]
fn episodes_without_an_end() {
    let endless = |env: &mut Broken| {
        env.length = u64::MAX;
        env.spec.obs.high[0] = 20000.0;
        env.saves = Saves::Nothing;
    };
    warning(endless, "no episode ended within 10000 steps", "step()");
    let mut limited = Broken::new();
    endless(&mut limited);
    limited.spec.time_limit = Some(100);
    assert_eq!(check(&mut limited, "limited by its spec"), []);
}

#[test]
fn errors_and_panics() {
    error(
        |env| env.observe = |env, _, _| Err(format!("broke at {}", env.t).into()),
        "it failed: broke at 0",
        "reset(seed 0)",
    );
    error(
        |env| {
            env.observe = |env, _, obs| {
                obs.copy_from_slice(&[0.0, env.start as f32]);
                if env.t == 7 { Err("tired".into()) } else { Ok(()) }
            }
        },
        "it failed: tired",
        "step 7 of reset(seed 0)",
    );
    error(
        |env| {
            env.observe = |env, _, obs| {
                obs.copy_from_slice(&[env.t as f32, env.start as f32]);
                assert!(env.t < 2, "ran into a wall at {}", env.t);
                Ok(())
            }
        },
        "it panicked: ran into a wall at 2",
        "step 2 of reset(seed 0)",
    );
}

#[test]
fn states_that_leave_something_out() {
    error(|env| env.saves = Saves::HalfOfIt, "a state saved at step 5", "state()");
    error(|env| env.saves = Saves::OnlyBeforeTheEpisode, "not in its middle", "state()");
}

#[test]
fn constants_that_cannot_be_set() {
    let place = "constant 'reward'";
    error(|env| env.constants = Some(Constants::Deaf), "set to 1.25 and is Some(1.0)", place);
    error(|env| env.constants = Some(Constants::Missing), "has no value", place);
    error(|env| env.constants = Some(Constants::Picky), "refuses its own value 1: no", place);
}
