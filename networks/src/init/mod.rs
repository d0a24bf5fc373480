//! Initial weights.
//!
//! Two things live here. An [`Init`] is the distribution of one parameter, `(shape, rng) -> Tensor`; each parameter
//! remembers its own, so that an intervention that resets a unit draws from the same distribution. An [`InitConfig`]
//! is what `init` of an architecture names: it chooses the distributions of every layer's weight and bias.
//!
//! A weight is `[out, in]`, or `[out, in, height, width]` of a convolution; `fan_in` is the product of all dimensions
//! but the first.

mod he;
mod orthogonal;
mod settings;
mod torch_default;
mod zero_hadamard;

pub use he::He;
pub use orthogonal::Orthogonal;
pub use settings::{InitConfig, InitSettings, Place, Position};
pub use torch_default::TorchDefault;
pub use zero_hadamard::{ZeroHadamard, ZeroHadamardSpread, zero_matrix};

use std::{fmt::Debug, sync::Arc};

use tch::{Kind, Tensor};

use crate::{
    fused,
    random::{self, Rng},
    registry::{Family, Open},
};

/// One line each.
impl Open for dyn InitSettings {
    const KEY: &'static str = "init";
    const SHORT: bool = true;

    fn builtin() -> Family<Self> {
        let mut family = Family::default();
        family.add::<He>();
        family.add::<Orthogonal>();
        family.add::<TorchDefault>();
        family.add::<ZeroHadamard>();
        family.add::<ZeroHadamardSpread>();
        family
    }
}

/// A distribution of one's own, in [`Init::Other`].
pub trait Distribution: Debug + Send + Sync {
    /// Draws an f32 CPU tensor of `shape`.
    fn sample(&self, shape: &[i64], rng: &mut Rng) -> Tensor;

    /// Draws `count` rows of a weight of `shape` on their own.
    fn rows(&self, shape: &[i64], count: i64, rng: &mut Rng) -> Tensor;

    /// Whether two draws differ.
    fn is_random(&self) -> bool {
        true
    }
}

/// How a parameter is drawn, and drawn a second time when an intervention resets it.
#[derive(Clone, Debug)]
pub enum Init {
    /// Every element equal to the value.
    Constant(f64),
    /// Uniform in `[-bound, bound)`.
    Uniform(f64),
    /// Uniform in `[-b, b)` with `b = 1 / sqrt(fan_in)`: what `torch.nn.Linear` does by default
    /// (Kaiming uniform with `a = sqrt(5)`), and so Stable-Baselines3 and CleanRL.
    TorchDefault,
    /// Normal with standard deviation `sqrt(2 / fan_in)` (He et al. 2015, arXiv 1502.01852, eq. 10).
    He,
    /// Normal with standard deviation `sqrt(1 / fan_in)` (LeCun et al. 1998).
    Lecun,
    /// Rows (or columns, whichever are fewer) orthonormal, times the gain
    /// (Saxe et al. 2014, arXiv 1312.6120).
    Orthogonal(f64),
    /// `Orthogonal(1)`, then every row divided by its 2-norm (SimbaV2, arXiv 2502.15280).
    Hyperspherical,
    /// Another.
    Other(Arc<dyn Distribution>),
}

impl Init {
    /// Draws an f32 CPU tensor of `shape`.
    pub fn sample(&self, shape: &[i64], rng: &mut Rng) -> Tensor {
        let fan_in = shape.iter().skip(1).product::<i64>().max(1) as f64;
        match *self {
            Init::Constant(value) => Tensor::full(shape, value, (Kind::Float, tch::Device::Cpu)),
            Init::Uniform(bound) => random::uniform(shape, -bound, bound, rng),
            Init::TorchDefault => {
                let bound = fan_in.sqrt().recip();
                random::uniform(shape, -bound, bound, rng)
            }
            Init::He => random::normal(shape, rng) * (2.0 / fan_in).sqrt(),
            Init::Lecun => random::normal(shape, rng) * fan_in.sqrt().recip(),
            Init::Orthogonal(gain) => orthogonal::draw(shape, gain, rng),
            Init::Hyperspherical => {
                let w = orthogonal::draw(shape, 1.0, rng);
                fused::unit_rows_(&[&w], fused::L2_EPS);
                w
            }
            Init::Other(ref other) => other.sample(shape, rng),
        }
    }
}

impl Init {
    /// Draws `count` rows of a weight of `shape` on their own, by the distribution that one row of a whole
    /// draw has. Rows of [`Init::Orthogonal`] have uniform directions; among more rows than columns,
    /// which are not orthonormal themselves, their squared norm is `gain^2 columns / rows` on average,
    /// and here always. New rows are not orthogonal to the old ones.
    pub fn rows(&self, shape: &[i64], count: i64, rng: &mut Rng) -> Tensor {
        let mut part = shape.to_vec();
        part[0] = count;
        let direction = |norm: f64, rng: &mut Rng| {
            let w = random::normal(&part, rng);
            fused::unit_rows_(&[&w], fused::L2_EPS);
            w * norm
        };
        match *self {
            Init::Orthogonal(gain) => {
                let columns = shape.iter().skip(1).product::<i64>() as f64;
                direction(gain * (columns / shape[0] as f64).sqrt().min(1.0), rng)
            }
            Init::Hyperspherical => direction(1.0, rng),
            Init::Other(ref other) => other.rows(shape, count, rng),
            Init::Constant(_) | Init::Uniform(_) | Init::TorchDefault | Init::He | Init::Lecun => {
                self.sample(&part, rng)
            }
        }
    }

    /// Whether two draws differ.
    pub fn is_random(&self) -> bool {
        match self {
            Init::Constant(_) => false,
            Init::Other(other) => other.is_random(),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gram matrix of the shorter side is gain^2 times the identity, for wide, tall and square.
    #[test]
    fn orthogonal_is_orthogonal() {
        for shape in [[3, 7], [7, 3], [5, 5]] {
            let w = Init::Orthogonal(1.5).sample(&shape, &mut random::stream(1, 0));
            let gram = if shape[0] <= shape[1] { w.matmul(&w.tr()) } else { w.tr().matmul(&w) };
            let eye = Tensor::eye(gram.size()[0], (Kind::Float, tch::Device::Cpu)) * 2.25;
            let error = (gram - eye).abs().max().double_value(&[]);
            assert!(error < 1e-5, "{shape:?}: {error}");
        }
    }

    /// Second moments of the distributions, by their formulas, on 40 000 draws (4 standard errors).
    #[test]
    fn variances_are_the_formulas() {
        let shape = [400, 100];
        for (init, variance) in [
            (Init::TorchDefault, 1.0 / 300.0),
            (Init::He, 0.02),
            (Init::Lecun, 0.01),
            (Init::Uniform(0.3), 0.03),
        ] {
            let w = init.sample(&shape, &mut random::stream(2, 0)).to_kind(Kind::Double);
            let got = (&w * &w).mean(Kind::Double).double_value(&[]);
            assert!((got / variance - 1.0).abs() < 0.03, "{init:?}: {got} instead of {variance}");
        }
    }
}
