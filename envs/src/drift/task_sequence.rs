//! [`TaskSequence`]: several environments, one after the other, as in Continual World (Wolczyk et
//! al. 2021, arXiv 2105.10919).

use serde::{Deserialize, Serialize};

use super::period::{index, some_steps};
use crate::wrappers::load_inner;
use crate::{
    Action, ActionSpace, Env, EnvError, EnvSpec, Frame, Kwargs, Params, Registry, Space, State,
    Step, bytes,
};

/// Several environments, one after the other. They must have one shape of observations, one action
/// space and one time limit; bounds of observations are wide enough for all.
///
/// Environments that drift themselves get older while others are played, and [`Env::task`] adds
/// their own count while they are on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskSequence {
    /// The environments, in order.
    pub tasks: Vec<Task>,
    /// Steps of an environment in one task.
    pub steps_per_task: u64,
    /// How many times the list is repeated; after that the last task stays. 0 repeats it forever.
    #[serde(default = "once")]
    pub cycles: u64,
    /// Whether [`Env::task`] counts the changes.
    #[serde(default = "super::period::yes")]
    pub signal_task_change: bool,
    /// Whether the number of the task in the list is added to observations, as that many
    /// components of which one is 1 and all others are 0.
    #[serde(default)]
    pub task_in_obs: bool,
}

/// One environment of a [`TaskSequence`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Task {
    /// Its id; the run's `env.name` if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Keyword arguments, besides and before the run's `env.kwargs`.
    pub kwargs: Kwargs,
}

fn once() -> u64 {
    1
}

impl TaskSequence {
    pub(super) fn make(
        &self,
        registry: &Registry,
        id: &str,
        kwargs: &Kwargs,
    ) -> Result<Box<dyn Env>, EnvError> {
        some_steps("steps_per_task", self.steps_per_task)?;
        let mut envs = Vec::new();
        for (i, task) in self.tasks.iter().enumerate() {
            let mut all = kwargs.clone();
            all.extend(task.kwargs.clone());
            let env = registry.make(task.name.as_deref().unwrap_or(id), &all);
            envs.push(env.map_err(|error| format!("task {i}: {error}"))?);
        }
        Ok(Box::new(Sequence::new(self.clone(), envs)?))
    }
}

struct Sequence {
    config: TaskSequence,
    envs: Vec<Box<dyn Env>>,
    spec: EnvSpec,
    /// Components of an observation of the environments.
    size: usize,
    /// Constants that all have, with one value.
    constants: Vec<(String, f64)>,
    /// Steps taken so far.
    age: u64,
    /// Which visit the episode that is on belongs to.
    index: u64,
    saved: Vec<u8>,
}

impl Sequence {
    fn new(config: TaskSequence, mut envs: Vec<Box<dyn Env>>) -> Result<Self, EnvError> {
        let first = envs.first().ok_or("tasks = [] has no environment; give at least one")?;
        let mut spec = first.spec();
        for (i, env) in envs.iter().enumerate() {
            widen(&mut spec, &env.spec()).map_err(|differs| format!("task {i} has {differs}"))?;
        }
        let size = spec.obs.size();
        if config.task_in_obs {
            if spec.obs.shape.len() != 1 {
                return Err(format!(
                    "task_in_obs needs observations that are a vector, and these have the shape \
                     {:?}; leave it out",
                    spec.obs.shape
                )
                .into());
            }
            spec.obs.shape = vec![size + envs.len()];
            spec.obs.frames = 1;
            spec.obs.low.resize(size + envs.len(), 0.0);
            spec.obs.high.resize(size + envs.len(), 1.0);
        }
        let constants = shared_constants(&mut envs);
        let (age, index) = (0, 0);
        Ok(Self { config, envs, spec, size, constants, age, index, saved: Vec::new() })
    }

    /// Which visit is on after so many steps.
    fn visit(&self, age: u64) -> u64 {
        let last = (self.envs.len() as u64).saturating_mul(self.config.cycles).checked_sub(1);
        index(age, self.config.steps_per_task).min(last.unwrap_or(u64::MAX))
    }

    fn place(&self) -> usize {
        (self.index % self.envs.len() as u64) as usize
    }

    fn current(&mut self) -> &mut dyn Env {
        let place = self.place();
        self.envs[place].as_mut()
    }

    /// The environment's part of an observation; the task's part is written here.
    fn split<'a>(&self, obs: &'a mut [f32]) -> &'a mut [f32] {
        let (inner, task) = obs.split_at_mut(self.size);
        task.fill(0.0);
        if let Some(here) = task.get_mut(self.place()) {
            *here = 1.0;
        }
        inner
    }
}

impl Env for Sequence {
    fn spec(&self) -> EnvSpec {
        self.spec.clone()
    }

    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        self.index = self.visit(self.age);
        let (age, inner) = (self.age, self.split(obs));
        // Those that drift themselves age while others are played.
        self.current().set_age(age);
        self.current().reset(seed, inner)
    }

    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        let inner = self.split(obs);
        let step = self.current().step(action, inner)?;
        self.age = self.age.saturating_add(1);
        Ok(step)
    }

    fn begin(&mut self, action: Action<'_>) -> bool {
        self.current().begin(action)
    }

    fn task(&self) -> usize {
        let own = if self.config.signal_task_change { self.index as usize } else { 0 };
        self.envs[self.place()].task() + own
    }

    fn interruptions(&self) -> u64 {
        self.envs.iter().map(Env::interruptions).sum()
    }

    fn set_age(&mut self, steps: u64) {
        self.age = steps;
    }

    fn render(&mut self) -> Result<Option<Frame>, EnvError> {
        self.current().render()
    }

    fn params(&mut self) -> Option<&mut dyn Params> {
        if self.constants.is_empty() { None } else { Some(self) }
    }

    fn state(&mut self) -> Option<&mut dyn State> {
        if !self.envs.iter_mut().all(|env| env.state().is_some()) {
            return None;
        }
        self.saved = self.current().state()?.save();
        Some(self)
    }
}

impl State for Sequence {
    fn save(&self) -> Vec<u8> {
        [&self.age.to_le_bytes(), &self.index.to_le_bytes(), self.saved.as_slice()].concat()
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), EnvError> {
        let (age, rest) = bytes::split(bytes, size_of::<u64>(), "a sequence of tasks")?;
        let (index, inner) = bytes::split(rest, size_of::<u64>(), "a sequence of tasks")?;
        self.age = u64::from_le_bytes(age.try_into()?);
        self.index = u64::from_le_bytes(index.try_into()?);
        load_inner(self.current(), inner)
    }
}

impl Params for Sequence {
    fn names(&self) -> Vec<&str> {
        self.constants.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn get(&self, name: &str) -> Option<f64> {
        self.constants.iter().find(|(known, _)| known == name).map(|&(_, value)| value)
    }

    fn set(&mut self, name: &str, value: f64) -> Result<(), EnvError> {
        let Some(i) = self.constants.iter().position(|(known, _)| known == name) else {
            return Err(crate::params::unknown(name, &self.names()));
        };
        for env in &mut self.envs {
            if let Some(params) = env.params() {
                params.set(name, value)?;
            }
        }
        self.constants[i].1 = value;
        Ok(())
    }
}

/// Names of constants with the value that they have in all environments.
fn shared_constants(envs: &mut [Box<dyn Env>]) -> Vec<(String, f64)> {
    let mut shared: Vec<(String, f64)> = Vec::new();
    for (i, env) in envs.iter_mut().enumerate() {
        let Some(params) = env.params() else { return Vec::new() };
        if i == 0 {
            let pair = |name: &str| Some((name.to_owned(), params.get(name)?));
            shared = params.names().into_iter().filter_map(pair).collect();
        }
        shared.retain(|(name, value)| params.get(name) == Some(*value));
    }
    shared
}

/// Makes bounds of observations wide enough for `other` too, or says what it has and task 0 has not.
fn widen(spec: &mut EnvSpec, other: &EnvSpec) -> Result<(), String> {
    let Space { shape, dtype, .. } = &other.obs;
    if *shape != spec.obs.shape {
        return Err(format!(
            "observations of shape {shape:?} and task 0 of {:?}; give tasks of one shape, as \
             channels = 10 does for games of MinAtar",
            spec.obs.shape
        ));
    }
    if *dtype != spec.obs.dtype {
        return Err(format!(
            "observations of type {dtype:?} and task 0 of {:?}; give tasks of one type",
            spec.obs.dtype
        ));
    }
    if other.action != spec.action {
        return Err(format!(
            "{} and task 0 has {}; give tasks of one action space",
            actions(&other.action),
            actions(&spec.action)
        ));
    }
    if other.obs.frames != spec.obs.frames {
        spec.obs.frames = 1;
    }
    if other.time_limit != spec.time_limit {
        let limit = |spec: &EnvSpec| {
            spec.time_limit.map_or("no time limit".into(), |n| format!("a time limit of {n} steps"))
        };
        return Err(format!(
            "{} and task 0 has {}; give all tasks one by the keyword argument max_episode_steps",
            limit(other),
            limit(spec)
        ));
    }
    for (low, other) in spec.obs.low.iter_mut().zip(&other.obs.low) {
        *low = low.min(*other);
    }
    for (high, other) in spec.obs.high.iter_mut().zip(&other.obs.high) {
        *high = high.max(*other);
    }
    Ok(())
}

/// An action space in words.
fn actions(space: &ActionSpace) -> String {
    match space {
        ActionSpace::Discrete(1) => "1 choice".into(),
        ActionSpace::Discrete(n) => format!("{n} choices"),
        // The registry's are all within [-1, 1].
        ActionSpace::Box { low, .. } => format!("actions of size {}", low.len()),
    }
}
