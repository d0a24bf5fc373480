//! Open families: parts that a configuration names by `kind = "..."`, and that any crate can add to.
//!
//! A part is a type of settings: serde reads its keys and fills in its defaults, [`Part`] says what it is
//! called and of which family it is, and the trait of that family what can be built from it.
//! [`Registries::add`] registers it in one line. A configuration holds a [`Named`], which is read by looking its kind
//! up in the registries of the moment: the built-in ones, or those of [`Registries::scope`].

mod family;
mod fields;
mod named;
mod value;

pub(crate) use family::first_line;
pub use family::{Entry, Family, Holds, Open, Part};
pub use named::Named;
pub(crate) use value::read_table;

use std::{
    any::{Any, TypeId},
    cell::RefCell,
    collections::BTreeMap,
    sync::Arc,
};

use serde::{Deserialize, Deserializer, de::Error as _};
use toml::{Table, Value};

/// The families of a program: the built-in parts and those that it added.
#[derive(Clone, Default)]
pub struct Registries {
    /// Families with additions, each an `Arc<Family<T>>` under the type of its `T`.
    extended: BTreeMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

thread_local! {
    static CURRENT: RefCell<Registries> = const { RefCell::new(Registries::none_added()) };
}

impl Registries {
    /// What comes with this workspace.
    #[must_use]
    pub fn builtin() -> Registries {
        Registries::none_added()
    }

    const fn none_added() -> Registries {
        Registries { extended: BTreeMap::new() }
    }

    /// Adds a part to its family.
    ///
    /// # Panics
    /// If its kind is taken: two parts of one name are a bug of whoever adds them.
    pub fn add<P: Part>(&mut self)
    where
        P::Family: Holds<P>,
    {
        let mut family = Family::clone(&self.family::<P::Family>());
        family.add::<P>();
        self.extended.insert(TypeId::of::<P::Family>(), Arc::new(family));
    }

    /// The parts of one family.
    #[must_use]
    pub fn family<T: Open + ?Sized>(&self) -> Arc<Family<T>> {
        let extended = self.extended.get(&TypeId::of::<T>()).cloned();
        extended
            .and_then(|family| family.downcast::<Family<T>>().ok())
            .unwrap_or_else(|| Arc::new(T::builtin()))
    }

    /// Those in which configurations are read at the moment, on this thread.
    #[must_use]
    pub fn current() -> Registries {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Runs `f`; configurations that it reads on this thread name parts of these registries.
    pub fn scope<R>(self, f: impl FnOnce() -> R) -> R {
        /// Puts the ones of before back, also when `f` panics.
        struct Before(Registries);
        impl Drop for Before {
            fn drop(&mut self) {
                CURRENT.set(std::mem::take(&mut self.0));
            }
        }
        let _before = Before(CURRENT.replace(self));
        f()
    }
}

impl<T: ?Sized + Open> Named<T> {
    /// A part out of its table, in the registries of the moment; `beside` are keys that stand in the same
    /// table and were taken out.
    ///
    /// # Errors
    /// What is wrong with the table, in serde's words.
    pub(crate) fn read(table: Table, beside: &[&str]) -> Result<Self, String> {
        Registries::current().family::<T>().read(table, beside)
    }
}

/// A table with its `kind`, or the kind alone.
impl<'de, T: ?Sized + Open> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = match value::Loose::deserialize(deserializer)?.0 {
            Some(Value::Table(table)) => table,
            Some(kind @ Value::String(_)) => Table::from_iter([("kind".to_owned(), kind)]),
            other => {
                let (found, key) = (other.map_or("null", |value| value.type_str()), T::KEY);
                return Err(D::Error::custom(format!(
                    "invalid type: {found}, expected the kind of `{key}` or a table with it"
                )));
            }
        };
        Named::read(table, &[]).map_err(D::Error::custom)
    }
}
