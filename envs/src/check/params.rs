//! Are its constants what they were set to?

use super::probe::Probe;
use crate::Env;

impl Probe<'_> {
    pub(super) fn params(&mut self) -> Option<()> {
        let names = self.call("params()", |env| {
            let params = env.params();
            Ok(params.map(|p| p.names().into_iter().map(String::from).collect::<Vec<_>>()))
        })?;
        for name in names? {
            let place = format!("params(), constant '{name}'");
            let fault = self.call(&place, |env| Ok(params_fault(env, &name)))?;
            if let Some(what) = fault {
                self.error(
                    what,
                    &place,
                    "have Params::get return what Params::set was given, for all names",
                );
            }
        }
        Some(())
    }
}

/// Sets a constant to itself and to something near, and puts it back.
fn params_fault(env: &mut dyn Env, name: &str) -> Option<String> {
    let params = env.params()?;
    let Some(before) = params.get(name) else {
        return Some("it is among the names, but has no value".into());
    };
    if let Err(error) = params.set(name, before) {
        return Some(format!("it refuses its own value {before}: {error}"));
    }
    let other = before * 1.125 + 0.125;
    // A constant may have a range that `other` is outside of.
    let after = if params.set(name, other).is_ok() { params.get(name) } else { Some(other) };
    let restored = params.set(name, before);
    if after != Some(other) {
        return Some(format!("it was set to {other} and is {after:?} afterwards"));
    }
    restored.err().map(|error| format!("it cannot be set back to {before}: {error}"))
}
