//! [`ValueConfig`] and the losses of values for one row at a time, as plain arithmetic with gradients by hand: what
//! [`losses`](crate::losses) says with tensors, for updates without autograd.
//!
//! `W` outputs are one number or the logits of `N` bins. Sums run in one order and nothing is fused, so results are the
//! same everywhere.

use std::cell::Cell;

use networks::{
    categorical::Support,
    exec::fused_cpu::{Isa, Real, softmax_row},
};

use crate::{losses::TdLoss, value::ValueConfig};

/// A row of a buffer.
pub(crate) type Row<'a, T> = &'a [Cell<T>];

/// How values are read from outputs.
#[derive(Clone, Debug)]
pub(crate) struct ValueRows<T> {
    isa: Isa,
    bins: Option<Bins<T>>,
}

/// A support's grid.
#[derive(Clone, Debug)]
struct Bins<T> {
    support: Support,
    values: Vec<T>,
}

impl<T: Real> ValueRows<T> {
    pub(crate) fn new(value: ValueConfig, isa: Isa) -> Self {
        let bins = match value {
            ValueConfig::Scalar {} => None,
            ValueConfig::Categorical(support) => {
                let step = (support.max - support.min) / (support.bins - 1) as f64;
                let value = |i: i64| T::of(support.min + step * i as f64);
                Some(Bins { support, values: (0..support.bins).map(value).collect() })
            }
        };
        ValueRows { isa, bins }
    }

    /// Outputs of one value.
    pub(crate) fn width(&self) -> usize {
        self.bins.as_ref().map_or(1, |bins| bins.values.len())
    }

    /// The expected return of `outputs`; of a distribution `probs` becomes its probabilities.
    pub(crate) fn mean(&self, outputs: Row<'_, T>, probs: Row<'_, T>) -> T {
        match &self.bins {
            None => outputs[0].get(),
            Some(bins) => {
                softmax_row(self.isa, outputs, probs);
                bins.mean(probs)
            }
        }
    }

    /// Where the expected return has gradient `factor`, that of outputs with these `probs` and this `mean`.
    pub(crate) fn mean_grad(&self, probs: Row<'_, T>, mean: T, factor: T, grad: Row<'_, T>) {
        match &self.bins {
            None => grad[0].set(factor),
            Some(bins) => {
                for ((grad, p), z) in grad.iter().zip(probs).zip(&bins.values) {
                    grad.set(factor * p.get() * (*z - mean));
                }
            }
        }
    }

    /// `target` becomes `reward + discount * (return - cost)`, where the return is `outputs` or has `probs`.
    pub(crate) fn target(
        &self,
        (outputs, probs): (Row<'_, T>, Row<'_, T>),
        reward: T,
        discount: T,
        cost: T,
        target: Row<'_, T>,
    ) {
        match &self.bins {
            None => target[0].set(reward + discount * (outputs[0].get() - cost)),
            Some(bins) => {
                bins.project(probs, target, |z| reward + discount * (z - cost));
            }
        }
    }

    /// Loss of `outputs` against a target; `factor` times its gradient in `grad`. `scratch` is for probabilities.
    pub(crate) fn loss(
        &self,
        outputs: Row<'_, T>,
        target: Row<'_, T>,
        scalar: TdLoss,
        factor: T,
        grad: Row<'_, T>,
        scratch: Row<'_, T>,
    ) -> T {
        if self.bins.is_none() {
            let (loss, slope) = td(scalar, outputs[0].get() - target[0].get());
            grad[0].set(slope * factor);
            return loss;
        }
        // d/dlogit_j of -sum_i t_i (logit_i - log sum exp) is p_j sum(t) - t_j; a target sums to 1 up to rounding.
        let log_sum = softmax_row(self.isa, outputs, scratch);
        let (mut loss, mut mass) = (T::of(0.0), T::of(0.0));
        for (logit, t) in outputs.iter().zip(target) {
            loss = loss + t.get() * (log_sum - logit.get());
            mass = mass + t.get();
        }
        for ((grad, p), t) in grad.iter().zip(scratch).zip(target) {
            grad.set((p.get() * mass - t.get()) * factor);
        }
        loss
    }

    /// The size of an error, as [`losses::errors`](crate::losses::errors), where the loss is `loss`.
    pub(crate) fn error(&self, outputs: Row<'_, T>, target: Row<'_, T>, loss: T) -> f64 {
        match self.bins {
            None => (outputs[0].get() - target[0].get()).wide().abs(),
            Some(_) => loss.wide(),
        }
    }

    /// The expected return of a target.
    pub(crate) fn target_mean(&self, target: Row<'_, T>) -> f64 {
        self.bins.as_ref().map_or_else(|| target[0].get(), |bins| bins.mean(target)).wide()
    }

    /// Mass of a target in the two outermost bins.
    pub(crate) fn boundary_mass(&self, target: Row<'_, T>) -> Option<f64> {
        self.bins.as_ref().map(|_| (target[0].get() + target[target.len() - 1].get()).wide())
    }
}

impl<T: Real> Bins<T> {
    fn mean(&self, probs: Row<'_, T>) -> T {
        let mut sum = T::of(0.0);
        for (p, z) in probs.iter().zip(&self.values) {
            sum = sum + p.get() * *z;
        }
        sum
    }

    /// C51's projection of atoms moved by `shift` (arXiv 1707.06887, equation 7).
    fn project(&self, probs: Row<'_, T>, target: Row<'_, T>, shift: impl Fn(T) -> T) {
        let Support { bins, min, max } = self.support;
        let last = (bins - 1) as f64;
        let (low, high, step) = (T::of(min), T::of(max), T::of((max - min) / last));
        for t in target {
            t.set(T::of(0.0));
        }
        for (p, z) in probs.iter().zip(&self.values) {
            let value = shift(*z);
            // Clipping would hide an infinity, which is a fault upstream; as 0 * inf it becomes NaN.
            let value = value + value * T::of(0.0);
            let inside = if value > high {
                high
            } else if value < low {
                low
            } else {
                value
            };
            let b = (inside - low) / step;
            let b = if b.wide() > last { T::of(last) } else { b };
            let floor = b.wide().floor().max(0.0);
            let upper = (b - T::of(floor)) * p.get();
            let at = floor as usize;
            target[at].set(target[at].get() + (p.get() - upper));
            if let Some(next) = target.get(at + 1) {
                next.set(next.get() + upper);
            } else {
                target[at].set(target[at].get() + upper);
            }
        }
    }
}

/// The mean of so many losses with this sum, which is infinite where a tensor's would be.
pub(crate) fn mean<T: Real>(sum: T, count: usize) -> f64 {
    sum.wide() / count as f64
}

/// The loss of a difference, and its slope.
fn td<T: Real>(loss: TdLoss, d: T) -> (T, T) {
    match loss {
        TdLoss::Squared => (d * d, d + d),
        TdLoss::Huber { delta } => {
            let (zero, delta) = (T::of(0.0), T::of(delta));
            let size = if d < zero { zero - d } else { d };
            if size > delta {
                let slope = if d < zero { zero - delta } else { delta };
                (delta * (size - T::of(0.5) * delta), slope)
            } else {
                (T::of(0.5) * d * d, d)
            }
        }
    }
}
