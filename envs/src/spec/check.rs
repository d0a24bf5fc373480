//! What a spec must hold to: [`EnvSpec::validate`], and which bounds can be a scale.

use crate::{ActionSpace, EnvSpec, Space};

/// Most components of an observation: 1 GiB of `f32`. More must be a slip.
pub(crate) const MOST_COMPONENTS: usize = 1 << 28;

impl EnvSpec {
    /// Whether an agent can act on this at all.
    ///
    /// # Errors
    /// One sentence about the first thing that makes no sense: no components, no choices, bounds
    /// that are missing, NaN, or the wrong way round.
    pub fn validate(&self) -> Result<(), String> {
        self.obs.validate().map_err(|error| format!("the observation space {error}"))?;
        self.action.validate().map_err(|error| format!("the action space {error}"))?;
        if self.time_limit == Some(0) {
            return Err("the time limit is 0 steps; give at least 1, or none".to_owned());
        }
        Ok(())
    }
}

impl Space {
    fn validate(&self) -> Result<(), String> {
        let size = self.size();
        if self.shape.is_empty() || size == 0 {
            return Err(format!(
                "has the shape {:?}, which has no components; give it at least one axis, and none of \
                 length 0",
                self.shape
            ));
        }
        if size > MOST_COMPONENTS {
            return Err(format!(
                "has the shape {:?}, more than {MOST_COMPONENTS} components; give it a smaller one",
                self.shape
            ));
        }
        if self.frames == 0 || !size.is_multiple_of(self.frames) {
            return Err(format!(
                "has {size} components, which cannot be a stack of {} frames; give a number of frames \
                 that divides them, or 1",
                self.frames
            ));
        }
        if (self.low.len(), self.high.len()) != (size, size) {
            return Err(format!(
                "has {size} components, {} lower and {} upper bounds; give one of each per component",
                self.low.len(),
                self.high.len()
            ));
        }
        in_order(&self.low, &self.high)
    }

    /// The largest upper bound where it says how large observations get: what pictures are divided
    /// by. `None` for no bound, and for the limit of a number type ([`is_type_limit`]), which says
    /// nothing about them.
    pub fn scale(&self) -> Option<f32> {
        let high = self.high.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        (high > 0.0 && high.is_finite() && !is_type_limit(high)).then_some(high)
    }
}

impl ActionSpace {
    fn validate(&self) -> Result<(), String> {
        match self {
            Self::Discrete(0) => Err("has 0 choices; give at least 1".to_owned()),
            Self::Discrete(_) => Ok(()),
            Self::Box { low, high } if low.is_empty() && high.is_empty() => {
                Err("has no components; give at least 1".to_owned())
            }
            Self::Box { low, high } if low.len() != high.len() => Err(format!(
                "has {} lower bounds and {} upper ones; give one pair per component",
                low.len(),
                high.len()
            )),
            Self::Box { low, high } => in_order(low, high),
        }
    }
}

fn in_order(low: &[f32], high: &[f32]) -> Result<(), String> {
    let wrong = |(low, high): (&f32, &f32)| low.is_nan() || high.is_nan() || low > high;
    match low.iter().zip(high).position(wrong) {
        None => Ok(()),
        Some(i) => Err(format!(
            "bounds component {i} by {} and {}; give two numbers, the lower one first",
            low[i], high[i]
        )),
    }
}

/// Whether a bound is what a number type ends at rather than what an environment does: the largest
/// 16-bit float, or anything from the largest 32-bit integer on (as `f32`, so the largest of wider
/// types too). Bounds of 255 and 65,535, of 8- and 16-bit pictures, are scales.
pub fn is_type_limit(bound: f32) -> bool {
    let size = bound.abs();
    size.is_finite() && (size == 65_504.0 || size >= i32::MAX as f32)
}
