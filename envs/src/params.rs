//! The one macro of this crate: physical constants of an environment as named parameters.

/// Implements [`Params`](crate::Params) for a struct whose fields are the constants.
/// `positive` ones must be above zero; `finite` ones may be anything but infinite or NaN.
macro_rules! params {
    ($env:ty { $($name:ident: $kind:ident),+ $(,)? }) => {
        impl $crate::Params for $env {
            fn names(&self) -> Vec<&str> {
                vec![$(stringify!($name)),+]
            }

            fn get(&self, name: &str) -> Option<f64> {
                match name {
                    $(stringify!($name) => Some(self.$name),)+
                    _ => None,
                }
            }

            fn set(&mut self, name: &str, value: f64) -> Result<(), $crate::EnvError> {
                match name {
                    $(stringify!($name) => self.$name = $crate::params::$kind(name, value)?,)+
                    _ => return Err($crate::params::unknown(name, &self.names())),
                }
                Ok(())
            }
        }
    };
}
pub(crate) use params;

use crate::EnvError;

pub(crate) fn finite(name: &str, value: f64) -> Result<f64, EnvError> {
    if value.is_finite() {
        return Ok(value);
    }
    Err(format!("{name} = {value} is not finite; give a plain number").into())
}

pub(crate) fn positive(name: &str, value: f64) -> Result<f64, EnvError> {
    if value.is_finite() && value > 0.0 {
        return Ok(value);
    }
    Err(format!("{name} = {value} makes no physical sense; give a number above 0").into())
}

pub(crate) fn unknown(name: &str, names: &[&str]) -> EnvError {
    format!("there is no constant '{name}'; there are {}", names.join(", ")).into()
}
