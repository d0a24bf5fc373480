//! Sums and activations of one example.

use crate::supervised::activation::Activation;

pub(super) fn dot(w: &[f64], x: &[f64]) -> f64 {
    w.iter().zip(x).fold(0.0, |sum, (w, x)| sum + w * x)
}

/// The activation and its slope.
pub(super) fn activate(activation: Activation, z: f64) -> (f64, f64) {
    match activation {
        Activation::Relu if z > 0.0 => (z, 1.0),
        Activation::Relu => (0.0, 0.0),
        Activation::Tanh => {
            let h = z.tanh();
            (h, 1.0 - h * h)
        }
        Activation::Silu => {
            let s = 1.0 / (1.0 + (-z).exp());
            (z * s, s * (1.0 + z * (1.0 - s)))
        }
    }
}
