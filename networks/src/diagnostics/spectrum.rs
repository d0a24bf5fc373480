//! How many directions a matrix has.

use tch::{Kind, Tensor};

use super::numbers;
use crate::params::is_finite;

/// Singular values of a matrix, largest first, and the ranks that the literature reads off them.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrum {
    sigma: Vec<f64>,
    rows: usize,
}

impl Spectrum {
    /// Of `[N, n]` activations or an `[out, in]` weight, in f64 on the CPU; `None` if a number is not
    /// finite.
    ///
    /// # Panics
    /// If it is not a matrix.
    pub fn of(matrix: &Tensor) -> Option<Self> {
        let m = matrix.detach().to_device(tch::Device::Cpu).to_kind(Kind::Double);
        let (rows, columns) = m.size2().expect("a matrix");
        if !is_finite(&m) {
            return None;
        }
        // Of the triangle, which has the same values: `svd` fills even vectors that nobody asked for, and of a
        // picture's rows, one a position, they would be `[N, N]` with N beyond 10^5.
        let tall = if rows < columns { m.tr() } else { m };
        let (_, triangle) = Tensor::linalg_qr(&tall, "r");
        let (_, sigma, _) = triangle.svd(true, false);
        Some(Spectrum { sigma: numbers(&sigma), rows: rows as usize })
    }

    /// The values themselves.
    pub fn values(&self) -> &[f64] {
        &self.sigma
    }

    /// `exp(-sum p ln p)` with `p = sigma / sum sigma` (Roy & Vetterli 2007); 0 for a zero matrix.
    pub fn effective_rank(&self) -> f64 {
        perplexity(&self.sigma)
    }

    /// `(sum l)^2 / sum l^2` with `l = sigma^2`; 0 for a zero matrix.
    pub fn participation_ratio(&self) -> f64 {
        let squares = self.squares();
        let (sum, fourth) =
            squares.iter().fold((0.0, 0.0), |(sum, fourth), l| (sum + l, fourth + l * l));
        if fourth == 0.0 { 0.0 } else { sum * sum / fourth }
    }

    /// `sigma_1`; 0 for a zero matrix.
    pub fn spectral_norm(&self) -> f64 {
        self.sigma.first().copied().unwrap_or(0.0)
    }

    fn squares(&self) -> Vec<f64> {
        self.sigma.iter().map(|s| s * s).collect()
    }

    /// The least `k` whose first `k` values make up `1 - delta` of their sum (Kumar et al. 2021,
    /// arXiv 2010.14498: `delta` 0.01); 0 for a zero matrix.
    pub fn srank(&self, delta: f64) -> usize {
        least(&self.sigma, 1.0 - delta)
    }

    /// `||A||_F^2 / sigma_1^2` (Rudelson & Vershynin 2007); 0 for a zero matrix.
    pub fn stable_rank(&self) -> f64 {
        let first = self.spectral_norm();
        if first > 0.0 { self.squares().iter().sum::<f64>() / (first * first) } else { 0.0 }
    }

    /// Values of `A / sqrt(N)` above `eps` (Lyle et al. 2022, arXiv 2204.09560: 0.01).
    pub fn feature_rank(&self, eps: f64) -> usize {
        let root = (self.rows as f64).sqrt();
        self.sigma.iter().filter(|&&s| s / root > eps).count()
    }

    /// Largest over smallest value; infinite for a singular matrix.
    pub fn condition(&self) -> f64 {
        match (self.sigma.first(), self.sigma.last()) {
            (Some(first), Some(last)) => first / last,
            _ => f64::NAN,
        }
    }
}

/// `exp(-sum p ln p)` of values divided by their sum; 0 where that is 0.
pub(super) fn perplexity(values: &[f64]) -> f64 {
    let sum: f64 = values.iter().sum();
    if sum == 0.0 {
        return 0.0;
    }
    let p = values.iter().map(|s| s / sum).filter(|&p| p > 0.0);
    (-p.map(|p| p * p.ln()).sum::<f64>()).exp()
}

/// The least `k` whose first `k` of these reach `share` of the sum.
fn least(values: &[f64], share: f64) -> usize {
    let sum: f64 = values.iter().sum();
    if sum == 0.0 {
        return 0;
    }
    let mut so_far = 0.0;
    values
        .iter()
        .position(|v| {
            so_far += v / sum;
            so_far >= share
        })
        .map_or(values.len(), |i| i + 1)
}
