//! `kind = "bit_flipping"`: [`crate::slowly_changing`]'s stream and a [`Scalar`] that follows it.

use networks::{diagnostics::Spectrum, random::Rng};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{
    activation::Activation,
    follower::{Draws, Follower},
    scalar::{Scalar, ScalarConfig},
};
use crate::slowly_changing::{Stream, StreamConfig};

/// A run. Measures of its rows, over the examples since the row before:
///
/// | tag | what |
/// | --- | --- |
/// | `stream/error` | mean squared error before each update |
/// | `stream/idle_units` | share of ReLU units that were on for at most 1 % of the examples |
/// | `stream/dead_units` | share of ReLU units that were never on |
/// | `stream/weight_magnitude` | mean of all `abs(w)`, biases left out, at the row |
/// | `stream/effective_rank` | of the hidden activations of the last examples, at most 500 |
/// | `stream/replaced_units` | units that continual backprop replaced since the start |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BitFlipping {
    /// Seed of every random number. The stream is the same for all learners.
    pub seed: u64,
    /// Examples that are learned from.
    pub examples: u64,
    /// Examples of the stream that went by before the first of them.
    pub example_offset: u64,
    /// Examples between two rows of metrics.
    pub log_every_examples: u64,
    /// The stream.
    pub stream: StreamConfig,
    /// The learner.
    pub learner: ScalarConfig,
}

/// The length and the bins of the released figure.
impl Default for BitFlipping {
    fn default() -> Self {
        BitFlipping {
            seed: 1,
            examples: 1_000_000,
            example_offset: 0,
            log_every_examples: 20_000,
            stream: StreamConfig::default(),
            learner: ScalarConfig::default(),
        }
    }
}

impl BitFlipping {
    pub(super) fn validate(&self) -> Result<(), String> {
        self.stream.validate().map_err(|e| format!("stream.{e}"))?;
        self.learner.validate().map_err(|e| format!("learner.{e}"))
    }
}

/// Rows of the matrix whose rank is measured.
const RANK_ROWS: u64 = 500;

pub(super) struct Run {
    data: Stream<Rng>,
    learner: Scalar,
    config: ScalarConfig,
}

impl Run {
    pub(super) fn new(c: &BitFlipping) -> Result<Self, String> {
        let mut data = Stream::new(c.stream.clone(), Draws::Data.of(c.seed))?;
        for _ in 0..c.example_offset {
            let _ = data.next();
        }
        let inputs = c.stream.inputs as usize;
        let learner = Scalar::new(&c.learner, inputs, Draws::Learner.of(c.seed));
        Ok(Run { data, learner, config: c.learner.clone() })
    }
}

impl Follower for Run {
    fn follow(&mut self, examples: u64) -> Result<Vec<(&'static str, f64)>, String> {
        let hidden = self.config.hidden;
        let mut error = 0.0;
        let mut on = vec![0u64; hidden];
        let mut features = Vec::new();
        for (k, (x, y)) in (0..examples).zip(&mut self.data) {
            error += self.learner.update(x, y);
            if hidden > 0 {
                let h = self.learner.activations();
                for (on, &h) in on.iter_mut().zip(h) {
                    *on += u64::from(h > 0.0);
                }
                if k + RANK_ROWS >= examples {
                    features.extend_from_slice(h);
                }
            }
        }
        let n = hidden as f64;
        let mut row = vec![
            ("stream/error", error / examples as f64),
            ("stream/weight_magnitude", self.learner.weight_magnitude()),
        ];
        if hidden == 0 {
            return Ok(row);
        }
        if self.config.activation == Activation::Relu {
            let share =
                |off: &dyn Fn(u64) -> bool| on.iter().filter(|&&on| off(on)).count() as f64 / n;
            row.push(("stream/idle_units", share(&|on| on * 100 <= examples)));
            row.push(("stream/dead_units", share(&|on| on == 0)));
        }
        let matrix = Tensor::from_slice(&features).view([-1, hidden as i64]);
        if let Some(spectrum) = Spectrum::of(&matrix) {
            row.push(("stream/effective_rank", spectrum.effective_rank()));
        }
        if self.config.cbp.is_some() {
            row.push(("stream/replaced_units", self.learner.replaced() as f64));
        }
        Ok(row)
    }
}
