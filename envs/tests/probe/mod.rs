//! An environment that shows its actions, its time and its constant, for tests of wrappers.
#![allow(dead_code, reason = "every test file uses a part")]

use envs::drift::Drift;
use envs::{
    Action, ActionSpace, Dtype, Env, EnvError, EnvSpec, Kwargs, Params, Registry, Space, State,
    Step,
};
use serde_json::{Value, json};

/// Observes `[constant, t, 1, 2, ..., last action]` and rewards with 1. It never ends.
pub(crate) struct Probe {
    pub(crate) spec: EnvSpec,
    pub(crate) constant: f64,
    pub(crate) t: u32,
    pub(crate) saves: bool,
    pub(crate) last: Vec<f32>,
    /// What `begin` was told, until the step.
    pub(crate) told: Option<Vec<f32>>,
}

fn numbers(action: Action<'_>) -> Vec<f32> {
    match action {
        Action::Discrete(choice) => vec![choice as f32],
        Action::Continuous(action) => action.to_vec(),
    }
}

pub(crate) const FILL: usize = 6;

impl Probe {
    pub(crate) fn new(action: ActionSpace) -> Self {
        let last = match &action {
            ActionSpace::Discrete(_) => vec![9.0],
            ActionSpace::Box { low, .. } => vec![9.0; low.len()],
        };
        let size = 2 + FILL + last.len();
        let obs = Space::bounded(vec![-9.0; size], vec![1000.0; size]);
        let spec = EnvSpec { obs, action, time_limit: None };
        Self { spec, constant: 10.0, t: 0, saves: true, last, told: None }
    }

    fn observe(&self, obs: &mut [f32]) {
        (obs[0], obs[1]) = (self.constant as f32, self.t as f32);
        for i in 0..FILL {
            obs[2 + i] = (i + 1) as f32;
        }
        obs[2 + FILL..].copy_from_slice(&self.last);
    }
}

impl Env for Probe {
    fn spec(&self) -> EnvSpec {
        self.spec.clone()
    }
    fn reset(&mut self, _seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        self.t = 0;
        self.last.fill(9.0);
        self.observe(obs);
        Ok(())
    }
    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        self.t += 1;
        self.last = numbers(action);
        if let Some(told) = self.told.take().filter(|told| *told != self.last) {
            return Err(format!("told {told:?} and given {:?}", self.last).into());
        }
        self.observe(obs);
        Ok(Step { reward: 1.0, terminated: false, truncated: false })
    }
    fn begin(&mut self, action: Action<'_>) -> bool {
        self.told = Some(numbers(action));
        true
    }
    fn params(&mut self) -> Option<&mut dyn Params> {
        Some(self)
    }
    fn state(&mut self) -> Option<&mut dyn State> {
        self.saves.then_some(self)
    }
}

impl Params for Probe {
    fn names(&self) -> Vec<&str> {
        vec!["constant"]
    }
    fn get(&self, name: &str) -> Option<f64> {
        (name == "constant").then_some(self.constant)
    }
    fn set(&mut self, _: &str, value: f64) -> Result<(), EnvError> {
        if value > 1e6 {
            return Err(format!("constant = {value} is too high").into());
        }
        self.constant = value;
        Ok(())
    }
}

impl State for Probe {
    fn save(&self) -> Vec<u8> {
        self.t.to_le_bytes().to_vec()
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), EnvError> {
        self.t = u32::from_le_bytes(bytes.try_into()?);
        Ok(())
    }
}

/// `discrete` takes one of 5 choices, `continuous` 4 numbers; `forgetful` cannot be saved, `drifting`
/// changes by itself, `wide` has other bounds and `picture` is of bytes.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::builtin();
    let discrete = || Probe::new(ActionSpace::Discrete(5));
    registry.insert("discrete", move || Ok(discrete()));
    registry.insert("continuous", || Ok(Probe::new(ActionSpace::symmetric(4))));
    registry.insert("forgetful", move || Ok(Probe { saves: false, ..discrete() }));
    registry.insert("one choice", || Ok(Probe::new(ActionSpace::Discrete(1))));
    registry.insert("drifting", move || drifting(ActionSpace::Discrete(5)));
    registry.insert("drifting continuous", || drifting(ActionSpace::symmetric(4)));
    registry.insert("wide", move || {
        let mut probe = discrete();
        (probe.spec.obs.low[0], probe.spec.obs.high[0]) = (-20.0, 2000.0);
        Ok(probe)
    });
    registry.insert("picture", move || {
        let mut probe = discrete();
        let shape = vec![3, 3];
        let (low, high) = (vec![0.0; 9], vec![255.0; 9]);
        probe.spec.obs = Space { shape, low, high, dtype: Dtype::U8, frames: 1 };
        Ok(probe)
    });
    registry
}

/// Multiplies rewards by 1, 2, 3, ... itself, each for 5 steps.
fn drifting(action: ActionSpace) -> Result<Box<dyn Env>, EnvError> {
    let scales: Vec<f64> = (1..=20).map(f64::from).collect();
    let list = json!([{ "kind": "reward", "scales": scales, "period": 5 }]);
    let mut registry = Registry::default();
    registry.insert("inside", move || Ok(Probe::new(action.clone())));
    registry.make_drifting("inside", &Kwargs::new(), &serde_json::from_value::<Vec<_>>(list)?)
}

pub(crate) fn try_make(id: &str, list: &Value) -> Result<Box<dyn Env>, String> {
    let list: Vec<Drift> = serde_json::from_value(list.clone()).map_err(|e| e.to_string())?;
    registry().make_drifting(id, &Kwargs::new(), &list).map_err(|e| e.to_string())
}

pub(crate) fn make(id: &str, list: &Value) -> Box<dyn Env> {
    try_make(id, list).unwrap_or_else(|e| panic!("{list}: {e}"))
}

pub(crate) fn reset_with(env: &mut dyn Env, seed: u64) -> Vec<f32> {
    let mut obs = vec![f32::NAN; env.spec().obs.size()];
    env.reset(seed, &mut obs).expect("reset");
    obs
}

pub(crate) fn reset(env: &mut dyn Env) -> Vec<f32> {
    reset_with(env, 0)
}

pub(crate) fn reset_at(env: &mut dyn Env, age: u64) -> Vec<f32> {
    env.set_age(age);
    reset(env)
}

pub(crate) fn step(env: &mut dyn Env, action: Action<'_>) -> (f32, Vec<f32>) {
    let mut obs = vec![f32::NAN; env.spec().obs.size()];
    (env.step(action, &mut obs).expect("a good action").reward, obs)
}

pub(crate) fn choose(env: &mut dyn Env, choice: usize) -> (f32, Vec<f32>) {
    step(env, Action::Discrete(choice))
}

/// The action that the environment inside got.
pub(crate) fn inside(obs: &[f32]) -> &[f32] {
    &obs[2 + FILL..]
}
