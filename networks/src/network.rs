//! Architectures: [`ArchConfig`] lists them, `build` makes one, [`Network`] runs it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::{
    arch::{
        check_weights,
        conv::{Conv, ConvConfig},
        mlp::{Mlp, MlpConfig},
        simba::{Simba, SimbaConfig},
        simba_v2::{SimbaV2, SimbaV2Config},
    },
    forward::Forward,
    params::Params,
    random::Rng,
};

/// From input to raw outputs, as a function of its parameters.
pub trait Network: Send + Sync {
    /// `x` is `[B, D]`, inputs of any shape flattened; one `[B, width]` tensor per requested output, in that order.
    fn forward(&self, fw: &mut Forward<'_>, x: &Tensor) -> Vec<Tensor>;
}

/// The architectures a configuration can name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ArchConfig {
    /// Multi-layer perceptron, optionally with layer normalisation before each nonlinearity.
    Mlp(MlpConfig),
    /// SimBa: residual blocks with layer normalisation.
    Simba(SimbaConfig),
    /// SimbaV2: features and weights on unit spheres.
    SimbaV2(SimbaV2Config),
    /// Convolutions in front of one of the others.
    Conv(ConvConfig),
}

impl ArchConfig {
    /// Builds the network under `prefix`, adding its parameters to `p`. `input` is the shape of one
    /// input, which comes flat whatever it is; `outputs` are `(name, width)`, one head each.
    ///
    /// # Errors
    /// One sentence about a number that cannot work, or inputs that the architecture cannot take.
    pub fn build(
        &self,
        p: &mut Params,
        prefix: &str,
        input: &[i64],
        outputs: &[(&str, i64)],
        rng: &mut Rng,
    ) -> Result<Arc<dyn Network>, String> {
        self.validate()?;
        let sizes = || input.iter().copied().chain(outputs.iter().map(|(_, width)| *width));
        if input.is_empty() || outputs.is_empty() || sizes().any(|n| n < 1) {
            return Err(format!(
                "inputs of shape {input:?} and outputs {outputs:?} make no network; give at least one of each, of \
                 length 1 or more"
            ));
        }
        let width = input.iter().fold(1, |size: i64, &n| size.saturating_mul(n));
        let (first, last) = self.ends();
        let heads = outputs.iter().fold(0, |sum: i64, (_, n)| sum.saturating_add(*n));
        check_weights("the input", width.saturating_mul(first.unwrap_or(heads)))?;
        check_weights("the output", heads.saturating_mul(last.unwrap_or(1)))?;
        Ok(match self {
            ArchConfig::Mlp(c) => Arc::new(Mlp::new(c, p, prefix, width, outputs, rng)),
            ArchConfig::Simba(c) => Arc::new(Simba::new(c, p, prefix, width, outputs, rng)),
            ArchConfig::SimbaV2(c) => Arc::new(SimbaV2::new(c, p, prefix, width, outputs, rng)),
            ArchConfig::Conv(c) => Arc::new(Conv::new(c, p, prefix, input, outputs, rng)?),
        })
    }

    /// Units of the first and the last hidden layer, where there are any; of convolutions the picture decides.
    fn ends(&self) -> (Option<i64>, Option<i64>) {
        match self {
            ArchConfig::Mlp(c) => (c.hidden.first().copied(), c.hidden.last().copied()),
            ArchConfig::Simba(c) => (Some(c.width), Some(c.width)),
            ArchConfig::SimbaV2(c) => (Some(c.width), Some(c.width)),
            ArchConfig::Conv(_) => (Some(1), None),
        }
    }

    /// Puts numbers where the configuration leaves them to the run; `high` is the largest number that
    /// an input can hold, or 1 where there is none.
    pub fn resolve(&mut self, high: f64) {
        if let ArchConfig::Conv(config) = self {
            config.resolve(high);
        }
    }

    /// What is wrong with the numbers, if anything, naming the key.
    ///
    /// # Errors
    /// One sentence about the first value that cannot work.
    pub fn validate(&self) -> Result<(), String> {
        match self {
            ArchConfig::Mlp(config) => config.validate(),
            ArchConfig::Simba(config) => config.validate(),
            ArchConfig::SimbaV2(config) => config.validate(),
            ArchConfig::Conv(config) => config.validate(),
        }
    }
}

/// Several independent networks on one input, as one: outputs of the first, then the second, ...
pub struct Ensemble(pub Vec<Arc<dyn Network>>);

impl Network for Ensemble {
    fn forward(&self, fw: &mut Forward<'_>, x: &Tensor) -> Vec<Tensor> {
        self.0.iter().flat_map(|net| net.forward(fw, x)).collect()
    }
}
