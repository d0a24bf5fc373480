//! A part as a configuration names it.

use std::{
    any::Any,
    fmt::{Debug, Formatter},
    ops::Deref,
    sync::Arc,
};

use serde::{Serialize, Serializer};
use toml::Table;

/// A part that a configuration named: its settings, behind the trait of its family.
pub struct Named<T: ?Sized> {
    kind: &'static str,
    settings: Arc<T>,
    /// The same as its own type.
    typed: Arc<dyn Settings>,
    /// Every key with its value, but for those that are null, without `kind`; for comparisons.
    table: Result<Table, String>,
    short: bool,
}

/// Settings of any type, which can be written and recognised.
trait Settings: erased_serde::Serialize + Send + Sync {
    fn as_any(&self) -> &dyn Any;
}

impl<P: Serialize + Send + Sync + 'static> Settings for P {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<T: ?Sized> Named<T> {
    /// For the `From` of each family: `settings` as both its own type and the family's trait. A `short` one is
    /// written as its kind alone where it has no keys.
    pub fn new<P: Serialize + Send + Sync + 'static>(
        kind: &'static str,
        short: bool,
        settings: P,
        erase: impl FnOnce(Arc<P>) -> Arc<T>,
    ) -> Self {
        let table = Table::try_from(&settings).map_err(|e| e.to_string());
        let typed = Arc::new(settings);
        Named { kind, settings: erase(Arc::clone(&typed)), typed, table, short }
    }

    /// As a configuration spells it.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Every key with its value, without `kind`.
    pub(crate) fn keys(&self) -> impl Serialize + use<'_, T> {
        &*self.typed as &dyn erased_serde::Serialize
    }

    /// The settings, if they are a `P`.
    pub fn settings<P: Any>(&self) -> Option<&P> {
        self.typed.as_any().downcast_ref()
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
        #[derive(Serialize)]
        struct Whole<'a, K> {
            kind: &'a str,
            #[serde(flatten)]
            keys: K,
        }
        if self.short && self.table.as_ref().is_ok_and(Table::is_empty) {
            return serializer.serialize_str(self.kind);
        }
        Whole { kind: self.kind, keys: self.keys() }.serialize(serializer)
    }
}
