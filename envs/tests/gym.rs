//! Environments of the crate gymnasium-rs through our adapter.
#![cfg(feature = "gymnasium-rs")]

use envs::{
    Action, ActionSpace, Actions, Env, EnvError, Gym, Kwargs, Registry, Severity, VecEnv, check,
};
use gymnasium_rs::core::{Env as GymEnv, Info, Options, Reward, Space};
use gymnasium_rs::envs::cartpole::CartPole;
use ndarray::{Array1, Array3, array};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// A point on a line that its action moves. `fault` says at which step what goes wrong.
struct Line {
    x: f32,
    t: u32,
    fault: Option<(u32, Fault)>,
    spaces: (Space, Space),
}

#[derive(Clone, Copy)]
enum Fault {
    Panic,
    TooShort,
}

impl Line {
    fn new(fault: Option<(u32, Fault)>) -> Self {
        let spaces = (
            Space::Box { low: array![-100.0, 0.0], high: array![100.0, 1000.0] },
            Space::Box { low: array![-3.0], high: array![1.0] },
        );
        Self { x: 0.0, t: 0, fault, spaces }
    }
}

impl GymEnv<Array1<f32>, Array1<f32>> for Line {
    fn observation_space(&self) -> Space {
        self.spaces.0.clone()
    }
    fn action_space(&self) -> Space {
        self.spaces.1.clone()
    }
    fn reset(&mut self, seed: Option<i32>, _: Options) -> (Array1<f32>, Info) {
        (self.x, self.t) = ((seed.expect("always given") % 10) as f32, 0);
        (array![self.x, 0.0], Info::new())
    }
    fn step(&mut self, action: Array1<f32>) -> (Array1<f32>, Reward, bool, bool, Info) {
        self.x += action[0];
        self.t += 1;
        let obs = match self.fault {
            Some((t, Fault::Panic)) if t == self.t => panic!("fell off the line"),
            Some((t, Fault::TooShort)) if t == self.t => array![self.x],
            _ => array![self.x, self.t as f32],
        };
        (obs, -self.x.abs(), self.t == 5, self.t == 20, Info::new())
    }
    fn render(&self) -> Option<Array3<u8>> {
        None
    }
    fn close(&mut self) {}
}

#[test]
fn a_continuous_environment_plugs_in() {
    let mut registry = Registry::default();
    registry.insert("line", || Gym::new(Line::new(None)));
    let mut env = registry.make("line", &Kwargs::new()).expect("inserted");
    assert_eq!(check(env.as_mut(), "line"), []);
    assert_eq!(env.spec().action, ActionSpace::symmetric(1));

    let mut obs = [0.0; 2];
    env.reset(7, &mut obs).expect("reset");
    assert_eq!(obs, [7.0, 0.0]);
    // The environment's own bounds are -3 and 1.
    let step = env.step(Action::Continuous(&[-1.0]), &mut obs).expect("step");
    assert_eq!((obs, step.reward, step.terminated), ([4.0, 1.0], -4.0, false));
    for _ in 0..4 {
        env.step(Action::Continuous(&[1.0]), &mut obs).expect("step");
    }
    assert_eq!(obs, [8.0, 5.0]);
}

#[test]
fn its_cartpole_plugs_in() {
    let mut registry = Registry::default();
    registry.insert("gymnasium-rs/CartPole", || Gym::new(CartPole::new()));
    let kwargs = Kwargs::from_iter([("max_episode_steps".into(), 30.into())]);
    let make = || registry.make("gymnasium-rs/CartPole", &kwargs).expect("inserted");
    let envs = (0..2).map(|_| make()).collect();
    let mut envs = VecEnv::new(envs, ChaCha8Rng::seed_from_u64(0)).expect("equal");
    assert_eq!(envs.spec().action, ActionSpace::Discrete(2));
    assert_eq!(envs.obs().len(), 8);

    let mut lengths = Vec::new();
    for _ in 0..200 {
        // One that falls at once, and one that is held for a while by bang-bang control.
        let held = usize::from(envs.obs()[6] + envs.obs()[7] > 0.0);
        envs.step(&Actions::Discrete(vec![0, held])).expect("step");
        lengths
            .extend(envs.outcomes().iter().filter_map(|o| Some((o.episode?.length, o.truncated))));
    }
    assert!(lengths.iter().any(|&(length, truncated)| length < 15 && !truncated), "{lengths:?}");
    assert!(lengths.contains(&(30, true)), "held until the time limit: {lengths:?}");

    // Its bound on the angle is where episodes end, so their last observation is outside.
    let findings = check(make().as_mut(), "gymnasium-rs/CartPole");
    let text: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(findings.len(), 1, "{text:#?}");
    assert_eq!(findings[0].severity, Severity::Error);
    assert!(text[0].contains("component 2 is") && text[0].contains("outside its bounds"));
}

#[test]
fn its_faults_become_errors() {
    let faults = [
        (Fault::Panic, "panicked in step: fell off the line"),
        (Fault::TooShort, "1 observation components where its space has 2"),
    ];
    for (fault, expected) in faults {
        let mut env = Gym::new(Line::new(Some((2, fault)))).expect("good spaces");
        let mut obs = [0.0; 2];
        env.reset(0, &mut obs).expect("reset");
        env.step(Action::Continuous(&[0.0]), &mut obs).expect("not yet");
        let error = env.step(Action::Continuous(&[0.0]), &mut obs).expect_err("now");
        assert!(error.to_string().contains(expected), "{error}");
        let error = env.step(Action::Discrete(0), &mut obs).expect_err("discrete").to_string();
        assert!(error.contains("takes continuous actions"), "{error}");
    }
    let spaces = [
        (Space::Discrete(3), Space::Discrete(2), "discrete observations"),
        (Space::Box { low: array![0.0], high: array![1.0] }, Space::Discrete(-1), "Discrete(-1)"),
    ];
    for (obs, action, expected) in spaces {
        let line = Line { spaces: (obs, action), ..Line::new(None) };
        let error: EnvError = Gym::new(line).err().expect("unusable spaces");
        assert!(error.to_string().contains(expected), "{error}");
    }
}
