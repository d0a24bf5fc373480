//! Slowly-changing regression (Dohare et al. 2024, Nature 632, "Loss of plasticity in deep continual
//! learning", Methods; code: github.com/shibhansh/loss-of-plasticity, `lop/slowly_changing_regression`):
//! a small network follows a target whose inputs change a little now and then, and in time does so
//! worse than a linear one.
//!
//! Of `m` input bits the first `f` are slow: they stay for `T` examples and then flip. The others are
//! fair coins on each example. The target sums `n` linear threshold units with all weights `w_ij`,
//! `b_i`, `v_i`, `v_0` fair on {-1, 1}:
//!
//! `y = v_0 + sum_i v_i [z_i > theta_i]`, `z_i = b_i + sum_j w_ij x_j`, `theta_i = beta (m + 1) - S_i`
//!
//! The released code is not what the paper says in two places, so both are here: [`Flip`] and
//! [`Threshold`]. The published curves come from the released ones, which are the defaults.

mod learner;

pub use learner::{BIN, LearnerConfig, Outcome, run};

use rand::Rng;
use serde::{Deserialize, Serialize};

/// How slow bits change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flip {
    /// One of them, each as likely, flips (paper; `flip_one` in the code).
    One,
    /// All of them are resampled (the code's default).
    Redraw,
}

/// What `S_i` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Threshold {
    /// `(m - sum_j w_ij + b_i) / 2`: the negative weights among the `w_ij`, and half the bias (code).
    Released,
    /// `(m + 1 - sum_j w_ij - b_i) / 2`: the negative weights with the bias among them (paper).
    Paper,
}

/// A stream of examples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamConfig {
    /// Input bits `m`. The paper counts one more, which is always 1: the bias.
    pub inputs: u32,
    /// Slow bits `f`.
    pub slow: u32,
    /// Examples `T` between two changes of them.
    pub flip_after: u64,
    /// Threshold units `n` of the target.
    pub units: usize,
    /// Share `beta` of the inputs that must agree with a unit's weights.
    pub beta: f64,
    /// How slow bits change.
    pub flip: Flip,
    /// What `S_i` is.
    pub threshold: Threshold,
}

/// The released configuration.
impl Default for StreamConfig {
    fn default() -> Self {
        StreamConfig {
            inputs: 20,
            slow: 15,
            flip_after: 10_000,
            units: 100,
            beta: 0.7,
            flip: Flip::Redraw,
            threshold: Threshold::Released,
        }
    }
}

impl StreamConfig {
    /// # Errors
    /// One sentence about the first value that cannot work.
    pub fn validate(&self) -> Result<(), String> {
        let Self { inputs, slow, flip_after, units, .. } = *self;
        if units > 1 << 20 {
            return Err(format!("units is {units}; it must be at most {}", 1 << 20));
        }
        if inputs > 64 {
            return Err(format!("inputs is {inputs}; it must be at most 64"));
        }
        if slow == 0 || slow > inputs {
            return Err(format!("slow is {slow}; it must be in 1..={inputs}, the inputs"));
        }
        if flip_after == 0 {
            return Err("flip_after is 0; it must be at least 1".to_owned());
        }
        Ok(())
    }
}

/// Linear threshold unit of the target.
#[derive(Clone, Debug, PartialEq)]
pub struct Ltu {
    /// Bit `j` is set where `w_ij` is 1; elsewhere it is -1.
    positive: u64,
    /// `b_i`
    bias: f64,
    /// `theta_i`
    threshold: f64,
    /// `v_i`
    out: f64,
}

impl Ltu {
    /// From its weights on a stream of `c`.
    pub fn new(c: &StreamConfig, positive: u64, bias: f64, out: f64) -> Self {
        let m = f64::from(c.inputs);
        let sum = 2.0 * f64::from(positive.count_ones()) - m;
        let s = match c.threshold {
            Threshold::Released => 0.5 * (m - sum + bias),
            Threshold::Paper => 0.5 * (m + 1.0 - sum - bias),
        };
        Ltu { positive, bias, threshold: c.beta * (m + 1.0) - s, out }
    }

    /// `theta_i`
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    fn value(&self, x: u64) -> f64 {
        // The set bits under weights of 1, less those under -1.
        let dot = 2.0 * f64::from((x & self.positive).count_ones()) - f64::from(x.count_ones());
        if dot + self.bias > self.threshold { self.out } else { 0.0 }
    }
}

/// What is to be learned.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The threshold units.
    pub units: Vec<Ltu>,
    /// `v_0`
    pub bias: f64,
}

impl Target {
    /// `y` for the inputs `x`: bit `j` is `x_j`.
    pub fn value(&self, x: u64) -> f64 {
        self.bias + self.units.iter().map(|u| u.value(x)).sum::<f64>()
    }
}

/// Examples `(x, y)` without end; bit `j` of `x` is input `j`, the slow ones first.
///
/// Draws the target (all `w_ij` unit by unit, all `b_i`, all `v_i`, `v_0`), the slow bits, and then
/// for each example the change of slow bits, if it is time, and the other bits.
#[derive(Clone, Debug)]
pub struct Stream<R> {
    config: StreamConfig,
    target: Target,
    slow: u64,
    seen: u64,
    rng: R,
}

impl<R: Rng> Stream<R> {
    /// From its beginning.
    ///
    /// # Errors
    /// When a value of `config` cannot work.
    pub fn new(config: StreamConfig, mut rng: R) -> Result<Self, String> {
        config.validate()?;
        let masks: Vec<u64> = (0..config.units).map(|_| bits(config.inputs, &mut rng)).collect();
        let mut signs = || -> Vec<f64> { (0..config.units).map(|_| sign(&mut rng)).collect() };
        let (biases, outs) = (signs(), signs());
        let units = masks.iter().zip(biases).zip(outs);
        let units = units.map(|((&mask, bias), out)| Ltu::new(&config, mask, bias, out)).collect();
        let target = Target { units, bias: sign(&mut rng) };
        let slow = bits(config.slow, &mut rng);
        Ok(Stream { config, target, slow, seen: 0, rng })
    }

    /// What is to be learned.
    pub fn target(&self) -> &Target {
        &self.target
    }
}

impl<R: Rng> Iterator for Stream<R> {
    type Item = (u64, f64);

    fn next(&mut self) -> Option<(u64, f64)> {
        let c = &self.config;
        if self.seen > 0 && self.seen.is_multiple_of(c.flip_after) {
            match c.flip {
                Flip::One => self.slow ^= 1 << (self.rng.next_u64() % u64::from(c.slow)),
                Flip::Redraw => self.slow = bits(c.slow, &mut self.rng),
            }
        }
        self.seen += 1;
        let fast = bits(c.inputs - c.slow, &mut self.rng);
        let x = self.slow | fast.checked_shl(c.slow).unwrap_or(0); // no fast bits after 64 slow ones
        Some((x, self.target.value(x)))
    }
}

/// One fair bit per draw, its top bit, which is the best one of any generator.
fn bit(rng: &mut impl Rng) -> u64 {
    rng.next_u64() >> 63
}

fn bits(n: u32, rng: &mut impl Rng) -> u64 {
    (0..n).fold(0, |x, j| x | (bit(rng) << j))
}

fn sign(rng: &mut impl Rng) -> f64 {
    if bit(rng) == 1 { 1.0 } else { -1.0 }
}
