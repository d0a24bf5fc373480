//! Nonlinearities of the scalar learners, which write out their own derivatives.

use serde::{Deserialize, Serialize};

/// Nonlinearity of the hidden units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(x, 0)`
    Relu,
    /// Hyperbolic tangent.
    Tanh,
    /// `x * sigmoid(x)` (SiLU).
    Silu,
}
