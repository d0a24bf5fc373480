//! A small regressor in plain f64 loops: one hidden layer or none, one output, an update per example.
//!
//! It is what the learner of tensors ([`crate::slowly_changing::run`]) is, a hundred times as fast, and
//! with all learners of Dohare et al. 2024 (Nature 632): SGD and Adam, L2, shrink and perturb (L2 and
//! Gaussian noise on all weights at every step), continual backprop.
//!
//! ```text
//! z = W x + b, h = activation(z), f = v.h + c      gradient of (f - y)^2, with its factor 2
//! ```

mod config;
mod math;

use std::ops::Range;

use networks::{
    interventions::{Cbp, Utility},
    random::Rng,
};
use rand::RngExt;
use rand_distr::StandardNormal;

pub use config::{ScalarConfig, UpdateRule};
use math::{activate, dot};

/// What continual backprop knows of a unit.
#[derive(Clone, Debug, Default)]
struct Unit {
    /// Updates since its birth.
    age: u64,
    /// `eta^age`
    power: f64,
    /// `f`
    mean: f64,
    /// `u`
    utility: f64,
}

/// The learner.
#[derive(Clone, Debug)]
pub struct Scalar {
    config: ScalarConfig,
    inputs: usize,
    /// `W` row by row, `b`, `v`, `c`.
    weights: Vec<f64>,
    grad: Vec<f64>,
    /// Weights, and the unit whose age they have; those that are as old as the learner have `hidden`.
    owned: Vec<(Range<usize>, usize)>,
    /// First and second of each weight (Adam).
    moments: [Vec<f64>; 2],
    /// `beta1^t` and `beta2^t` of each owner.
    powers: Vec<[f64; 2]>,
    units: Vec<Unit>,
    replacement_accumulator: f64,
    replaced: u64,
    x: Vec<f64>,
    /// Activations and slopes of the last example; of a linear learner its inputs.
    h: Vec<f64>,
    slope: Vec<f64>,
    rng: Rng,
}

impl Scalar {
    /// With first weights from `rng`, which later draws are from, too.
    pub fn new(config: &ScalarConfig, inputs: usize, mut rng: Rng) -> Self {
        let (n, (hidden, output)) = (config.hidden, config.bounds(inputs));
        let mut draw = |count: usize, bound: f64| -> Vec<f64> {
            (0..count).map(|_| uniform(bound, &mut rng)).collect()
        };
        let mut weights = draw(n * inputs, hidden);
        weights.resize(n * inputs + n, 0.0);
        weights.extend(draw(if n > 0 { n } else { inputs }, output));
        weights.push(0.0);
        Scalar::from_weights(config, inputs, weights, rng)
    }

    /// With these first weights: `W` row by row, `b`, `v`, `c`.
    ///
    /// # Panics
    /// If there are not as many as the learner has.
    pub fn from_weights(config: &ScalarConfig, inputs: usize, weights: Vec<f64>, rng: Rng) -> Self {
        let (n, m) = (config.hidden, inputs);
        let features = if n > 0 { n } else { m };
        let outputs = n * m + n;
        let mut owned: Vec<(Range<usize>, usize)> = Vec::new();
        for i in 0..n {
            owned.push((i * m..(i + 1) * m, i));
            owned.extend([n * m + i, outputs + i].map(|k| (k..k + 1, i)));
        }
        let rest = if n > 0 { outputs + n } else { outputs };
        owned.push((rest..outputs + features + 1, n));
        assert_eq!(weights.len(), outputs + features + 1, "weights of {m} inputs and {n} units");
        let zeros = vec![0.0; weights.len()];
        Scalar {
            config: config.clone(),
            inputs,
            grad: zeros.clone(),
            owned,
            moments: [zeros.clone(), zeros],
            powers: vec![[1.0; 2]; n + 1],
            units: vec![Unit { power: 1.0, ..Unit::default() }; n],
            replacement_accumulator: 0.0,
            replaced: 0,
            x: vec![0.0; m],
            h: vec![0.0; features],
            slope: vec![1.0; features],
            weights,
            rng,
        }
    }

    /// Learns from one example, whose input `j` is bit `j` of `x`; the squared error before.
    pub fn update(&mut self, x: u64, y: f64) -> f64 {
        let error = self.forward(x) - y;
        self.backward(2.0 * error);
        match self.config.kind {
            UpdateRule::Sgd => self.sgd(),
            UpdateRule::Adam | UpdateRule::Adamw => self.adam(),
        }
        if self.config.noise_std > 0.0 {
            for w in &mut self.weights {
                *w += self.config.noise_std * self.rng.sample::<f64, _>(StandardNormal);
            }
        }
        if let Some(cbp) = self.config.cbp {
            self.replace_units(&cbp);
        }
        error * error
    }

    /// Activations of the last example, before its update; its inputs if the learner is linear.
    pub fn activations(&self) -> &[f64] {
        &self.h
    }

    /// Mean of all `|w|`, biases left out.
    pub fn weight_magnitude(&self) -> f64 {
        let (n, m) = (self.config.hidden, self.inputs);
        let (inner, outer) = (0..n * m, n * m + n..self.weights.len() - 1);
        let count = (inner.len() + outer.len()) as f64;
        inner.chain(outer).map(|k| self.weights[k].abs()).sum::<f64>() / count
    }

    /// All weights: `W` row by row, `b`, `v`, `c`.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Units that continual backprop replaced so far.
    pub fn replaced(&self) -> u64 {
        self.replaced
    }

    fn forward(&mut self, x: u64) -> f64 {
        let (n, m) = (self.config.hidden, self.inputs);
        for (j, value) in self.x.iter_mut().enumerate() {
            *value = (x >> j & 1) as f64;
        }
        if n == 0 {
            self.h.copy_from_slice(&self.x);
        }
        for i in 0..n {
            let z = self.weights[n * m + i] + dot(&self.weights[i * m..(i + 1) * m], &self.x);
            (self.h[i], self.slope[i]) = activate(self.config.activation, z);
        }
        let out = &self.weights[n * m + n..];
        out[self.h.len()] + dot(&out[..self.h.len()], &self.h)
    }

    /// The gradient, from that of the loss with respect to the output.
    fn backward(&mut self, error: f64) {
        let (n, m) = (self.config.hidden, self.inputs);
        let (hidden, output) = self.grad.split_at_mut(n * m + n);
        let (rows, biases) = hidden.split_at_mut(n * m);
        for i in 0..n {
            let back = error * self.weights[n * m + n + i] * self.slope[i];
            biases[i] = back;
            for (g, x) in rows[i * m..(i + 1) * m].iter_mut().zip(&self.x) {
                *g = back * x;
            }
        }
        let features = self.h.len();
        for (g, h) in output.iter_mut().zip(&self.h) {
            *g = error * h;
        }
        output[features] = error;
    }

    fn sgd(&mut self) {
        let (lr, decay) = (self.config.lr, self.config.weight_decay);
        for (w, g) in self.weights.iter_mut().zip(&self.grad) {
            *w -= lr * (g + decay * *w);
        }
    }

    /// As [`networks::optim`]: bias corrections count from the birth of the unit.
    fn adam(&mut self) {
        let c = &self.config;
        let decoupled = c.kind == UpdateRule::Adamw;
        let (kept, decay) =
            if decoupled { (1.0 - c.lr * c.weight_decay, 0.0) } else { (1.0, c.weight_decay) };
        for [first, second] in &mut self.powers {
            *first *= c.beta1;
            *second *= c.beta2;
        }
        for (range, owner) in &self.owned {
            let [p1, p2] = self.powers[*owner];
            let (step, scale) = (c.lr / (1.0 - p1), 1.0 / (1.0 - p2));
            let weights = self.weights[range.clone()].iter_mut().zip(&self.grad[range.clone()]);
            let [first, second] = &mut self.moments;
            let moments = first[range.clone()].iter_mut().zip(&mut second[range.clone()]);
            for ((w, g), (m, v)) in weights.zip(moments) {
                let g = g + decay * *w;
                *m = c.beta1 * *m + (1.0 - c.beta1) * g;
                *v = c.beta2 * *v + (1.0 - c.beta2) * g * g;
                *w = kept * *w - step * *m / ((*v * scale).sqrt() + c.eps);
            }
        }
    }

    /// As [`networks::interventions`]' `cbp`, whose module says what it is.
    fn replace_units(&mut self, c: &Cbp) {
        let (n, m, eta) = (self.config.hidden, self.inputs, c.decay_rate);
        for (i, unit) in self.units.iter_mut().enumerate() {
            unit.age += 1;
            unit.power *= eta;
            let h = self.h[i];
            unit.mean = eta * unit.mean + (1.0 - eta) * h;
            let centre = if c.utility.is_centred() { unit.mean / (1.0 - unit.power) } else { 0.0 };
            let out = self.weights[n * m + n + i].abs();
            let row = &self.weights[i * m..(i + 1) * m];
            let incoming = row.iter().map(|w| w.abs()).sum::<f64>() / m as f64;
            let now = c.utility.of(out, incoming, (h - centre).abs());
            unit.utility = eta * unit.utility + (1.0 - eta) * now;
        }
        let mut ranked: Vec<f64> = Vec::new();
        if c.utility == Utility::Random {
            ranked = (0..n).map(|_| self.rng.random()).collect();
        }
        let mature = self.units.iter().filter(|u| u.age > c.maturity_threshold).count();
        let due = c.replacement_rate * mature as f64;
        let count = if mature == 0 {
            0.0
        } else if c.accumulate {
            self.replacement_accumulator += due;
            let whole = self.replacement_accumulator.floor();
            self.replacement_accumulator -= whole;
            whole
        } else if due < 1.0 {
            f64::from(u8::from(self.rng.random::<f64>() < due))
        } else {
            due.floor()
        };
        if count == 0.0 {
            return;
        }
        if c.utility != Utility::Random {
            ranked = self.units.iter().map(|u| u.utility / (1.0 - u.power)).collect();
        }
        let mut chosen: Vec<usize> =
            (0..n).filter(|&i| self.units[i].age > c.maturity_threshold).collect();
        chosen.sort_by(|&i, &j| ranked[i].total_cmp(&ranked[j]));
        chosen.truncate(count as usize);
        for i in chosen {
            self.replace(i, c.transfer_mean);
        }
    }

    fn replace(&mut self, i: usize, transfer_mean: bool) {
        let (n, m) = (self.config.hidden, self.inputs);
        let (bound, _) = self.config.bounds(m);
        let unit = &mut self.units[i];
        if transfer_mean {
            let mean = unit.mean / (1.0 - unit.power);
            let lost = self.weights[n * m + n + i] * mean;
            *self.weights.last_mut().expect("an output bias") += lost;
        }
        *unit = Unit { power: 1.0, ..Unit::default() };
        for w in &mut self.weights[i * m..(i + 1) * m] {
            *w = uniform(bound, &mut self.rng);
        }
        let (bias, out) = (n * m + i, n * m + n + i);
        (self.weights[bias], self.weights[out]) = (0.0, 0.0);
        for k in (i * m..(i + 1) * m).chain([bias, out]) {
            (self.moments[0][k], self.moments[1][k]) = (0.0, 0.0);
        }
        self.powers[i] = [1.0; 2];
        self.replaced += 1;
    }
}

/// As [`networks::random::uniform`].
fn uniform(bound: f64, rng: &mut Rng) -> f64 {
    -bound + 2.0 * bound * rng.random::<f64>()
}
