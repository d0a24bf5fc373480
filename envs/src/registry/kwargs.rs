//! [`Kwargs`]: keyword arguments, and reading one of a type.

use toml::Value;

use crate::EnvError;

/// Keyword arguments of an environment, as written in a run's TOML or given to [`Registry::make`](crate::Registry::make).
pub type Kwargs = toml::Table;

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
