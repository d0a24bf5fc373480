//! Settings that nothing reads.

use std::fmt::Debug;

/// Refuses a setting that does nothing beside another one. A file with every key, as a run folder holds it, has the
/// default there.
///
/// # Errors
/// One sentence that `key` begins, if `value` is not `default`.
pub fn unread<T: PartialEq + Debug>(
    key: &str,
    value: &T,
    default: &T,
    beside: &str,
) -> Result<(), String> {
    if value == default {
        return Ok(());
    }
    Err(format!("{key} does nothing with {beside}; leave it out (its default is {default:?})"))
}
