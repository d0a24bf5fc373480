//! Wrappers around what is seen.

mod mask_obs;
mod obs_delay;
mod obs_noise;
mod permute_obs;
mod shift_obs;

pub use mask_obs::MaskObs;
pub use obs_delay::ObsDelay;
pub use obs_noise::ObsNoise;
pub use permute_obs::PermuteObs;
pub use shift_obs::ShiftObs;
