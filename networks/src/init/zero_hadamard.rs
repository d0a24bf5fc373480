//! ZerO (Zhao, Schaefer & Anandkumar 2022, arXiv 2110.12661): weights of zeros and ones up to one factor.
//!
//! ```text
//! [m, n] = [out, in]    m <= n: ones on the diagonal    m > n: c H[:m, :n],  c = 2^(-k/2),  k = ceil(log2 m)
//! ```
//!
//! `H` is Sylvester's Hadamard matrix, whose entry `(i, j)` is -1 where `i & j` has an odd number of ones. The constant is
//! the one of the official code. Of a convolution the matrix stands at the centre of the kernel, at
//! `(height / 2, width / 2)`, and everything else is 0. The last layer of a residual branch and the heads are 0, and so
//! are biases.
//!
//! With few inputs many rows of `c H[:m, :n]` are the same, and units that start as twins stay twins: `n` inputs give at
//! most `2^ceil(log2 n)` different ones. [`ZeroHadamardSpread`] is ours: it takes the columns 1, 2, 4, ... first, after which
//! all rows differ as soon as `n >= k`; where there are fewer inputs it takes an orthogonal matrix.
//!
//! Two networks that learn beside each other (twin critics) would be the same for ever, so from the second on rows are
//! in an order of their own and with signs of their own: the only random numbers that are drawn.

use std::sync::Arc;

use rand::{RngExt as _, seq::SliceRandom as _};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{
    Distribution, Init,
    settings::{InitSettings, Place, Position},
};
use crate::{
    fused,
    random::{self, Rng},
    registry::Part,
};

/// `init = "zero_hadamard"`
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZeroHadamard {}

impl Part for ZeroHadamard {
    type Family = dyn InitSettings;

    const KIND: &'static str = "zero_hadamard";
    const SUMMARY: &'static str = "ZerO: identities, Hadamard rows and zeros; nothing random";
    const SOURCE: &'static str = "Zhao et al. 2022, arXiv 2110.12661";
}

impl InitSettings for ZeroHadamard {
    fn weight(&self, place: &Place) -> Init {
        choose(place, false)
    }
}

/// `init = "zero_hadamard_spread"`
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZeroHadamardSpread {}

impl Part for ZeroHadamardSpread {
    type Family = dyn InitSettings;

    const KIND: &'static str = "zero_hadamard_spread";
    const SUMMARY: &'static str =
        "ZerO with the columns of the Hadamard matrix in an order in which all rows differ";
    const SOURCE: &'static str = "ours, after Zhao et al. 2022, arXiv 2110.12661";
}

impl InitSettings for ZeroHadamardSpread {
    fn weight(&self, place: &Place) -> Init {
        if place.fan_in < place.fan_out && place.fan_in < bits(place.fan_out) {
            return if place.position == Position::Hidden {
                Init::Orthogonal(1.0)
            } else {
                zeros()
            };
        }
        choose(place, true)
    }
}

fn zeros() -> Init {
    Init::Constant(0.0)
}

fn choose(place: &Place, spread: bool) -> Init {
    match place.position {
        Position::Hidden => Init::Other(Arc::new(Zero { spread, permuted: place.network > 0 })),
        Position::Branch | Position::Output => zeros(),
    }
}

/// `ceil(log2 m)`
fn bits(m: i64) -> i64 {
    i64::from((m as u64).next_power_of_two().trailing_zeros())
}

/// The matrix of the header, f64 `[m, n]`; with `spread` ours.
pub fn zero_matrix(m: i64, n: i64, spread: bool) -> Tensor {
    if m <= n {
        return Tensor::eye_m(m, n, (Kind::Double, tch::Device::Cpu));
    }
    let k = bits(m);
    let mut columns: Vec<i64> = if spread { (0..k).map(|b| 1 << b).collect() } else { Vec::new() };
    let rest: Vec<i64> = (0..1 << k).filter(|j| !columns.contains(j)).collect();
    columns.extend(rest);
    columns.truncate(n as usize);
    let c = 2f64.powf(-(k as f64) / 2.0);
    let entry = |i: i64, j: i64| if (i & j).count_ones().is_multiple_of(2) { c } else { -c };
    let entries: Vec<f64> =
        (0..m).flat_map(|i| columns.iter().map(move |&j| entry(i, j))).collect();
    Tensor::from_slice(&entries).view([m, n])
}

#[derive(Debug)]
struct Zero {
    spread: bool,
    /// Rows in an order and with signs of their own.
    permuted: bool,
}

impl Distribution for Zero {
    fn sample(&self, shape: &[i64], rng: &mut Rng) -> Tensor {
        let (m, n) = (shape[0], shape[1]);
        let mut matrix = zero_matrix(m, n, self.spread);
        if self.permuted {
            let mut order: Vec<i64> = (0..m).collect();
            order.shuffle(rng);
            let signs: Vec<f64> = (0..m).map(|_| if rng.random() { 1.0 } else { -1.0 }).collect();
            matrix = matrix.index_select(0, &Tensor::from_slice(&order))
                * Tensor::from_slice(&signs).view([-1, 1]);
        }
        let matrix = matrix.to_kind(Kind::Float);
        let [_, _, height, width] = *shape else { return matrix };
        let kernel = Tensor::zeros(shape, (Kind::Float, tch::Device::Cpu));
        kernel.select(3, width / 2).select(2, height / 2).copy_(&matrix);
        kernel
    }

    /// A random direction with the norm that a row has.
    fn rows(&self, shape: &[i64], count: i64, rng: &mut Rng) -> Tensor {
        let (m, n) = (shape[0], shape[1]);
        let mut part = shape.to_vec();
        part[0] = count;
        let w = random::normal(&part, rng);
        fused::unit_rows_(&[&w], fused::L2_EPS);
        let norm = if m <= n { 1.0 } else { (n as f64 / 2f64.powf(bits(m) as f64)).sqrt() };
        w * norm
    }

    fn is_random(&self) -> bool {
        self.permuted
    }
}
