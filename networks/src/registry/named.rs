//! A part as a configuration names it.

use std::{
    any::Any,
    fmt::{Debug, Formatter},
    ops::Deref,
    sync::Arc,
};

use serde::{
    Serialize, Serializer,
    ser::{Error as _, SerializeMap},
};
use toml::Table;

/// A part that a configuration named: its settings, behind the trait of its family.
pub struct Named<T: ?Sized> {
    kind: &'static str,
    settings: Arc<T>,
    /// The same as its own type.
    typed: Arc<dyn Any + Send + Sync>,
    /// Every key with its value, defaults included; without `kind`.
    table: Result<Table, String>,
    /// The names of all keys, optional ones that were left out too.
    keys: &'static [&'static str],
    short: bool,
}

impl<T: ?Sized> Named<T> {
    /// For the `From` of each family: `settings` as both its own type and the family's trait. A `short` one is
    /// written as its kind alone where it has no keys; `keys` are their names.
    pub fn new<P: Serialize + Send + Sync + 'static>(
        kind: &'static str,
        short: bool,
        keys: &'static [&'static str],
        settings: P,
        erase: impl FnOnce(Arc<P>) -> Arc<T>,
    ) -> Self {
        let table = Table::try_from(&settings).map_err(|e| e.to_string());
        let typed = Arc::new(settings);
        Named { kind, settings: erase(Arc::clone(&typed)), typed, table, keys, short }
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

    /// The settings, if they are a `P`.
    pub fn settings<P: Any>(&self) -> Option<&P> {
        self.typed.downcast_ref()
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
            keys: self.keys,
            short: self.short,
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
        if self.short && table.is_empty() {
            return serializer.serialize_str(self.kind);
        }
        let left_out: Vec<&str> =
            self.keys.iter().copied().filter(|key| !table.contains_key(*key)).collect();
        let mut map = serializer.serialize_map(Some(table.len() + left_out.len() + 1))?;
        map.serialize_entry("kind", self.kind)?;
        for (key, value) in table {
            map.serialize_entry(key, value)?;
        }
        // TOML has no word for them and skips them.
        for key in left_out {
            map.serialize_entry(key, &None::<()>)?;
        }
        map.end()
    }
}
