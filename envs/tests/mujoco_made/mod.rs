//! The environments of both MuJoCo suites, and their episodes bit by bit.
#![allow(dead_code, reason = "every test file uses a part")]

use envs::{Action, Env, Kwargs, Registry};

/// Both suites; registry.rs has the list.
pub(crate) fn ids() -> Vec<String> {
    let registry = Registry::builtin();
    let ids: Vec<String> = registry
        .ids()
        .filter(|id| id.ends_with("-v5") || id.starts_with("dmc/"))
        .map(String::from)
        .collect();
    assert_eq!(ids.len(), 36);
    ids
}

/// Observations, rewards and ends of an episode, bit by bit.
pub(crate) fn episode(env: &mut dyn Env, seed: u64, most: usize) -> Vec<u32> {
    let mut obs = vec![f32::NAN; env.spec().obs.size()];
    env.reset(seed, &mut obs).expect("reset");
    let mut tape: Vec<u32> = obs.iter().map(|x| x.to_bits()).collect();
    tape.extend(steps(env, 0, most));
    tape
}

/// Up to `n` steps with the actions that come from time `t` on.
pub(crate) fn steps(env: &mut dyn Env, t: usize, n: usize) -> Vec<u32> {
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

pub(crate) fn make(id: &str, kwargs: serde_json::Value) -> Box<dyn Env> {
    Registry::builtin().make(id, &object(kwargs)).expect("a good environment")
}

pub(crate) fn bare(id: &str, kwargs: serde_json::Value) -> Box<dyn Env> {
    Registry::builtin().make_bare(id, &object(kwargs)).expect("a good environment")
}

pub(crate) fn object(kwargs: serde_json::Value) -> Kwargs {
    Kwargs::try_from(kwargs).expect("an object")
}
