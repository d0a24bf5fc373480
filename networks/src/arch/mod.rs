//! One paper's architecture per file.

pub mod conv;
pub mod mlp;
pub mod simba;
pub mod simba_v2;

/// 1 GiB of weights, of which training holds some eight copies: beyond it a network is a typing error
/// that would take the machine's memory.
const MOST_WEIGHTS: i64 = 1 << 28;

pub(crate) fn check_weights(key: &str, weights: i64) -> Result<(), String> {
    if weights <= MOST_WEIGHTS {
        return Ok(());
    }
    Err(format!(
        "{key} makes {weights} weights between layers; give layers with at most {MOST_WEIGHTS}"
    ))
}

/// What the two residual architectures have in common: a trunk of `blocks` inverted bottlenecks
/// `width -> expansion * width -> width`.
fn check_trunk(width: i64, blocks: i64, expansion: i64) -> Result<(), String> {
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
