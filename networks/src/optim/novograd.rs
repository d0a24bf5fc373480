//! `NovoGrad` (Ginsburg et al. 2019, arXiv 1905.11286): Adam's second moment as one number for each tensor,
//! heavy-ball momentum, weight decay inside it.
//!
//! ```text
//! v <- ||g||^2                       where v is 0: the first step, or after nothing but zero gradients
//! v <- beta2 v + (1 - beta2) ||g||^2 otherwise
//! m <- beta1 m + (g / (sqrt(v) + eps) + weight_decay theta)
//! theta <- theta - lr m
//! ```
//!
//! A step does not depend on the scale of the loss, and has the length `lr` in the first step whatever the
//! tensor's size: up to `lr / (1 - beta1)` when gradients agree, where Adam's is about `lr sqrt(n)`. So biases
//! move faster than under Adam, and single numbers would move by signs: those are refused. There is no bias
//! correction. As in the paper, epsilon stands outside the root; the authors' TensorFlow code has it inside
//! (`eps_inside_root`).
//! With `grad_averaging` the bracket is multiplied by `1 - beta1`.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{OptimSettings, StepAt, settings::check_averages};
use crate::{
    params::{Params, Role},
    registry::Part,
};

/// `kind = "novograd"`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NovoGrad {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of each tensor's squared gradient norm.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decay of the weights, inside the momentum.
    pub weight_decay: f64,
    /// Whether new directions enter the momentum with the factor `1 - beta1`.
    pub grad_averaging: bool,
    /// Whether epsilon is added to the second moment instead, inside the root.
    pub eps_inside_root: bool,
}

impl Default for NovoGrad {
    /// The authors' code.
    fn default() -> Self {
        NovoGrad {
            beta1: 0.95,
            beta2: 0.98,
            eps: 1e-8,
            weight_decay: 0.0,
            grad_averaging: false,
            eps_inside_root: false,
        }
    }
}

impl Part for NovoGrad {
    type Family = dyn OptimSettings;

    const KIND: &'static str = "novograd";
    const SUMMARY: &'static str =
        "momentum of gradients divided by a running norm of each tensor's";
    const SOURCE: &'static str = "Ginsburg et al. 2019, arXiv 1905.11286";
}

impl OptimSettings for NovoGrad {
    fn validate(&self) -> Result<(), String> {
        check_averages(self.beta1, self.beta2, self.eps, self.weight_decay)
    }

    fn check(&self, params: &Params) -> Result<(), String> {
        match params.iter().find(|(_, p)| p.role == Role::Scalar) {
            None => Ok(()),
            Some((_, p)) => Err(format!(
                "kind = \"novograd\" divides a gradient by its norm, which leaves of the single number `{}` its sign \
                 alone; give it \"adam\"",
                p.name
            )),
        }
    }

    fn moments(&self, value: &Tensor) -> Vec<Tensor> {
        vec![value.zeros_like(), Tensor::zeros([], (Kind::Double, value.device()))]
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn step(&self, params: &mut Params, grads: &[Tensor], at: &StepAt<'_>) {
        let share = if self.grad_averaging { 1.0 - self.beta1 } else { 1.0 };
        for (p, grad) in params.trainable_mut().zip(grads) {
            let (lr, decay) = (p.lr(at.lr), p.decay(self.weight_decay));
            let [m, v] = p.moments.as_mut_slice() else { unreachable!("two moments") };
            // In f64: a sum of squares over a large layer loses digits in f32.
            let square = grad.to_kind(Kind::Double).square().sum(Kind::Double);
            let average = &*v * self.beta2 + &square * (1.0 - self.beta2);
            v.copy_(&square.where_self(&Tensor::eq(v, 0), &average));
            let root =
                if self.eps_inside_root { (&*v + self.eps).sqrt() } else { v.sqrt() + self.eps };
            let root = root.to_kind(grad.kind());
            let mut direction = grad / root;
            if decay > 0.0 {
                direction += &p.value * decay;
            }
            let _ = m.g_mul_scalar_(self.beta1).g_add_(&(direction * share));
            let _ = p.value.g_sub_(&(&*m * lr));
        }
    }
}
