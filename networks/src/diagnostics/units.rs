//! How alive a layer is: pure functions of activations and weights, in f64.
//!
//! `h` is `[N, n]`: activations of `n` units on `N` inputs. Ranks need `N >= 2 n` to say much: they
//! cannot exceed `N`.

use tch::{Kind, Tensor};

use crate::{params::is_finite, trace::Activity};

/// Relative rounding of f64.
const ROUNDING: f64 = 1.0 / (1u64 << 52) as f64;

fn fraction(mask: &Tensor) -> f64 {
    mask.to_kind(Kind::Double).mean(Kind::Double).double_value(&[])
}

fn over_inputs(t: &Tensor) -> Tensor {
    t.mean_dim(Some([0i64].as_slice()), false, Kind::Double)
}

/// How much each unit speaks beside the average unit of its layer: `mean |h_i| / mean_j mean |h_j|`
/// (Sokar et al. 2023, arXiv 2302.12902, equation 1), `[n]`. Its epsilon of 1e-9 is the official
/// code's.
pub fn unit_scores(h: &Tensor) -> Tensor {
    let size = over_inputs(&h.to_kind(Kind::Double).abs());
    let mean = size.mean(Kind::Double) + 1e-9;
    size / mean
}

/// Fraction of units whose score is at most `tau` (0.025 and 0.1 are published values).
pub fn dormant_fraction(h: &Tensor, tau: f64) -> f64 {
    fraction(&unit_scores(h).le(tau))
}

/// Fraction of units that are 0 on every input (Lu et al. 2020, arXiv 1903.06733).
pub fn dead_fraction(h: &Tensor) -> f64 {
    fraction(&h.eq(0.0).all_dim(0, false))
}

/// Fraction of units that are above 0 on at most `rate` of the inputs (Dohare et al. 2024: 0.01).
pub fn rarely_active_fraction(h: &Tensor, rate: f64) -> f64 {
    fraction(&over_inputs(&h.gt(0.0).to_kind(Kind::Double)).le(rate))
}

/// Fraction of units that are above 0 on every input: a ReLU that never bends (Lyle et al. 2024,
/// arXiv 2402.18762).
pub fn linearised_fraction(h: &Tensor) -> f64 {
    fraction(&h.gt(0.0).all_dim(0, false))
}

/// Fraction of all entries that are 0.
pub fn zero_fraction(h: &Tensor) -> f64 {
    fraction(&h.eq(0.0))
}

/// Fraction of all entries beyond +-0.99: a tanh that no longer answers.
pub fn saturated_fraction(h: &Tensor) -> f64 {
    fraction(&h.abs().gt(0.99))
}

/// Mean 2-norm of the rows.
pub fn feature_norm(h: &Tensor) -> f64 {
    let norms = h.to_kind(Kind::Double).norm_scalaropt_dim(2.0, [1i64].as_slice(), false);
    norms.mean(Kind::Double).double_value(&[])
}

/// The measures of units that mean something for what produced them, by name.
pub fn unit_measures(h: &Tensor, activity: Activity) -> Vec<(&'static str, f64)> {
    let mut out = vec![("feature_norm", feature_norm(h))];
    match activity {
        Activity::Relu => out.extend([
            ("dormant_0.025", dormant_fraction(h, 0.025)),
            ("dormant_0.1", dormant_fraction(h, 0.1)),
            ("dead", dead_fraction(h)),
            ("rarely_active", rarely_active_fraction(h, 0.01)),
            ("linearised", linearised_fraction(h)),
            ("zeros", zero_fraction(h)),
        ]),
        Activity::Tanh => out.push(("saturated", saturated_fraction(h))),
        Activity::Silu | Activity::Linear => {}
    }
    out
}

/// Singular values of a matrix, largest first, and the ranks that the literature reads off them.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrum {
    sigma: Vec<f64>,
    /// Rows and columns.
    shape: (usize, usize),
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
        let (_, sigma, _) = m.svd(true, false);
        let sigma = Vec::try_from(&sigma).expect("f64 on the CPU");
        Some(Spectrum { sigma, shape: (rows as usize, columns as usize) })
    }

    /// The values themselves.
    pub fn values(&self) -> &[f64] {
        &self.sigma
    }

    /// `exp(-sum p ln p)` with `p = sigma / sum sigma` (Roy & Vetterli 2007); 0 for a zero matrix.
    pub fn effective_rank(&self) -> f64 {
        perplexity(&self.sigma)
    }

    /// The same with `p = sigma^2 / sum sigma^2`.
    pub fn effective_rank_of_variance(&self) -> f64 {
        perplexity(&self.squares())
    }

    /// `(sum l)^2 / sum l^2` with `l = sigma^2`; 0 for a zero matrix.
    pub fn participation_ratio(&self) -> f64 {
        let squares = self.squares();
        let (sum, fourth) =
            squares.iter().fold((0.0, 0.0), |(sum, fourth), l| (sum + l, fourth + l * l));
        if fourth == 0.0 { 0.0 } else { sum * sum / fourth }
    }

    fn squares(&self) -> Vec<f64> {
        self.sigma.iter().map(|s| s * s).collect()
    }

    /// The least `k` whose first `k` values make up `1 - delta` of their sum (Kumar et al. 2021,
    /// arXiv 2010.14498: `delta` 0.01); 0 for a zero matrix.
    pub fn srank(&self, delta: f64) -> usize {
        least(&self.sigma, 1.0 - delta)
    }

    /// The same of the squares: dimensions that hold `1 - delta` of the variance (Yang et al. 2019).
    pub fn variance_rank(&self, delta: f64) -> usize {
        least(&self.squares(), 1.0 - delta)
    }

    /// `||A||_F^2 / sigma_1^2` (Rudelson & Vershynin 2007); 0 for a zero matrix.
    pub fn stable_rank(&self) -> f64 {
        match self.sigma.first() {
            Some(&first) if first > 0.0 => self.squares().iter().sum::<f64>() / (first * first),
            _ => 0.0,
        }
    }

    /// Values above `sigma_1 * max(N, n) * 2^-52`: the rank up to rounding.
    pub fn numerical_rank(&self) -> usize {
        let largest = self.sigma.first().copied().unwrap_or(0.0);
        let bound = largest * self.shape.0.max(self.shape.1) as f64 * ROUNDING;
        self.sigma.iter().filter(|&&s| s > bound).count()
    }

    /// Values of `A / sqrt(N)` above `eps` (Lyle et al. 2022, arXiv 2204.09560: 0.01).
    pub fn feature_rank(&self, eps: f64) -> usize {
        let root = (self.shape.0 as f64).sqrt();
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
fn perplexity(values: &[f64]) -> f64 {
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
