//! Stochastic gradient descent with heavy-ball momentum, as `torch.optim.SGD`.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{OptimSettings, StepAt, settings::check_ranges};
use crate::{params::Params, registry::Part};

/// `kind = "sgd"`. Names and defaults are PyTorch's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sgd {
    /// Factor on the direction of before.
    pub momentum: f64,
    /// L2 in the gradient.
    pub weight_decay: f64,
}

impl Part for Sgd {
    type Family = dyn OptimSettings;

    const KIND: &'static str = "sgd";
    const SUMMARY: &'static str = "`theta <- theta - lr m`, `m <- momentum m + g`";
    const SOURCE: &'static str = "PyTorch's SGD";
}

impl OptimSettings for Sgd {
    fn validate(&self) -> Result<(), String> {
        check_ranges(&[
            ("momentum", self.momentum, (0.0..1.0).contains(&self.momentum), "in [0, 1)"),
            ("weight_decay", self.weight_decay, self.weight_decay >= 0.0, "at least 0"),
        ])
    }

    fn moments(&self, value: &Tensor) -> Vec<Tensor> {
        (0..usize::from(self.momentum > 0.0)).map(|_| value.zeros_like()).collect()
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn step(&self, params: &mut Params, grads: &[Tensor], at: &StepAt<'_>) {
        for (p, grad) in params.trainable_mut().zip(grads) {
            let decay = p.decay(self.weight_decay);
            let grad = if decay > 0.0 { grad + &p.value * decay } else { grad.copy() };
            let direction = match p.moments.first_mut() {
                // Equals torch.optim.SGD, whose buffer starts as the first gradient: 0 * m + g.
                Some(m) => {
                    let _ = m.g_mul_scalar_(self.momentum).g_add_(&grad);
                    m.shallow_clone()
                }
                None => grad,
            };
            let lr = p.lr(at.lr);
            let _ = p.value.g_sub_(&(direction * lr));
        }
    }
}
