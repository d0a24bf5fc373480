//! Tensors from an explicit, seeded generator.
//!
//! libtorch's own generator is one per process and shared by all threads, so it is banned
//! (`clippy.toml`): noise and initial weights are drawn here and only then become tensors. Runs are
//! bitwise equal even when several share a process.

use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use tch::{Kind, Tensor};

/// The one generator type: portable across releases and machines, with serialisable state and
/// numbered streams.
pub type Rng = rand_chacha::ChaCha8Rng;

/// The generator for one component of a run: same `seed`, different `stream`, independent numbers.
pub fn stream(seed: u64, stream: u64) -> Rng {
    let mut rng = Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// Standard normal f32 tensor of `shape`, on the CPU.
pub fn normal(shape: &[i64], rng: &mut Rng) -> Tensor {
    Tensor::from_slice(&normals(len(shape), rng)).view(shape)
}

/// As many numbers as [`normal`] has.
pub fn normals(n: usize, rng: &mut Rng) -> Vec<f32> {
    (0..n).map(|_| rng.sample(StandardNormal)).collect()
}

/// Uniform f32 tensor of `shape` in `[low, high)`, on the CPU.
pub fn uniform(shape: &[i64], low: f64, high: f64, rng: &mut Rng) -> Tensor {
    let values: Vec<f32> =
        (0..len(shape)).map(|_| (low + (high - low) * rng.random::<f64>()) as f32).collect();
    Tensor::from_slice(&values).view(shape)
}

/// Standard normal f64 tensor, for initialisers that orthogonalise.
pub(crate) fn normal_f64(shape: &[i64], rng: &mut Rng) -> Tensor {
    let values: Vec<f64> = (0..len(shape)).map(|_| rng.sample(StandardNormal)).collect();
    debug_assert_eq!(Tensor::from_slice(&values).kind(), Kind::Double);
    Tensor::from_slice(&values).view(shape)
}

fn len(shape: &[i64]) -> usize {
    shape.iter().product::<i64>() as usize
}
