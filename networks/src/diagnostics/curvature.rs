//! Measures that need derivatives of a closure: gradients of single samples, the tangent kernel, the
//! Hessian of a loss, local redundancy.
//!
//! Derivatives have the precision of the parameters, everything after them is f64. Each sample and
//! each Hessian product is a backward pass: for 64 to 256 samples, now and then.

use tch::{Device, Kind, Tensor};

use super::{ROUNDING, double, flat, numbers, spectrum::perplexity, squared};
use crate::{
    params::is_finite,
    random::{self, Rng},
};

/// Derivatives of a scalar by `params`, which must require gradients; zero where it does not depend on them.
fn derivatives(scalar: &Tensor, params: &[&Tensor], keep: bool, create: bool) -> Vec<Tensor> {
    if !scalar.requires_grad() {
        return params.iter().map(|p| p.zeros_like()).collect();
    }
    let grads = Tensor::run_backward(&[scalar], params, keep, create);
    let or_zero = |(g, p): (Tensor, &&Tensor)| if g.defined() { g } else { p.zeros_like() };
    grads.into_iter().zip(params).map(or_zero).collect()
}

/// Gradients `[n, P]` of the scalars `f(0), ..., f(n - 1)`, one sample each, by `params` one after
/// another.
pub fn per_sample_gradients(
    params: &[&Tensor],
    n: i64,
    mut f: impl FnMut(i64) -> Tensor,
) -> Tensor {
    let rows: Vec<Tensor> =
        (0..n).map(|i| flat(&derivatives(&f(i), params, false, false))).collect();
    Tensor::stack(&rows, 0)
}

/// Empirical tangent kernel `K = J J^T`, `[N, N]` (Jacot et al. 2018, arXiv 1806.07572), of gradients
/// `J` `[N, P]` of one output on `N` inputs.
pub fn tangent_kernel(jacobian: &Tensor) -> Tensor {
    let j = double(jacobian);
    j.matmul(&j.tr())
}

/// Eigenvalues of a [`tangent_kernel`]: how many of its inputs a network can move apart (Lyle et al.
/// 2024, arXiv 2402.18762).
#[derive(Clone, Debug, PartialEq)]
pub struct KernelSpectrum {
    eigenvalues: Vec<f64>,
}

impl KernelSpectrum {
    /// Of a symmetric positive semi-definite `[N, N]`; values within rounding of 0 are 0. `None` if a
    /// number is not finite.
    pub fn of(kernel: &Tensor) -> Option<Self> {
        let kernel = double(kernel).to_device(Device::Cpu);
        if !is_finite(&kernel) {
            return None;
        }
        let mut values = numbers(&kernel.linalg_eigvalsh("L"));
        values.reverse();
        let bound = values.first().map_or(0.0, |top| top * values.len() as f64 * ROUNDING);
        let eigenvalues = values.into_iter().map(|l| if l > bound { l } else { 0.0 }).collect();
        Some(KernelSpectrum { eigenvalues })
    }

    /// Largest first.
    pub fn values(&self) -> &[f64] {
        &self.eigenvalues
    }

    /// `tr K`
    pub fn trace(&self) -> f64 {
        self.eigenvalues.iter().sum()
    }

    /// Largest over smallest; infinite for a singular kernel, NaN for zeros.
    pub fn condition(&self) -> f64 {
        match (self.eigenvalues.first(), self.eigenvalues.last()) {
            (Some(first), Some(last)) => first / last,
            _ => f64::NAN,
        }
    }

    /// `exp(-sum p ln p)` with `p = lambda / tr K`; 0 for zeros.
    pub fn effective_rank(&self) -> f64 {
        perplexity(&self.eigenvalues)
    }

    /// `lambda_1 / tr K`, in `[1 / N, 1]`; NaN for zeros.
    pub fn top_share(&self) -> f64 {
        self.eigenvalues.first().map_or(f64::NAN, |top| top / self.trace())
    }
}

/// The Hessian of a loss on one fixed batch, through its products with vectors (Pearlmutter 1994).
/// Of a piecewise linear network it holds the Gauss-Newton part and the products of layers, never
/// the kinks.
#[derive(Debug)]
pub struct Hessian<'a> {
    params: &'a [&'a Tensor],
    /// With the graph that leads to them.
    grads: Vec<Tensor>,
}

/// The ends of a spectrum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extremes {
    /// Largest eigenvalue, by sign: the sharpness.
    pub top: f64,
    /// Smallest eigenvalue: negative where the loss bends down.
    pub bottom: f64,
}

impl<'a> Hessian<'a> {
    /// Of a scalar `loss` by `params`, which must require gradients. Uses up the graph of `loss`.
    pub fn of(loss: &Tensor, params: &'a [&'a Tensor]) -> Self {
        Hessian { params, grads: derivatives(loss, params, true, true) }
    }

    /// Number of parameters `P`.
    pub fn size(&self) -> i64 {
        self.params.iter().map(|p| p.numel() as i64).sum()
    }

    /// `H v`, both `[P]`: the gradient of `g . v`. In f64 on the CPU.
    pub fn product(&self, v: &Tensor) -> Tensor {
        let sizes: Vec<i64> = self.params.iter().map(|p| p.numel() as i64).collect();
        let parts = v.split_with_sizes(sizes, 0);
        let terms: Vec<Tensor> = self
            .grads
            .iter()
            .zip(&parts)
            .map(|(g, v)| (g * v.to_device(g.device()).to_kind(g.kind()).view_as(g)).sum(g.kind()))
            .collect();
        let scalar = Tensor::stack(&terms, 0).sum(self.grads[0].kind());
        flat(&derivatives(&scalar, self.params, true, false)).to_device(Device::Cpu)
    }

    /// Estimates from inside of the outermost eigenvalues, by `steps` of Lanczos (20 to 50; exact
    /// with `P`); `None` if a number is not finite.
    pub fn extremes(&self, steps: usize, rng: &mut Rng) -> Option<Extremes> {
        let ritz = ritz_values(|v| self.product(v), self.size(), steps, rng)?;
        Some(Extremes { top: *ritz.last()?, bottom: *ritz.first()? })
    }
}

/// Ritz values, smallest first, of a symmetric operator on `[size]` f64 CPU vectors after at most
/// `steps` of Lanczos from a normal vector (Golub & Van Loan, section 10.1), which find the outermost
/// eigenvalues of either sign first. Every vector is made orthogonal to all before it, twice: plain
/// Lanczos loses that and reports eigenvalues several times. `None` if a number is not finite.
pub fn ritz_values(
    mut product: impl FnMut(&Tensor) -> Tensor,
    size: i64,
    steps: usize,
    rng: &mut Rng,
) -> Option<Vec<f64>> {
    let steps = (steps as i64).min(size);
    let basis = Tensor::zeros([steps, size], (Kind::Double, Device::Cpu));
    let tridiagonal = Tensor::zeros([steps, steps], (Kind::Double, Device::Cpu));
    let mut next = random::normal_f64(&[size], rng);
    let (mut length, mut scale, mut k) = (next.norm().double_value(&[]), 0f64, 0);
    // A remainder within rounding of the operator's size means that the space is invariant.
    while k < steps && length > scale * size as f64 * ROUNDING {
        if k > 0 {
            let _ = tridiagonal.get(k).get(k - 1).fill_(length); // eigvalsh reads the lower half
        }
        let q = next / length;
        basis.get(k).copy_(&q);
        k += 1;
        let mut rest = product(&q);
        let along = q.dot(&rest).double_value(&[]);
        let _ = tridiagonal.get(k - 1).get(k - 1).fill_(along);
        let before = basis.narrow(0, 0, k);
        for _ in 0..2 {
            rest = &rest - before.tr().mv(&before.mv(&rest));
        }
        length = rest.norm().double_value(&[]);
        if !(along.is_finite() && length.is_finite()) {
            return None;
        }
        scale = scale.max(along.abs()).max(length);
        next = rest;
    }
    let t = tridiagonal.narrow(0, 0, k).narrow(1, 0, k);
    Some(numbers(&t.linalg_eigvalsh("L")))
}

/// Local redundancy (arXiv 2607.13432), a lower bound on how alike the models one gradient step away
/// are: the mean over samples of `||grad l||^2` for `l = ||f - y||^2 / (2 sigma^2)` with labels `y`
/// drawn around the model's own outputs, `y = f + sigma z`. Its expectation over `z` is
/// `mean_i tr(J_i J_i^T) / sigma^2`, returned here for Jacobians `[N, P]` of one output or `[N, K, P]`
/// of several; with `sigma` 1 that is the mean trace of the tangent kernel. For other losses, give
/// gradients at labels drawn from the model and `sigma` 1. Compares one architecture with itself.
pub fn local_redundancy(jacobian: &Tensor, sigma: f64) -> f64 {
    squared(&double(jacobian)) / (jacobian.size()[0] as f64 * sigma * sigma)
}
