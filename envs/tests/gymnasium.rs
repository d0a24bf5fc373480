//! The environments of classic control against Gymnasium 1.4: single steps from given states, spaces,
//! limits, and where episodes start. `golden/generate.py` made the rows, and says with what.
//!
//! Observations, rewards and flags are equal bit for bit in `f32`; elsewhere than on x86-64 Linux,
//! where the rows were made, sin and cos may differ in the last bit, so 1e-6 is granted.

use std::path::Path;

use envs::{
    Acrobot, Action, ActionSpace, CartPole, Env, Kwargs, MountainCar, MountainCarContinuous,
    Pendulum, Registry,
};
use serde::Deserialize;
use serde_json::Value;

const TOLERANCE: f32 =
    if cfg!(all(target_arch = "x86_64", target_os = "linux")) { 0.0 } else { 1e-6 };

/// The environments that equal Gymnasium's.
const CLASSIC: [&str; 5] =
    ["Acrobot-v1", "CartPole-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1"];

#[derive(Deserialize)]
struct Golden {
    spec: GoldenSpec,
    cases: Vec<Kwargs>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct GoldenSpec {
    obs_low: Vec<Value>,
    obs_high: Vec<Value>,
    action: Value,
    time_limit: u32,
    reset_min: Vec<f32>,
    reset_max: Vec<f32>,
    reset_mean: Vec<f32>,
}

/// Case, state, action, next observation, reward, terminated.
#[derive(Deserialize)]
struct Row(usize, Vec<f64>, Value, Vec<f32>, f64, bool);

#[test]
fn cartpole() {
    steps("CartPole-v1");
}

#[test]
fn mountain_car() {
    steps("MountainCar-v0");
}

#[test]
fn mountain_car_continuous() {
    steps("MountainCarContinuous-v0");
}

#[test]
fn acrobot() {
    steps("Acrobot-v1");
}

#[test]
fn pendulum() {
    steps("Pendulum-v1");
}

#[test]
fn spaces_and_limits() {
    for id in CLASSIC {
        let (golden, spec) = (load(id).spec, bare(id, &Kwargs::new()).spec());
        assert_eq!(spec.obs.low, floats(&golden.obs_low), "{id}: low");
        assert_eq!(spec.obs.high, floats(&golden.obs_high), "{id}: high");
        assert_eq!(spec.obs.shape, [golden.obs_low.len()], "{id}");
        assert_eq!(spec.time_limit, Some(golden.time_limit), "{id}");
        let action = match golden.action {
            Value::Array(bounds) => {
                ActionSpace::Box { low: row(&bounds[0]), high: row(&bounds[1]) }
            }
            number => ActionSpace::Discrete(number.as_u64().expect("a count") as usize),
        };
        assert_eq!(spec.action, action, "{id}");
        let made = Registry::builtin().make(id, &Kwargs::new()).expect("built in");
        assert_eq!(made.spec().time_limit, Some(golden.time_limit), "{id}");
    }
}

/// Ranges within a twentieth of each other's, means within a tenth of the range.
#[test]
fn episodes_start_where_gymnasiums_do() {
    for id in CLASSIC {
        let golden = load(id).spec;
        let mut env = bare(id, &Kwargs::new());
        let mut obs = vec![0.0; golden.reset_min.len()];
        let starts: Vec<Vec<f32>> = (0..2000)
            .map(|seed| {
                env.reset(seed, &mut obs).expect("reset");
                obs.clone()
            })
            .collect();
        for i in 0..obs.len() {
            let column = || starts.iter().map(|start| start[i]);
            let (low, high) = (golden.reset_min[i], golden.reset_max[i]);
            let near = |x: f32, y: f32, part: f32| (x - y).abs() <= part * (high - low) + 1e-7;
            let min = column().fold(f32::INFINITY, f32::min);
            let max = column().fold(f32::NEG_INFINITY, f32::max);
            let mean = column().sum::<f32>() / 2000.0;
            assert!(near(min, low, 0.05), "{id} {i}: starts at {min}, Gymnasium's at {low}");
            assert!(near(max, high, 0.05), "{id} {i}: starts to {max}, Gymnasium's to {high}");
            let expected = golden.reset_mean[i];
            assert!(near(mean, expected, 0.1), "{id} {i}: mean {mean}, Gymnasium's {expected}");
        }
    }
}

fn steps(id: &str) {
    let golden = load(id);
    let mut ended = 0;
    for (i, Row(case, state, action, next_obs, reward, terminated)) in
        golden.rows.iter().enumerate()
    {
        let mut env = bare(id, &golden.cases[*case]);
        let bytes: Vec<u8> = state.iter().flat_map(|x| x.to_le_bytes()).collect();
        env.state().expect("has a state").load(&bytes).expect("a good state");

        let mut obs = vec![f32::NAN; next_obs.len()];
        let continuous;
        let action = if let Some(choice) = action.as_u64() {
            Action::Discrete(choice as usize)
        } else {
            continuous = row(action);
            Action::Continuous(&continuous)
        };
        let step = env.step(action, &mut obs).expect("a good action");

        let far = obs.iter().zip(next_obs).any(|(x, y)| (x - y).abs() > TOLERANCE || x.is_nan());
        assert!(!far, "{id} row {i}: {obs:?}, Gymnasium {next_obs:?}");
        let (ours, theirs) = (step.reward, *reward as f32);
        assert!((ours - theirs).abs() <= TOLERANCE, "{id} row {i}: reward {ours}, {theirs}");
        assert_eq!(step.terminated, *terminated, "{id} row {i}: terminated");
        assert!(!step.truncated, "{id} row {i}: only the time limit truncates");
        ended += usize::from(step.terminated);
    }
    assert!(golden.rows.len() > 200, "{id}: rows are missing");
    assert!(ended > 30 || id == "Pendulum-v1", "{id}: only {ended} terminal rows");
}

/// The environment without wrappers, so that its own bounds and actions show.
fn bare(id: &str, kwargs: &Kwargs) -> Box<dyn Env> {
    let mut env: Box<dyn Env> = match id {
        "CartPole-v1" => Box::new(CartPole::new(kwargs.contains_key("sutton_barto_reward"))),
        "MountainCar-v0" => Box::new(MountainCar::default()),
        "MountainCarContinuous-v0" => Box::new(MountainCarContinuous::default()),
        "Acrobot-v1" => Box::new(Acrobot::default()),
        "Pendulum-v1" => Box::new(Pendulum::default()),
        _ => panic!("no golden rows for {id}; add it to generate.py and here"),
    };
    for (key, value) in kwargs.iter().filter(|(key, _)| *key != "sutton_barto_reward") {
        let name = if key == "g" { "gravity" } else { key };
        let value = value.as_float().or(value.as_integer().map(|n| n as f64)).expect("a number");
        env.params().expect("has constants").set(name, value).expect("a known constant");
    }
    env
}

fn load(id: &str) -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{id}.json"));
    let text = std::fs::read_to_string(&path).expect("the golden file is committed");
    serde_json::from_str(&text).expect("the golden file is as generate.py wrote it")
}

fn row(values: &Value) -> Vec<f32> {
    floats(values.as_array().expect("an array"))
}

fn floats(values: &[Value]) -> Vec<f32> {
    let float = |value: &Value| match value {
        Value::String(word) => word.parse().expect("inf or -inf"),
        number => number.as_f64().expect("a number") as f32,
    };
    values.iter().map(float).collect()
}
