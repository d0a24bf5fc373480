//! What a part and its family are.

use std::{collections::BTreeMap, fmt::Debug, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};
use toml::{Table, Value};

use super::{fields::fields, named::Named};

/// What the settings of every part have in common.
pub trait Part: Serialize + DeserializeOwned + Debug + Send + Sync + 'static {
    /// The family it belongs to: the trait that its settings implement.
    type Family: Open + ?Sized;
    /// As a configuration spells it.
    const KIND: &'static str;
    /// What it does, in half a sentence: a row of tables and listings.
    const SUMMARY: &'static str;
    /// Where it comes from: authors, year, arXiv number.
    const SOURCE: &'static str;
    /// Keys that other parts of the family have and this one cannot have, each with the reason.
    const REFUSES: &'static [(&'static str, &'static str)] = &[];
}

/// A family: the trait `dyn ...Settings` that its parts implement.
pub trait Open: Debug + Send + Sync + 'static {
    /// The key under which a configuration names one of them.
    const KEY: &'static str;
    /// Whether a part all of whose keys have been left out is written as its kind alone: `key = "kind"`.
    const SHORT: bool = false;

    /// Those that come with this workspace.
    fn builtin() -> Family<Self>;
}

/// What `dyn ...Settings` says of every part that implements it: `impl<P: Part + ...Settings> Holds<P> for
/// dyn ...Settings`.
pub trait Holds<P>: Open {
    /// The part as one of its family.
    fn hold(part: Arc<P>) -> Arc<Self>;
}

impl<T: Open + Holds<P> + ?Sized, P: Part<Family = T>> From<P> for Named<T> {
    fn from(settings: P) -> Self {
        Named::new(P::KIND, T::SHORT, settings, T::hold)
    }
}

/// The parts of one family by name.
pub struct Family<T: ?Sized> {
    entries: BTreeMap<&'static str, Entry<T>>,
}

/// One registered part.
pub struct Entry<T: ?Sized> {
    /// [`Part::KIND`]
    pub kind: &'static str,
    /// [`Part::SUMMARY`]
    pub summary: &'static str,
    /// [`Part::SOURCE`]
    pub source: &'static str,
    /// The keys of its table.
    pub keys: &'static [&'static str],
    /// [`Part::REFUSES`]
    pub refuses: &'static [(&'static str, &'static str)],
    read: fn(Table) -> Result<Named<T>, String>,
}

impl<T: ?Sized> Default for Family<T> {
    fn default() -> Self {
        Family { entries: BTreeMap::new() }
    }
}

impl<T: ?Sized> Clone for Family<T> {
    fn clone(&self) -> Self {
        let copy = |e: &Entry<T>| Entry { ..*e };
        Family { entries: self.entries.iter().map(|(kind, e)| (*kind, copy(e))).collect() }
    }
}

impl<T: Open + ?Sized> Family<T> {
    /// Registers `P`.
    ///
    /// # Panics
    /// If its kind is taken: two parts of one name are a bug of whoever registers them.
    pub fn add<P: Part<Family = T>>(&mut self)
    where
        T: Holds<P>,
    {
        let read = |table: Table| {
            let settings: P = table.try_into().map_err(|e| first_line(&e))?;
            Ok(Named::from(settings))
        };
        let (summary, source, keys) = (P::SUMMARY, P::SOURCE, fields::<P>());
        let entry = Entry { kind: P::KIND, summary, source, keys, refuses: P::REFUSES, read };
        let taken = self.entries.insert(P::KIND, entry);
        assert!(taken.is_none(), "two parts are called {}", P::KIND);
    }

    /// Every part, in the order of the alphabet.
    pub fn entries(&self) -> impl Iterator<Item = &Entry<T>> {
        self.entries.values()
    }

    /// A part out of its table; `beside` are keys that stand in the same table and were taken out.
    ///
    /// # Errors
    /// A kind that is missing or unknown, a key that does nothing with this kind, or what serde says about
    /// another.
    pub(super) fn read(&self, mut table: Table, beside: &[&str]) -> Result<Named<T>, String> {
        let kind = match table.remove("kind") {
            Some(Value::String(kind)) => kind,
            Some(other) => {
                return Err(format!("invalid type: {}, expected a kind", other.type_str()));
            }
            None => return Err("missing field `kind`".to_owned()),
        };
        let quoted = |names: &[&str]| {
            let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            quoted.join(", ")
        };
        let Some(entry) = self.entries.get(kind.as_str()) else {
            let known: Vec<&str> = self.entries.keys().copied().collect();
            return Err(format!("unknown variant `{kind}`, expected one of {}", quoted(&known)));
        };
        // None are known of a struct with flattened fields.
        let is_known = |key: &&String| entry.keys.is_empty() || entry.keys.contains(&key.as_str());
        if let Some(key) = table.keys().find(|key| !is_known(key)) {
            if let Some((_, reason)) = entry.refuses.iter().find(|(refused, _)| refused == key) {
                return Err(format!(
                    "`{key}` does nothing with kind = \"{kind}\": {reason}; leave it out"
                ));
            }
            let readers = self.entries().filter(|other| other.keys.contains(&key.as_str()));
            let readers: Vec<&str> = readers.map(|other| other.kind).collect();
            if !readers.is_empty() {
                return Err(format!(
                    "`{key}` does nothing with kind = \"{kind}\"; leave it out (it belongs to {})",
                    readers.join(", ")
                ));
            }
            let known = [beside, entry.keys].concat();
            return Err(format!("unknown field `{key}`, expected one of {}", quoted(&known)));
        }
        (entry.read)(table)
    }
}

/// What toml says, without the place in a table of its own.
pub(crate) fn first_line(e: &toml::de::Error) -> String {
    e.to_string().lines().next().unwrap_or_default().to_owned()
}
