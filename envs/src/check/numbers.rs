//! Are its observations what its spec says?

use super::probe::Probe;
use crate::{Dtype, EnvSpec};

/// Up to here every whole number is an f32.
const EXACT: f32 = 16_777_216.0;
/// A NaN that no arithmetic gives: what still is this was not written.
pub(super) const CANARY: u32 = 0x7fc0_5ca1;

impl Probe<'_> {
    /// A stack of frames is the one before, as bits, shifted by one frame; or one frame over and over
    /// again where there is none before.
    pub(super) fn stack(
        &mut self,
        spec: &EnvSpec,
        before: Option<&[u32]>,
        obs: &[f32],
        place: &str,
    ) {
        let frame = obs.len() / spec.obs.frames;
        let now: Vec<u32> = obs.iter().map(|x| x.to_bits()).collect();
        if now[..now.len() - frame] != before.unwrap_or(&now)[frame..] {
            self.error(
                format!(
                    "the observation is no stack of {} frames that follows the one before",
                    spec.obs.frames
                ),
                place,
                "shift one frame in at each step and repeat the first one at reset, oldest first, or \
                 set spec().obs.frames to 1",
            );
        }
    }

    pub(super) fn observation(&mut self, spec: &EnvSpec, obs: &[f32], place: &str) {
        for (i, &x) in obs.iter().enumerate() {
            let (low, high) = (spec.obs.low[i], spec.obs.high[i]);
            let what = |fault: &str| format!("observation component {i} {fault}");
            if x.to_bits() == CANARY {
                self.error(
                    what("was not written"),
                    place,
                    "write every component of `obs`, in reset() and in step()",
                );
            } else if !x.is_finite() {
                self.error(
                    what(&format!("is {x}")),
                    place,
                    "give finite observations; look for a division by zero, an overflow, or a \
                     component that was read before it was written",
                );
            } else if x < low || x > high {
                let remedy =
                    format!("widen the bounds of {}, or clip the observation", self.obs_space());
                self.error(
                    what(&format!("is {x}, outside its bounds {low} to {high}")),
                    place,
                    &remedy,
                );
            } else if spec.obs.dtype == Dtype::U8
                && !(x.fract() == 0.0 && (0.0..256.0).contains(&x))
            {
                self.error(
                    what(&format!("is {x}, but its type is u8")),
                    place,
                    "give whole numbers from 0 to 255, or make the type Dtype::F32",
                );
            } else if x.abs() > EXACT {
                self.warning(
                    what(&format!(
                        "is {}; observations travel as f32, which above {EXACT} skips whole numbers, so \
                         that neighbours become one",
                        f64::from(x)
                    )),
                    place,
                    "subtract an offset, divide it, or leave it out: a counter or a time in a 64-bit \
                     integer becomes a constant",
                );
            }
        }
    }
}
