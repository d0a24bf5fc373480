//! Layers: pure functions of `&Params`, one kind per file. Weights are `[out, in]`, inputs `[B, in]`.

pub mod activation;
mod conv2d;
mod hyperspherical_linear;
mod linear;
pub mod norm;
pub mod reparam;
mod scaler;
mod weight;

pub use conv2d::Conv2d;
pub(crate) use hyperspherical_linear::l2_program;
pub use hyperspherical_linear::{HypersphericalLinear, l2_normalize};
pub use linear::Linear;
pub use norm::{Norm, NormConfig};
pub use scaler::Scaler;
pub use weight::Weight;
