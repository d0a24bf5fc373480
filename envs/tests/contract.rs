//! What every registered environment must hold to, for any seed and any actions; those of MuJoCo,
//! whose steps take a hundred times as long, in `mujoco_contract.rs`.

use envs::{Action, ActionSpace, Env, EnvSpec, Kwargs, Registry, check};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a step led to, bit by bit.
#[derive(Debug, PartialEq)]
struct Record {
    obs: Vec<u32>,
    reward: u32,
    done: bool,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn shapes_bounds_and_episode_ends(seed: u64, stack in 1..4i64) {
        for id in &ids() {
            let mut env = make(id, stack);
            let spec = env.spec();
            prop_assert_eq!(spec.obs.low.len(), spec.obs.size());
            prop_assert_eq!(spec.obs.high.len(), spec.obs.size());
            if let ActionSpace::Box { low, high } = &spec.action {
                prop_assert!(low.iter().all(|&x| x == -1.0) && high.iter().all(|&x| x == 1.0));
            }
            // Two episodes in a row: the end of one must not spoil the next.
            let limit = spec.time_limit.expect("all built-in environments have one") as usize;
            for episode in 0..2 {
                let tape = play(env.as_mut(), seed.wrapping_add(episode), limit + 1);
                prop_assert!(tape.len() <= limit + 1, "{}: ran past its time limit", id);
                prop_assert!(tape.last().is_some_and(|r| r.done), "{}: did not end", id);
                for record in &tape {
                    for (i, &bits) in record.obs.iter().enumerate() {
                        let x = f32::from_bits(bits);
                        prop_assert!(x.is_finite());
                        prop_assert!(spec.obs.low[i] <= x && x <= spec.obs.high[i],
                            "{}: component {} is {}", id, i, x);
                    }
                    prop_assert!(f32::from_bits(record.reward).is_finite());
                }
            }
        }
    }

    #[test]
    fn one_seed_gives_one_episode(seed: u64, stack in 1..4i64) {
        for id in &ids() {
            let (mut one, mut other) = (make(id, stack), make(id, stack));
            play(other.as_mut(), seed ^ 1, 30); // what went before must not matter
            prop_assert_eq!(play(one.as_mut(), seed, 100), play(other.as_mut(), seed, 100));
        }
    }

    #[test]
    fn a_saved_episode_goes_on_bitwise_in_another_environment(
        seed: u64, before in 0..8usize, stack in 1..4i64,
    ) {
        for id in &ids() {
            let (mut one, mut other) = (make(id, stack), make(id, stack));
            play(one.as_mut(), seed, before + 1);
            let bytes = one.state().expect("has a state").save();
            let rest = go_on(one.as_mut(), seed, 1000);
            play(other.as_mut(), seed ^ 1, 5);
            other.state().expect("has a state").load(&bytes).expect("just saved");
            prop_assert_eq!(rest, go_on(other.as_mut(), seed, 1000));
        }
    }

    #[test]
    fn damaged_states_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        for id in &ids() {
            let mut env = make(id, 2);
            let size = env.state().expect("has a state").save().len();
            if bytes.len() != size {
                let error = env.state().expect("has a state").load(&bytes);
                prop_assert!(error.is_err(), "{}: took {} bytes for {}", id, bytes.len(), size);
            }
        }
    }
}

#[test]
fn the_checker_finds_nothing() {
    for id in &ids() {
        for stack in [1, 3] {
            assert_eq!(check(make(id, stack).as_mut(), id), [], "{id}");
        }
    }
}

/// Every constant does something, and gravity is one everywhere.
#[test]
fn constants_change_the_episode() {
    let plain = |id: &&String| !id.starts_with("minatar/") && !id.starts_with("forager/");
    for id in ids().iter().filter(plain) {
        let names: Vec<String> = {
            let mut env = make(id, 1);
            let params = env.params().expect("has constants");
            params.names().into_iter().map(String::from).collect()
        };
        assert!(names.iter().any(|name| name == "gravity"), "{id}: {names:?}");
        // Whether the goal is reached fast enough takes longer to see: see gymnasium.rs.
        for name in names.iter().filter(|name| *name != "goal_velocity") {
            let mut env = make(id, 1);
            let usual = play(env.as_mut(), 0, 20);
            let params = env.params().expect("has constants");
            let value = params.get(name).expect("a listed name");
            params.set(name, value * 1.5).expect("a sound value");
            assert_ne!(play(env.as_mut(), 0, 20), usual, "{id}: {name} changes nothing");
        }
        let mut env = make(id, 1);
        let params = env.params().expect("has constants");
        let error = params.set("gravty", 1.0).expect_err("no such constant").to_string();
        assert!(error.contains("'gravty'") && error.contains("gravity"), "{error}");
        let error = params.set("gravity", f64::NAN).expect_err("not a number").to_string();
        assert!(error.contains("gravity = NaN is not finite"), "{error}");
    }
}

fn ids() -> Vec<String> {
    let registry = Registry::builtin();
    let engine = |id: &&str| id.ends_with("-v5") || id.starts_with("dmc/");
    registry.ids().filter(|id| !engine(id)).map(String::from).collect()
}

fn make(id: &str, stack: i64) -> Box<dyn Env> {
    let mut kwargs = Kwargs::new();
    if stack > 1 {
        kwargs.insert("frame_stack".into(), stack.into());
    }
    Registry::builtin().make(id, &kwargs).expect("built in")
}

fn play(env: &mut dyn Env, seed: u64, most: usize) -> Vec<Record> {
    let mut obs = vec![f32::NAN; env.spec().obs.size()];
    // One that never ends starts over only then.
    env.set_age(0);
    env.reset(seed, &mut obs).expect("reset");
    let first = Record { obs: bits(&obs), reward: 0, done: false };
    [first].into_iter().chain(go_on(env, seed, most)).collect()
}

fn go_on(env: &mut dyn Env, seed: u64, most: usize) -> Vec<Record> {
    let spec = env.spec();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut obs = vec![f32::NAN; spec.obs.size()];
    let mut tape = Vec::new();
    while tape.len() < most && !tape.last().is_some_and(|record: &Record| record.done) {
        let step = random_step(env, &spec, &mut rng, &mut obs);
        let done = step.terminated || step.truncated;
        tape.push(Record { obs: bits(&obs), reward: step.reward.to_bits(), done });
    }
    tape
}

fn random_step(
    env: &mut dyn Env,
    spec: &EnvSpec,
    rng: &mut ChaCha8Rng,
    obs: &mut [f32],
) -> envs::Step {
    let size = spec.action.size();
    let numbers: Vec<f32> = (0..size).map(|_| rng.random_range(-1.5..1.5)).collect();
    let action = match &spec.action {
        ActionSpace::Discrete(n) => Action::Discrete(rng.random_range(0..*n)),
        ActionSpace::Box { .. } => Action::Continuous(&numbers),
    };
    env.step(action, obs).expect("a good action")
}

fn bits(obs: &[f32]) -> Vec<u32> {
    obs.iter().map(|x| x.to_bits()).collect()
}
