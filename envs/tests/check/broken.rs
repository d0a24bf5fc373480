//! An environment whose every part a test can break.

use envs::{
    Action, ActionSpace, Env, EnvError, EnvSpec, Finding, Params, Severity, Space, State, Step,
    check,
};

/// A counter that ends after ten steps. Each test breaks one part of it.
pub(crate) struct Broken {
    pub(crate) spec: EnvSpec,
    /// Called at each reset with the seed, and at each step with 0.
    pub(crate) observe: fn(&mut Broken, u64, &mut [f32]) -> Result<(), EnvError>,
    pub(crate) reward: f32,
    pub(crate) length: u64,
    pub(crate) constants: Option<Constants>,
    pub(crate) saves: Saves,
    pub(crate) t: u64,
    pub(crate) start: u64,
    pub(crate) resets: u64,
}

#[derive(PartialEq)]
pub(crate) enum Saves {
    Nothing,
    All,
    /// Leaves the time out.
    HalfOfIt,
    OnlyBeforeTheEpisode,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Constants {
    Good,
    Deaf,
    Missing,
    Picky,
}

impl Broken {
    pub(crate) fn new() -> Self {
        Self {
            spec: EnvSpec {
                obs: Space::bounded(vec![0.0; 2], vec![1000.0; 2]),
                action: ActionSpace::symmetric(2),
                time_limit: None,
            },
            observe: |env, _, obs| {
                obs.copy_from_slice(&[env.t as f32, env.start as f32]);
                Ok(())
            },
            reward: 1.0,
            length: 10,
            constants: Some(Constants::Good),
            saves: Saves::All,
            t: 0,
            start: 0,
            resets: 0,
        }
    }
}

impl Env for Broken {
    fn spec(&self) -> EnvSpec {
        self.spec.clone()
    }
    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        (self.t, self.start) = (0, seed % 100);
        self.resets += 1;
        (self.observe)(self, seed, obs)
    }
    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        if let Action::Continuous(action) = action {
            assert_eq!(action.len(), self.spec.action.size());
        }
        self.t += 1;
        (self.observe)(self, 0, obs)?;
        Ok(Step { reward: self.reward, terminated: self.t == self.length, truncated: false })
    }
    fn params(&mut self) -> Option<&mut dyn Params> {
        self.constants.is_some().then_some(self)
    }
    fn state(&mut self) -> Option<&mut dyn State> {
        match self.saves {
            Saves::Nothing => None,
            Saves::OnlyBeforeTheEpisode if self.t == 5 => None,
            _ => Some(self),
        }
    }
}

impl State for Broken {
    fn save(&self) -> Vec<u8> {
        vec![self.t as u8, self.start as u8]
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), EnvError> {
        if self.saves == Saves::All {
            self.t = u64::from(bytes[0]);
        }
        self.start = u64::from(bytes[1]);
        Ok(())
    }
}

impl Params for Broken {
    fn names(&self) -> Vec<&str> {
        vec!["reward"]
    }
    fn get(&self, _: &str) -> Option<f64> {
        (self.constants != Some(Constants::Missing)).then_some(f64::from(self.reward))
    }
    fn set(&mut self, _: &str, value: f64) -> Result<(), EnvError> {
        match self.constants {
            Some(Constants::Deaf) => {}
            Some(Constants::Picky) => return Err("no".into()),
            _ => self.reward = value as f32,
        }
        Ok(())
    }
}

/// The one finding, which must say `what` and `where_`.
pub(crate) fn finds(mut env: Broken, severity: Severity, what: &str, place: &str) -> Finding {
    let findings = check(&mut env, "broken");
    let text: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(findings.len(), 1, "{text:#?}");
    let finding = findings.into_iter().next().expect("one");
    assert_eq!(finding.severity, severity, "{finding}");
    assert!(finding.what.contains(what), "{finding}");
    assert!(finding.where_.starts_with("broken, "), "{finding}");
    assert!(finding.where_.contains(place), "{finding}");
    finding
}

pub(crate) fn error(break_it: impl FnOnce(&mut Broken), what: &str, place: &str) {
    let mut env = Broken::new();
    break_it(&mut env);
    finds(env, Severity::Error, what, place);
}

pub(crate) fn warning(break_it: impl FnOnce(&mut Broken), what: &str, place: &str) {
    let mut env = Broken::new();
    break_it(&mut env);
    finds(env, Severity::Warning, what, place);
}

pub(crate) fn boxed(low: &[f32], high: &[f32]) -> ActionSpace {
    ActionSpace::Box { low: low.to_vec(), high: high.to_vec() }
}
