//! Refusals of numbers that cannot work, as sentences that begin with the key.

use toml::Value;

/// Refuses numbers that are no f32, in which networks compute; infinity is one.
pub(crate) fn check_floats(path: &str, value: &Value) -> Result<(), String> {
    match value {
        Value::Float(x) if x.is_finite() && x.abs() > f64::from(f32::MAX) => Err(format!(
            "{path} is {x:e}; networks compute with numbers up to {:e}, so give a smaller one",
            f32::MAX
        )),
        Value::Table(table) => {
            table.iter().try_for_each(|(key, value)| check_floats(&format!("{path}.{key}"), value))
        }
        Value::Array(list) => {
            list.iter().enumerate().try_for_each(|(i, x)| check_floats(&format!("{path}.{i}"), x))
        }
        _ => Ok(()),
    }
}

pub(crate) fn at_least(key: &str, value: u64, least: u64) -> Result<(), String> {
    if value >= least {
        Ok(())
    } else {
        Err(format!("{key} is {value}; it must be at least {least}"))
    }
}

pub(crate) fn at_most(key: &str, value: u64, most: u64) -> Result<(), String> {
    if value <= most { Ok(()) } else { Err(format!("{key} is {value}; it must be at most {most}")) }
}

pub(crate) fn between(key: &str, value: f64, low: f64, high: f64) -> Result<(), String> {
    if (low..=high).contains(&value) {
        Ok(())
    } else {
        Err(format!("{key} is {value}; it must be between {low} and {high}"))
    }
}
