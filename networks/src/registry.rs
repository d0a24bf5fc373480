//! Open families: parts that a configuration names by `kind = "..."`, and that any crate can add to.
//!
//! A part is a type of settings: serde reads its keys and fills in its defaults, [`Part`] says what it is
//! called, and the trait of its family what can be built from it. [`Family::add`] registers it in one line.
//! A configuration holds a [`Named`], which is read by looking its kind up in the registries of the moment:
//! the built-in ones, or those of [`Registries::scope`].

use std::{
    any::Any,
    cell::RefCell,
    collections::BTreeMap,
    fmt::{Debug, Formatter},
    ops::Deref,
    sync::{Arc, LazyLock},
};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error as _, Visitor},
    ser::{Error as _, SerializeMap},
};
use toml::{Table, Value};

use crate::{
    interventions::{self, InterventionSettings},
    layers::reparam::{self, ReparamSettings},
    optim::{self, OptimSettings},
};

/// What the settings of every part have in common.
pub trait Part: Serialize + DeserializeOwned + Debug + Send + Sync + 'static {
    /// As a configuration spells it.
    const KIND: &'static str;
    /// What it does, in half a sentence: a row of tables and listings.
    const SUMMARY: &'static str;
    /// Where it comes from: authors, year, arXiv number.
    const SOURCE: &'static str;
}

/// A family: the trait `dyn ...Settings` that its parts implement.
pub trait Open: Debug + Send + Sync + 'static {
    /// The family in `registries`.
    fn family(registries: &Registries) -> &Family<Self>;
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

impl<T: ?Sized> Family<T> {
    /// Registers `P`.
    ///
    /// # Panics
    /// If its kind is taken: two parts of one name are a bug of whoever registers them.
    pub fn add<P: Part>(&mut self)
    where
        Named<T>: From<P>,
    {
        let read = |table: Table| {
            let settings: P = table.try_into().map_err(|e| first_line(&e))?;
            Ok(Named::from(settings))
        };
        let (summary, source, keys) = (P::SUMMARY, P::SOURCE, fields::<P>());
        let entry = Entry { kind: P::KIND, summary, source, keys, read };
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
    fn read(&self, mut table: Table, beside: &[&str]) -> Result<Named<T>, String> {
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

/// A part that a configuration named: its settings, behind the trait of its family.
pub struct Named<T: ?Sized> {
    kind: &'static str,
    settings: Arc<T>,
    /// The same as its own type.
    typed: Arc<dyn Any + Send + Sync>,
    /// Every key with its value, defaults included; without `kind`.
    table: Result<Table, String>,
}

impl<T: ?Sized> Named<T> {
    /// For the `From` of each family: `settings` as both its own type and the family's trait.
    pub(crate) fn new<P: Part>(settings: P, erase: impl FnOnce(Arc<P>) -> Arc<T>) -> Self {
        let table = Table::try_from(&settings).map_err(|e| e.to_string());
        let typed = Arc::new(settings);
        Named { kind: P::KIND, settings: erase(Arc::clone(&typed)), typed, table }
    }

    /// As a configuration spells it.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Every key with its value, without `kind`.
    ///
    /// # Errors
    /// What TOML cannot hold.
    pub(crate) fn table(&self) -> Result<&Table, &String> {
        self.table.as_ref()
    }

    /// The settings, if they are those of `P`.
    pub fn settings<P: Part>(&self) -> Option<&P> {
        self.typed.downcast_ref()
    }
}

impl<T: ?Sized + Open> Named<T> {
    /// A part out of its table, in the registries of the moment; `beside` are keys that stand in the same
    /// table and were taken out.
    ///
    /// # Errors
    /// What is wrong with the table, in serde's words.
    pub(crate) fn read(table: Table, beside: &[&str]) -> Result<Self, String> {
        T::family(&Registries::current()).read(table, beside)
    }
}

impl<T: ?Sized> Deref for Named<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.settings
    }
}

impl<T: ?Sized> Clone for Named<T> {
    fn clone(&self) -> Self {
        Named {
            kind: self.kind,
            settings: Arc::clone(&self.settings),
            typed: Arc::clone(&self.typed),
            table: self.table.clone(),
        }
    }
}

impl<T: ?Sized> PartialEq for Named<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, &self.table) == (other.kind, &other.table)
    }
}

impl<T: ?Sized + Debug> Debug for Named<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        self.settings.fmt(f)
    }
}

impl<T: ?Sized> Serialize for Named<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let table = self.table().map_err(S::Error::custom)?;
        let mut map = serializer.serialize_map(Some(table.len() + 1))?;
        map.serialize_entry("kind", self.kind)?;
        for (key, value) in table {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de, T: ?Sized + Open> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = Table::deserialize(deserializer)?;
        Named::read(table, &[]).map_err(D::Error::custom)
    }
}

/// Every open family of this crate.
#[derive(Clone)]
pub struct Registries {
    /// `interventions`
    pub interventions: Family<dyn InterventionSettings>,
    /// `optim`
    pub optimizers: Family<dyn OptimSettings>,
    /// `weight` of an architecture
    pub reparams: Family<dyn ReparamSettings>,
}

static BUILTIN: LazyLock<Arc<Registries>> = LazyLock::new(|| {
    Arc::new(Registries {
        interventions: interventions::builtin(),
        optimizers: optim::builtin(),
        reparams: reparam::builtin(),
    })
});

thread_local! {
    static CURRENT: RefCell<Option<Arc<Registries>>> = const { RefCell::new(None) };
}

impl Registries {
    /// What comes with this crate.
    #[must_use]
    pub fn builtin() -> Registries {
        Registries::clone(&BUILTIN)
    }

    /// Those in which configurations are read at the moment, on this thread.
    pub fn current() -> Arc<Registries> {
        CURRENT.with_borrow(|current| current.as_ref().unwrap_or(&BUILTIN).clone())
    }

    /// Runs `f`; configurations that it reads on this thread name parts of these registries.
    pub fn scope<R>(self, f: impl FnOnce() -> R) -> R {
        /// Puts the ones of before back, also when `f` panics.
        struct Before(Option<Arc<Registries>>);
        impl Drop for Before {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        let _before = Before(CURRENT.replace(Some(Arc::new(self))));
        f()
    }
}

/// The names of a struct's fields, as serde's derive gives them to any deserialiser.
fn fields<P: DeserializeOwned>() -> &'static [&'static str] {
    struct Fields<'a>(&'a mut &'static [&'static str]);

    impl<'de> Deserializer<'de> for Fields<'_> {
        type Error = serde::de::value::Error;

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _name: &'static str,
            fields: &'static [&'static str],
            visitor: V,
        ) -> Result<V::Value, Self::Error> {
            *self.0 = fields;
            self.deserialize_any(visitor)
        }

        fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Self::Error> {
            Err(serde::de::Error::custom("only the names were asked for"))
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    let mut names: &'static [&'static str] = &[];
    let _ = P::deserialize(Fields(&mut names));
    names
}
