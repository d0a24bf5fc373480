//! [`Registry`]: environments by name.
//!
//! Names of the built-in environments are Gymnasium's ids, and so are their keyword arguments.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::Value;

use crate::drift::Drift;
use crate::sources::{SourceRecord, Sources};
use crate::{
    Acrobot, ActionRepeat, ActionRescale, ActionSpace, CartPole, Env, EnvError, FrameStack, Kwargs,
    MountainCar, MountainCarContinuous, Pendulum, TimeLimit,
};

/// Names and how to construct what they stand for. Cloning is cheap.
#[derive(Clone, Default)]
pub struct Registry {
    entries: BTreeMap<String, Entry>,
    /// By what their names begin with.
    families: BTreeMap<String, Arc<Family>>,
    /// Known names that cannot be made, and why.
    missing: BTreeMap<String, String>,
    pub(crate) sources: SourceRecord,
}

#[derive(Clone)]
struct Entry {
    make: Arc<Constructor>,
    /// Keyword arguments of the constructor; `None` if it checks them itself.
    known: Option<Vec<String>>,
}

/// Given the rest of the name, and what a [`Constructor`] is given.
type Family = dyn Fn(&str, &Kwargs, &[&str]) -> Result<Box<dyn Env>, EnvError> + Send + Sync;

/// Given its keyword arguments, and the names of those that the wrappers keep for themselves.
type Constructor = dyn Fn(&Kwargs, &[&str]) -> Result<Box<dyn Env>, EnvError> + Send + Sync;

/// Keyword arguments that every environment takes, for the wrappers around it.
const WRAPPER_KWARGS: [&str; 3] = ["action_repeat", "max_episode_steps", "frame_stack"];

#[cfg(not(feature = "mujoco"))]
const WITHOUT_MUJOCO: &str = "this program was built without MuJoCo; run `cargo xtask setup` once, \
                              then `cargo xtask train`, or build with `--features mujoco`";

impl Registry {
    /// The environments of this crate.
    pub fn builtin() -> Self {
        let mut registry = Self::default();
        registry.insert_known("CartPole-v1", &["sutton_barto_reward"], |kwargs| {
            Ok(Box::new(CartPole::new(flag(kwargs, "sutton_barto_reward")?.unwrap_or(false))))
        });
        registry.insert_known("Pendulum-v1", &["g"], |kwargs| {
            let mut env = Pendulum::default();
            if let (Some(g), Some(params)) = (number(kwargs, "g")?, env.params()) {
                params.set("gravity", g)?;
            }
            Ok(Box::new(env))
        });
        // `goal_velocity` is among the constants of both mountain cars.
        registry.insert("MountainCar-v0", || Ok(MountainCar::default()));
        registry.insert("MountainCarContinuous-v0", || Ok(MountainCarContinuous::default()));
        registry.insert("Acrobot-v1", || Ok(Acrobot::default()));
        crate::python::register(&mut registry);
        crate::minatar::register(&mut registry);
        crate::forager::register(&mut registry);
        #[cfg(feature = "mujoco")]
        crate::mujoco::register(&mut registry);
        #[cfg(not(feature = "mujoco"))]
        for id in crate::mujoco::IDS {
            registry.insert_missing(id, WITHOUT_MUJOCO);
        }
        registry
    }

    /// Adds an environment, or replaces the one of this name.
    pub fn insert<E, F>(&mut self, name: &str, make: F)
    where
        E: Env + 'static,
        F: Fn() -> Result<E, EnvError> + Send + Sync + 'static,
    {
        self.insert_known(name, &[], move |_| Ok(Box::new(make()?)));
    }

    /// Adds an environment whose constructor takes the keyword arguments named in `known`.
    /// Others are refused, but for those named by [`Env::params`] and the wrappers' own.
    pub fn insert_known<F>(&mut self, name: &str, known: &[&str], make: F)
    where
        F: Fn(&Kwargs) -> Result<Box<dyn Env>, EnvError> + Send + Sync + 'static,
    {
        let known = Some(known.iter().map(ToString::to_string).collect());
        let make: Arc<Constructor> = Arc::new(move |kwargs, _| make(kwargs));
        self.entries.insert(name.to_string(), Entry { make, known });
    }

    /// Adds an environment whose constructor is given all keyword arguments but the wrappers' own,
    /// and must itself refuse those that neither it nor [`Env::params`] knows.
    pub fn insert_with<F>(&mut self, name: &str, make: F)
    where
        F: Fn(&Kwargs) -> Result<Box<dyn Env>, EnvError> + Send + Sync + 'static,
    {
        let make: Arc<Constructor> = Arc::new(move |kwargs, _| make(kwargs));
        self.entries.insert(name.to_string(), Entry { make, known: None });
    }

    /// Adds all environments whose names begin with `prefix`, such as `gymnasium:`; the constructor
    /// is given the rest of the name and all keyword arguments but the wrappers' own.
    pub fn insert_family<F>(&mut self, prefix: &str, make: F)
    where
        F: Fn(&str, &Kwargs) -> Result<Box<dyn Env>, EnvError> + Send + Sync + 'static,
    {
        self.insert_wary_family(prefix, move |rest, kwargs, _| make(rest, kwargs));
    }

    /// As [`Registry::insert_family`], but the constructor is also told which of the wrappers' own
    /// arguments are given, and may refuse them.
    pub(crate) fn insert_wary_family<F>(&mut self, prefix: &str, make: F)
    where
        F: Fn(&str, &Kwargs, &[&str]) -> Result<Box<dyn Env>, EnvError> + Send + Sync + 'static,
    {
        self.families.insert(prefix.to_owned(), Arc::new(make));
    }

    /// Adds a name whose environment this program lacks, and the reason: one sentence, with what
    /// to do. It is not among [`Registry::ids`], and gives way to an environment of that name.
    pub fn insert_missing(&mut self, name: &str, reason: &str) {
        self.missing.insert(name.to_owned(), reason.to_owned());
    }

    /// Names whose environments this program lacks, sorted, with the reason.
    pub fn missing(&self) -> impl Iterator<Item = (&str, &str)> {
        let lacking = self.missing.iter().filter(|(name, _)| self.entry(name).is_none());
        lacking.map(|(name, reason)| (name.as_str(), reason.as_str()))
    }

    /// Prefixes of families, sorted.
    pub fn families(&self) -> impl Iterator<Item = &str> {
        self.families.keys().map(String::as_str)
    }

    /// The entry of this name, or one of a family.
    fn entry(&self, id: &str) -> Option<Entry> {
        let named = self.entries.get(id).cloned();
        named.or_else(|| {
            let fits = |prefix: &String| id.starts_with(prefix.as_str());
            let (prefix, make) = self.families.iter().find(|(prefix, _)| fits(prefix))?;
            let (rest, make) = (id[prefix.len()..].to_owned(), Arc::clone(make));
            let make: Arc<Constructor> =
                Arc::new(move |kwargs, wrapping| make(&rest, kwargs, wrapping));
            Some(Entry { make, known: None })
        })
    }

    /// All names, sorted.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Names of the keyword arguments its constructor takes: those given to
    /// [`Registry::insert_known`]. `None` for an unknown id and for a constructor that checks them
    /// itself. Constants ([`Env::params`]) and the wrappers' arguments come on top.
    pub fn kwargs(&self, id: &str) -> Option<&[String]> {
        self.entries.get(id)?.known.as_deref()
    }

    /// Constructs an environment. From inside out: its constructor, constants set through
    /// [`Env::params`], [`ActionRescale`] if actions are continuous, [`TimeLimit`] (keyword
    /// `max_episode_steps`, -1 for none), [`ActionRepeat`] (keyword `action_repeat`), [`FrameStack`]
    /// (keyword `frame_stack`).
    ///
    /// # Errors
    /// An unknown or missing id, an unknown or ill-typed keyword argument, or what the constructor
    /// fails with.
    pub fn make(&self, id: &str, kwargs: &Kwargs) -> Result<Box<dyn Env>, EnvError> {
        let entry = self.entry(id).ok_or_else(|| self.unknown_id(id))?;
        let (wrapping, own): (Kwargs, Kwargs) = kwargs
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .partition(|(key, _)| WRAPPER_KWARGS.contains(&key.as_str()));

        let kept: Vec<&str> = wrapping.keys().map(String::as_str).collect();
        entry
            .build(&own, &kept)
            .and_then(|env| wrap(env, &wrapping))
            .map_err(|error| format!("environment '{id}': {error}").into())
    }

    /// Modules of Python environments that were made so far, by this registry or a clone of it: those that the
    /// environments and their wrappers are from, and what these loaded from the same folders. Installed packages
    /// are left out.
    pub fn sources(&self) -> Sources {
        self.sources.all()
    }

    /// Constructs an environment that changes over time: that of [`Registry::make`] with the
    /// wrappers around it, the first one innermost.
    ///
    /// # Errors
    /// As [`Registry::make`], or a wrapper that does not fit the environment.
    pub fn make_drifting(
        &self,
        id: &str,
        kwargs: &Kwargs,
        drift: &[Drift],
    ) -> Result<Box<dyn Env>, EnvError> {
        crate::drift::make(self, id, kwargs, drift)
    }

    /// Constructs an environment without the wrappers of [`Registry::make`]: it takes actions
    /// within its own bounds, and nothing limits an episode.
    ///
    /// # Errors
    /// As [`Registry::make`], and a keyword argument of the wrappers.
    pub fn make_bare(&self, id: &str, kwargs: &Kwargs) -> Result<Box<dyn Env>, EnvError> {
        let entry = self.entry(id).ok_or_else(|| self.unknown_id(id))?;
        if let Some(key) = WRAPPER_KWARGS.iter().find(|key| kwargs.contains_key(**key)) {
            return Err(format!(
                "environment '{id}': {key} is of a wrapper, which is left out here; leave it out"
            )
            .into());
        }
        entry.build(kwargs, &[]).map_err(|error| format!("environment '{id}': {error}").into())
    }

    fn unknown_id(&self, id: &str) -> EnvError {
        if let Some(reason) = self.missing.get(id) {
            return format!("environment '{id}': {reason}").into();
        }
        let close = closest(id, self.ids().chain(self.missing.keys().map(String::as_str)));
        format!("there is no environment '{id}'{close}; `supple envs` lists all").into()
    }
}

impl Entry {
    fn build(&self, kwargs: &Kwargs, wrapping: &[&str]) -> Result<Box<dyn Env>, EnvError> {
        let mut env = (self.make)(kwargs, wrapping)?;
        let mut names = Vec::new();
        if let Some(params) = env.params() {
            names = params.names().into_iter().map(String::from).collect();
            for name in &names {
                if let Some(value) = number(kwargs, name)? {
                    params.set(name, value)?;
                }
            }
        }
        let Some(known) = &self.known else { return Ok(env) };
        names.extend(known.iter().cloned());
        names.extend(WRAPPER_KWARGS.map(String::from));
        match kwargs.keys().find(|key| !names.contains(key)) {
            None => Ok(env),
            Some(key) => {
                let close = closest(key, names.iter().map(String::as_str));
                let all = names.join(", ");
                Err(format!("unknown keyword argument '{key}'{close}; it takes {all}").into())
            }
        }
    }
}

fn wrap(mut env: Box<dyn Env>, kwargs: &Kwargs) -> Result<Box<dyn Env>, EnvError> {
    let spec = env.spec();
    // The wrappers take it at its word.
    spec.validate()?;
    if matches!(spec.action, ActionSpace::Box { .. }) {
        env = Box::new(ActionRescale::new(env)?);
    }
    let limit = match integer(kwargs, "max_episode_steps")? {
        None => spec.time_limit,
        Some(-1) => None,
        Some(steps) => Some(u32::try_from(steps).map_err(|_| {
            format!("max_episode_steps = {steps} is out of range; give 1 or more, or -1 for none")
        })?),
    };
    if limit.is_some() || spec.time_limit.is_some() {
        env = Box::new(TimeLimit::new(env, limit)?);
    }
    if let Some(repeat) = integer(kwargs, "action_repeat")? {
        let repeat = u32::try_from(repeat)
            .map_err(|_| format!("action_repeat = {repeat} is out of range; give 1 or more"))?;
        env = Box::new(ActionRepeat::new(env, repeat)?);
    }
    if let Some(frames) = integer(kwargs, "frame_stack")? {
        let frames = usize::try_from(frames)
            .map_err(|_| format!("frame_stack = {frames} is out of range; give 2 or more"))?;
        env = Box::new(FrameStack::new(env, frames)?);
    }
    Ok(env)
}

/// A real number, also where it is written as a whole one.
pub(crate) fn as_number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| Some(value.as_integer()? as f64))
}

pub(crate) fn number(kwargs: &Kwargs, key: &str) -> Result<Option<f64>, EnvError> {
    typed(kwargs, key, "a number", as_number)
}

pub(crate) fn integer(kwargs: &Kwargs, key: &str) -> Result<Option<i64>, EnvError> {
    typed(kwargs, key, "a whole number", Value::as_integer)
}

pub(crate) fn flag(kwargs: &Kwargs, key: &str) -> Result<Option<bool>, EnvError> {
    typed(kwargs, key, "true or false", Value::as_bool)
}

pub(crate) fn typed<T>(
    kwargs: &Kwargs,
    key: &str,
    kind: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Option<T>, EnvError> {
    let Some(value) = kwargs.get(key) else { return Ok(None) };
    match read(value) {
        Some(value) => Ok(Some(value)),
        None => {
            Err(format!("keyword argument {key} = {value} has the wrong type; give {kind}").into())
        }
    }
}

/// `, did you mean 'a' or 'b'?`: the known words that resemble this one most.
fn closest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let word = word.to_lowercase();
    // Typing errors in a thousand letters, so that long words have a chance.
    let unlike = |other: &str| {
        edit_distance(&word, &other.to_lowercase()) * 1000 / word.len().max(other.len()).max(1)
    };
    let mut known: Vec<(usize, &str)> = known.map(|other| (unlike(other), other)).collect();
    known.sort_unstable();
    let Some(&(least, _)) = known.first() else { return String::new() };
    let near = known.iter().take(3).take_while(|(unlike, _)| *unlike <= least + 50);
    let near: Vec<String> = near.map(|(_, other)| format!("'{other}'")).collect();
    format!(", did you mean {}?", near.join(" or "))
}

/// Levenshtein's distance: how many characters to insert, delete, or replace. For "did you mean".
pub fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let replace = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
