//! [`Registry`]: environments by name. It knows none itself; `suites.rs` fills it.
//!
//! | file | holds |
//! | --- | --- |
//! | `kwargs.rs` | keyword arguments and their types |
//! | `closest.rs` | "did you mean" |
//! | `sources.rs` | which files of Python were loaded |

pub(crate) mod closest;
pub(crate) mod kwargs;
pub(crate) mod sources;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::wrappers::{ActionRepeat, ActionRescale, FrameStack, TimeLimit};
use crate::{ActionSpace, Env, EnvError};
use closest::closest;
use kwargs::{Kwargs, integer, number};
use sources::{SourceRecord, Sources};

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

impl Registry {
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
