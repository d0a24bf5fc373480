//! Layers: pure functions of `&Params`, one kind per file. Weights are `[out, in]`, inputs `[B, in]`.

mod hyperspherical_linear;
mod linear;
mod norm;
pub mod reparam;
mod scaler;
mod weight;

pub use hyperspherical_linear::{HypersphericalLinear, l2_normalize};
pub use linear::Linear;
pub use norm::{Norm, NormConfig};
pub use scaler::Scaler;
pub use weight::Weight;
