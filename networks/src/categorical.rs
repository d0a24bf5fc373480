//! Distributions over a fixed grid of values: C51's arithmetic (Bellemare, Dabney & Munos 2017,
//! arXiv 1707.06887, section 4).
//!
//! Pure functions of logits and probabilities `[.., N]`, in the precision of their arguments.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// `bins` values from `min` to `max`, equally far apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Support {
    /// Number of values `N`.
    pub bins: i64,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
}

impl Default for Support {
    /// SimbaV2 (arXiv 2502.15280), Table 3.
    fn default() -> Self {
        Support { bins: 101, min: -5.0, max: 5.0 }
    }
}

impl Support {
    /// # Errors
    /// One sentence about the first number that cannot work.
    pub fn validate(&self) -> Result<(), String> {
        if !(2..=65_536).contains(&self.bins) {
            return Err(format!("bins is {}; it must be between 2 and 65536", self.bins));
        }
        if !(self.min < self.max && self.min.is_finite() && self.max.is_finite()) {
            return Err(format!("min is {} and max {}; min must be below max", self.min, self.max));
        }
        Ok(())
    }

    /// The values `[N]`, of the kind and on the device of `like`.
    pub fn values(&self, like: &Tensor) -> Tensor {
        Tensor::linspace(self.min, self.max, self.bins, (like.kind(), like.device()))
    }

    /// Expected value of the distribution with these logits: `[.., N] -> [..]`.
    pub fn mean(&self, logits: &Tensor) -> Tensor {
        self.expectation(&logits.softmax(-1, None::<Kind>))
    }

    /// Expected value of the distribution with these probabilities: `[.., N] -> [..]`.
    pub fn expectation(&self, probs: &Tensor) -> Tensor {
        probs.matmul(&self.values(probs))
    }

    /// The distribution that puts `probs` on `values` (both `[B, N]`; values are clipped to the
    /// support), moved to the grid: each value's mass is shared between its two neighbours in
    /// proportion to nearness (equation 7). Mass is kept, and so is the mean of what was not clipped.
    ///
    /// A value that is not finite makes its row's masses NaN.
    pub fn project(&self, probs: &Tensor, values: &Tensor) -> Tensor {
        debug_assert_eq!(probs.size(), values.size(), "one probability a value");
        let last = (self.bins - 1) as f64;
        let step = (self.max - self.min) / last;
        // Clipping would hide an infinity, which is a fault upstream; as 0 * inf it becomes NaN.
        let values = values + values * 0.0;
        // The clamp on `b` guards against rounding: the upper edge must not index bin N.
        let b = ((values.clamp(self.min, self.max) - self.min) / step).clamp(0.0, last); // [B, N]
        let floor = b.floor();
        let upper = (&b - &floor) * probs; // the mass for the bin above; 0 on the last bin
        let lower = probs - &upper;
        let low = floor.nan_to_num(0.0, None, None).to_kind(Kind::Int64);
        let high = (&low + 1).clamp_max(self.bins - 1);
        let mut out = probs.zeros_like();
        let _ = out.scatter_add_(1, &low, &lower);
        let _ = out.scatter_add_(1, &high, &upper);
        out
    }
}

/// Cross-entropy `-sum_j target_j log p_j` of the distribution with these logits: two times
/// `[.., N]`, to `[..]`. Its gradient is that of the Kullback-Leibler divergence.
pub fn cross_entropy(logits: &Tensor, target: &Tensor) -> Tensor {
    -(logits.log_softmax(-1, None::<Kind>) * target).sum_dim_intlist(-1, false, None::<Kind>)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn host(t: &Tensor) -> Vec<f64> {
        Vec::try_from(&t.to_kind(Kind::Double).flatten(0, -1)).unwrap()
    }

    /// By hand on the grid 0, 1, 2: inside, on the grid, beyond both ends, and NaN.
    #[test]
    fn projection_by_hand() {
        let support = Support { bins: 3, min: 0.0, max: 2.0 };
        let probs = Tensor::from_slice(&[0.5, 0.3, 0.2]).view([1, 3]);
        for (values, want) in [
            ([0.0, 1.0, 2.0], [0.5, 0.3, 0.2]),
            ([0.25, 1.5, 2.0], [0.375, 0.275, 0.35]),
            ([-7.0, 9.0, 1.0], [0.5, 0.2, 0.3]),
        ] {
            let got = host(&support.project(&probs, &Tensor::from_slice(&values).view([1, 3])));
            for (got, want) in got.iter().zip(want) {
                assert!((got - want).abs() < 1e-12, "{values:?}: {got} instead of {want}");
            }
        }
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let values = Tensor::from_slice(&[0.0, bad, 2.0]).view([1, 3]);
            assert!(host(&support.project(&probs, &values)).iter().any(|x| x.is_nan()), "{bad}");
        }
    }

    #[test]
    fn values_are_the_grid() {
        let like = Tensor::zeros([1], (Kind::Double, Device::Cpu));
        let values = host(&Support::default().values(&like));
        for (i, value) in values.iter().enumerate() {
            assert!((value - (i as f64 * 0.1 - 5.0)).abs() < 1e-12, "{i}: {value}");
        }
        assert_eq!(values.len(), 101);
    }
}
