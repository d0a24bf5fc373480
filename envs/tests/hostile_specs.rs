//! Specs that make no sense, handed to everything that takes an environment: an error with a
//! sentence, never a panic.

#[path = "../../agents/tests/harness/hostile.rs"]
#[allow(dead_code, reason = "the tests of configurations use more of it")]
mod hostile;

use std::panic::{AssertUnwindSafe, catch_unwind};

use envs::{
    Action, ActionRepeat, ActionRescale, ActionSpace, Dtype, Env, EnvError, EnvSpec, FrameStack,
    Kwargs, Registry, Space, Step, TimeLimit, VecEnv,
};
use hostile::hostile;
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Writes zeros and never ends.
#[derive(Clone)]
struct Still(EnvSpec);

impl Env for Still {
    fn spec(&self) -> EnvSpec {
        self.0.clone()
    }
    fn reset(&mut self, _seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        obs.fill(0.0);
        Ok(())
    }
    fn step(&mut self, _action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        obs.fill(0.0);
        Ok(Step { reward: 0.0, terminated: false, truncated: false })
    }
}

fn vec_env(spec: &EnvSpec) -> Result<VecEnv, EnvError> {
    let envs = (0..2).map(|_| Box::new(Still(spec.clone())) as Box<dyn Env>).collect();
    VecEnv::new(envs, ChaCha8Rng::seed_from_u64(0))
}

fn registered(spec: &EnvSpec, kwargs: &Kwargs) -> Result<Box<dyn Env>, EnvError> {
    let (mut registry, still) = (Registry::default(), Still(spec.clone()));
    registry.insert("still", move || Ok(still.clone()));
    registry.make("still", kwargs)
}

/// Refused by both, each time with these words.
fn refused(spec: &EnvSpec, words: &str) {
    let vectorised = vec_env(spec).err().expect("refused").to_string();
    let made = registered(spec, &Kwargs::new()).err().expect("refused").to_string();
    for message in [vectorised, made] {
        assert!(message.contains(words), "no `{words}` in: {message}");
    }
}

fn good() -> EnvSpec {
    EnvSpec::vector(2, ActionSpace::symmetric(2))
}

#[test]
fn a_spec_without_choices_or_components_is_an_error() {
    refused(&EnvSpec::vector(2, ActionSpace::Discrete(0)), "0 choices; give at least 1");
    refused(&EnvSpec::vector(2, ActionSpace::symmetric(0)), "no components; give at least 1");
    refused(&EnvSpec::vector(0, ActionSpace::Discrete(2)), "shape [0]");
    let huge = Space { shape: vec![usize::MAX, 3], ..Space::vector(2) };
    refused(&EnvSpec { obs: huge, ..good() }, "give it a smaller one");
}

#[test]
fn nan_bounds_are_named_and_no_difference() {
    let mut spec = good();
    spec.obs.high[1] = f32::NAN;
    refused(&spec, "bounds component 1 by -inf and NaN");
    spec = good();
    spec.obs.low.pop();
    refused(&spec, "2 components, 1 lower and 2 upper bounds");
}

#[test]
fn a_stack_too_large_for_memory_is_an_error() {
    let spec = EnvSpec::vector(1 << 20, ActionSpace::Discrete(2));
    let message = FrameStack::new(Box::new(Still(spec)), 1024).err().expect("refused").to_string();
    assert!(message.contains("stack fewer, or smaller ones"), "{message}");
}

#[test]
fn limits_of_a_type_are_no_range_of_actions() {
    for limit in [f32::MAX, i32::MAX as f32, i64::MAX as f32, 65_504.0] {
        let action = ActionSpace::Box { low: vec![-limit], high: vec![limit] };
        let made = registered(&EnvSpec::vector(1, action), &Kwargs::new());
        let message = made.err().expect("refused").to_string();
        assert!(message.contains("limits of its type"), "{message}");
    }
}

#[test]
fn a_bound_is_a_scale_only_if_it_is_no_limit_of_a_type() {
    let scale = |high: &[f32]| Space::bounded(vec![0.0; high.len()], high.to_vec()).scale();
    for high in [1.0, 10.0, 255.0, 65_535.0] {
        assert_eq!(scale(&[0.5, high]), Some(high));
    }
    let limits = [65_504.0, i32::MAX as f32, u32::MAX as f32, i64::MAX as f32, f32::MAX];
    for high in limits.into_iter().chain([f32::INFINITY, 0.0, -1.0]) {
        assert_eq!(scale(&[high]), None, "{high}");
    }
}

fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        Just(f32::NAN),
        Just(f32::INFINITY),
        Just(f32::NEG_INFINITY),
        Just(f32::MAX),
        Just(f32::MIN),
        Just(0.0),
        -2.0..2.0f32,
    ]
}

fn numbers() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(number(), 0..4)
}

fn spec() -> impl Strategy<Value = EnvSpec> {
    let length = prop_oneof![0..4usize, Just(1 << 20), Just(1 << 40), Just(usize::MAX)];
    let shape = prop::collection::vec(length, 0..4);
    let action = prop_oneof![
        prop_oneof![0..3usize, Just(usize::MAX)].prop_map(ActionSpace::Discrete),
        (numbers(), numbers()).prop_map(|(low, high)| ActionSpace::Box { low, high }),
    ];
    let obs = (shape, numbers(), numbers(), prop_oneof![0..4usize, Just(usize::MAX)]).prop_map(
        |(shape, low, high, frames)| Space { shape, low, high, dtype: Dtype::F32, frames },
    );
    let limit = prop_oneof![Just(None), Just(Some(0)), Just(Some(1)), Just(Some(u32::MAX))];
    (obs, action, limit).prop_map(|(obs, action, time_limit)| EnvSpec { obs, action, time_limit })
}

fn sentence<T>(result: Result<T, EnvError>) -> Result<(), TestCaseError> {
    if let Err(error) = result {
        prop_assert!(error.to_string().len() > 20, "{}", error);
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_spec_makes_a_constructor_panic(spec in spec(), count in 0..5usize, limit: Option<u32>) {
        let boxed = || Box::new(Still(spec.clone())) as Box<dyn Env>;
        sentence(vec_env(&spec))?;
        sentence(registered(&spec, &Kwargs::new()))?;
        let stack = Kwargs::from_iter([("frame_stack".to_owned(), (count as i64).into())]);
        sentence(registered(&spec, &stack))?;
        sentence(ActionRescale::new(boxed()))?;
        sentence(ActionRepeat::new(boxed(), count as u32))?;
        sentence(TimeLimit::new(boxed(), limit))?;
        sentence(FrameStack::new(boxed(), count))?;
    }
}

/// Each keyword argument and each constant of an environment of this crate gets each value that it has no business
/// with: a sentence, or an environment that can be played.
#[test]
fn no_keyword_argument_makes_an_environment_panic() {
    let registry = Registry::builtin();
    // The engine's models take long to load; one stands for all.
    let engine = |id: &str| id.starts_with("dmc/") || id.ends_with("-v5");
    let mut counts = [0; 2];
    for id in registry.ids().filter(|id| !engine(id) || *id == "Hopper-v5") {
        let mut env = registry.make(id, &Kwargs::new()).expect("built in");
        let mut keys: Vec<String> = registry.kwargs(id).unwrap_or_default().to_vec();
        keys.extend(
            env.params()
                .into_iter()
                .flat_map(|p| p.names().into_iter().map(String::from).collect::<Vec<_>>()),
        );
        keys.extend(["max_episode_steps", "action_repeat", "frame_stack"].map(String::from));
        for key in keys {
            for value in hostile() {
                let what = format!("{id}: {key} = {value}");
                let kwargs = Kwargs::from_iter([(key.clone(), value)]);
                let ended = catch_unwind(AssertUnwindSafe(|| play(&registry, id, &kwargs)));
                let ended = ended.unwrap_or_else(|_| panic!("{what} panics"));
                let message = ended.err().map(|e| e.to_string());
                let sentence = message.as_ref().is_none_or(|m| m.len() > 20 && !m.contains('\n'));
                assert!(sentence, "{what}: {message:?}");
                counts[usize::from(message.is_none())] += 1;
            }
        }
    }
    let [refused, played] = counts;
    assert!(refused > 500 && played > 300, "{refused} refused, {played} played");
}

fn play(registry: &Registry, id: &str, kwargs: &Kwargs) -> Result<(), EnvError> {
    let mut env = registry.make(id, kwargs)?;
    let spec = env.spec();
    let mut obs = vec![0.0; spec.obs.size()];
    env.reset(0, &mut obs)?;
    let numbers = vec![0.5; spec.action.size()];
    for _ in 0..3 {
        let action = match spec.action {
            ActionSpace::Discrete(_) => Action::Discrete(0),
            ActionSpace::Box { .. } => Action::Continuous(&numbers),
        };
        let step = env.step(action, &mut obs)?;
        if step.terminated || step.truncated {
            env.reset(1, &mut obs)?;
        }
    }
    Ok(())
}
