//! What the two residual architectures have in common.

use crate::network::check_weights;

/// A trunk of `blocks` inverted bottlenecks `width -> expansion * width -> width`.
pub(super) fn check_trunk(width: i64, blocks: i64, expansion: i64) -> Result<(), String> {
    for (key, value, most) in [("width", width, 65_536), ("expansion", expansion, 64)] {
        if !(1..=most).contains(&value) {
            return Err(format!("{key} is {value}; it must be between 1 and {most}"));
        }
    }
    if !(0..=1_024).contains(&blocks) {
        return Err(format!("blocks is {blocks}; it must be between 0 and 1024"));
    }
    check_weights("width", 2 * blocks * expansion * width * width)
}
