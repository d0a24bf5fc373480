//! The wrappers, around an environment that only counts.

use envs::{
    Action, ActionRescale, ActionSpace, Env, EnvError, EnvSpec, FrameStack, Kwargs, Registry,
    State, Step, TimeLimit,
};

/// Observes `[start + t, last action]`, and saves its state if `saves`.
struct Counter {
    action: ActionSpace,
    saves: bool,
    count: u64,
    last: f32,
}

impl Counter {
    fn boxed(action: ActionSpace, saves: bool) -> Box<dyn Env> {
        Box::new(Self { action, saves, count: 0, last: 0.0 })
    }
}

impl Env for Counter {
    fn spec(&self) -> EnvSpec {
        EnvSpec::vector(2, self.action.clone())
    }
    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        (self.count, self.last) = (seed, 0.0);
        obs.copy_from_slice(&[self.count as f32, self.last]);
        Ok(())
    }
    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        self.count += 1;
        self.last = match action {
            Action::Discrete(choice) => choice as f32,
            Action::Continuous(action) => action[0],
        };
        obs.copy_from_slice(&[self.count as f32, self.last]);
        Ok(Step { reward: 0.0, terminated: false, truncated: false })
    }
    fn begin(&mut self, action: Action<'_>) -> bool {
        matches!(action, Action::Continuous([a]) if *a == 2.0)
    }
    fn task(&self) -> usize {
        7
    }
    fn state(&mut self) -> Option<&mut dyn State> {
        self.saves.then_some(self)
    }
}

impl State for Counter {
    fn save(&self) -> Vec<u8> {
        self.count.to_le_bytes().to_vec()
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), EnvError> {
        self.count = u64::from_le_bytes(bytes.try_into()?);
        Ok(())
    }
}

fn step(env: &mut dyn Env, action: f32) -> (Step, Vec<f32>) {
    let spec = env.spec();
    let mut obs = vec![f32::NAN; spec.obs.size()];
    let step = match spec.action {
        ActionSpace::Discrete(_) => env.step(Action::Discrete(action as usize), &mut obs),
        ActionSpace::Box { .. } => env.step(Action::Continuous(&[action]), &mut obs),
    };
    (step.expect("a good action"), obs)
}

fn reset(env: &mut dyn Env, seed: u64) -> Vec<f32> {
    let mut obs = vec![f32::NAN; env.spec().obs.size()];
    env.reset(seed, &mut obs).expect("reset");
    obs
}

/// What an environment that sees actions in `[low, high]` gets for actions in `[-1, 1]`.
#[test]
fn actions_are_rescaled_and_clipped() {
    let cases = [
        (-2.0, 2.0, [(-1.0, -2.0), (0.3, 0.6), (1.0, 2.0), (5.0, 2.0), (-5.0, -2.0)]),
        (0.0, 10.0, [(-1.0, 0.0), (0.0, 5.0), (1.0, 10.0), (1.1, 10.0), (-1.1, 0.0)]),
        (-1.0, 1.0, [(0.1, 0.1), (-0.7, -0.7), (1.0, 1.0), (1.5, 1.0), (-9.0, -1.0)]),
        (-0.4, 0.4, [(-1.0, -0.4), (0.0, 0.0), (1.0, 0.4), (2.0, 0.4), (-2.0, -0.4)]),
    ];
    for (low, high, pairs) in cases {
        let space = ActionSpace::Box { low: vec![low], high: vec![high] };
        let mut env = ActionRescale::new(Counter::boxed(space, false)).expect("finite");
        assert_eq!(env.spec().action, ActionSpace::symmetric(1));
        reset(&mut env, 0);
        for (outside, inside) in pairs {
            assert_eq!(step(&mut env, outside).1[1], inside, "{outside} in [{low}, {high}]");
        }
        let error = env.step(Action::Continuous(&[0.0; 3]), &mut [0.0; 2]).expect_err("3 for 1");
        assert!(error.to_string().contains("3 components where 1"), "{error}");
        let error = env.step(Action::Discrete(0), &mut [0.0; 2]).expect_err("discrete");
        assert!(error.to_string().contains("takes continuous actions"), "{error}");
    }
    let discrete = Counter::boxed(ActionSpace::Discrete(2), false);
    assert!(ActionRescale::new(discrete).err().expect("discrete").to_string().contains("discrete"));
}

#[test]
fn time_limits_truncate_and_start_anew_on_reset() {
    let counter = Counter::boxed(ActionSpace::Discrete(2), false);
    let mut env = TimeLimit::new(counter, Some(3)).expect("above 0");
    for _ in 0..2 {
        reset(&mut env, 0);
        let truncated: Vec<bool> = (0..3).map(|_| step(&mut env, 0.0).0.truncated).collect();
        assert_eq!(truncated, [false, false, true]);
    }
    assert!(!step(&mut env, 0.0).0.terminated);
    assert_eq!(env.task(), 7);
}

/// Gymnasium's `FrameStackObservation(env, 3)` gives the same frames on a counter.
#[test]
fn frames_are_oldest_first_and_the_first_is_repeated() {
    let counter = Counter::boxed(ActionSpace::Discrete(9), false);
    let mut env = FrameStack::new(counter, 3).expect("above 1");
    assert_eq!((env.spec().obs.shape, env.spec().obs.frames), (vec![3, 2], 3));
    assert_eq!(reset(&mut env, 10), [10.0, 0.0, 10.0, 0.0, 10.0, 0.0]);
    assert_eq!(step(&mut env, 1.0).1, [10.0, 0.0, 10.0, 0.0, 11.0, 1.0]);
    assert_eq!(step(&mut env, 2.0).1, [10.0, 0.0, 11.0, 1.0, 12.0, 2.0]);
    assert_eq!(step(&mut env, 3.0).1, [11.0, 1.0, 12.0, 2.0, 13.0, 3.0]);
    assert_eq!(reset(&mut env, 50), [50.0, 0.0, 50.0, 0.0, 50.0, 0.0]);
    assert_eq!(env.task(), 7);
}

/// Both wrappers at once: their counter and frames come back with the inner state.
#[test]
fn wrappers_save_their_own_state_too() {
    let wrapped = |saves| {
        let limited = TimeLimit::new(Counter::boxed(ActionSpace::Discrete(9), saves), Some(4));
        FrameStack::new(Box::new(limited.expect("above 0")), 2).expect("above 1")
    };
    let mut env = wrapped(true);
    reset(&mut env, 10);
    step(&mut env, 1.0);
    step(&mut env, 2.0);
    let bytes = env.state().expect("saves").save();

    let mut other = wrapped(true);
    reset(&mut other, 90);
    other.state().expect("saves").load(&bytes).expect("just saved");
    for _ in 0..2 {
        assert_eq!(step(&mut env, 3.0), step(&mut other, 3.0));
    }
    assert!(step(&mut other, 3.0).0.truncated, "the limit is 4 steps, 2 of them before saving");

    let error = other.state().expect("saves").load(&bytes[..3]).expect_err("short").to_string();
    assert!(error.contains("3 bytes is too short for FrameStack"), "{error}");
    assert!(wrapped(false).state().is_none(), "no state without the inner one's");
}

#[test]
fn a_state_of_another_environment_is_refused() {
    let make = |id| Registry::builtin().make(id, &Kwargs::new()).expect("built in");
    let bytes = make("CartPole-v1").state().expect("saves").save();
    let error = make("Pendulum-v1").state().expect("loads").load(&bytes).expect_err("not its own");
    let expected = "a saved state of 32 bytes cannot be loaded into Pendulum-v1, which takes 16";
    assert!(error.to_string().contains(expected), "{error}");

    let nan = [f64::NAN, 0.0].map(f64::to_le_bytes).concat();
    let bytes = [0u32.to_le_bytes().as_slice(), &nan].concat(); // TimeLimit's own, then Pendulum's
    let error = make("Pendulum-v1").state().expect("loads").load(&bytes).expect_err("NaN");
    assert!(error.to_string().contains("number 0 of a saved state of Pendulum-v1"), "{error}");
}

/// Steps, rewards and the limit in the agent's steps; a cut inside a repeat ends it.
/// An environment that runs elsewhere hears of its action as it will be given.
#[test]
fn actions_are_announced_through_the_wrappers() {
    let mut registry = Registry::default();
    registry.insert_with("counter", |_| {
        Ok(Counter::boxed(ActionSpace::Box { low: vec![0.0], high: vec![4.0] }, false))
    });
    let wrapped = r#"{"max_episode_steps": 9, "action_repeat": 2, "frame_stack": 2}"#;
    for arguments in ["{}", wrapped] {
        let kwargs: Kwargs = serde_json::from_str(arguments).expect("JSON");
        let mut env = registry.make("counter", &kwargs).expect("made");
        assert!(env.begin(Action::Continuous(&[0.0])), "{arguments}: 2 is in the middle");
        assert!(!env.begin(Action::Continuous(&[1.0])), "{arguments}");
    }
}

#[test]
fn action_repeat_sums_rewards_and_stops_at_the_end() {
    let mut kwargs = Kwargs::new();
    kwargs.insert("action_repeat".into(), 3.into());
    kwargs.insert("max_episode_steps".into(), 7.into());
    let mut plain = Registry::builtin().make("Pendulum-v1", &Kwargs::new()).unwrap();
    let mut env = Registry::builtin().make("Pendulum-v1", &kwargs).unwrap();
    assert_eq!(env.spec().time_limit, Some(3), "7 steps in threes");
    let (mut a, mut b) = ([0.0; 3], [0.0; 3]);
    env.reset(5, &mut a).unwrap();
    plain.reset(5, &mut b).unwrap();
    for (action, steps) in [(0.3f32, 3), (-0.9, 3), (0.5, 1)] {
        let got = env.step(Action::Continuous(&[action]), &mut a).unwrap();
        let reward: f32 = (0..steps)
            .map(|_| plain.step(Action::Continuous(&[action]), &mut b).unwrap().reward)
            .sum();
        assert_eq!((got.reward, a), (reward, b));
        assert_eq!(got.truncated, steps == 1);
    }
    kwargs.insert("action_repeat".into(), 0.into());
    let error = Registry::builtin().make("Pendulum-v1", &kwargs).err().expect("refused");
    assert!(error.to_string().contains("action_repeat = 0"), "{error}");
}
