//! Architectures: [`ArchSettings`] describes one, `build` makes it, [`Network`] runs it.

use std::{fmt::Debug, sync::Arc};

use tch::Tensor;

use crate::{
    exec::fused_cpu::{ProgramBuilder, Slot},
    forward::Forward,
    params::Params,
    random::Rng,
    registry::{Holds, Named, Part},
};

/// From input to raw outputs, as a function of its parameters.
pub trait Network: Send + Sync {
    /// `x` is `[B, D]`, inputs of any shape flattened; one `[B, width]` tensor per requested output, in that order.
    fn forward(&self, fw: &mut Forward<'_>, x: &Tensor) -> Vec<Tensor>;

    /// The same as operations on buffers, for execution without autograd: outputs in the same order.
    ///
    /// # Errors
    /// The first part that has no such form, in words that end a sentence.
    fn program(&self, _b: &mut ProgramBuilder<'_>, _x: Slot) -> Result<Vec<Slot>, String> {
        Err("its architecture has no fused form".to_owned())
    }
}

/// `arch` of a configuration.
pub type ArchConfig = Named<dyn ArchSettings>;

/// The settings of one architecture.
pub trait ArchSettings: Debug + Send + Sync {
    /// What is wrong with the numbers, if anything.
    ///
    /// # Errors
    /// One sentence about the first value that cannot work, beginning with its key.
    fn validate(&self) -> Result<(), String> {
        Ok(())
    }

    /// Makes the network under `prefix`, adding its parameters to `p`. `input` is the shape of one input, which comes
    /// flat whatever it is; `outputs` are `(name, width)`, one head each. Numbers are checked before.
    ///
    /// # Errors
    /// One sentence about inputs that it cannot take.
    fn assemble(
        &self,
        p: &mut Params,
        prefix: &str,
        input: &[i64],
        outputs: &[(&str, i64)],
        rng: &mut Rng,
    ) -> Result<Arc<dyn Network>, String>;

    /// Units of the first layer and inputs of the heads, where the configuration knows them and there are any: a
    /// network whose first or last weights would not fit into memory is refused before it is made.
    fn ends(&self) -> (Option<i64>, Option<i64>);

    /// The same with numbers where the configuration leaves them to the run, if it does; `high` is the largest number that
    /// an input can hold, or 1 where there is none.
    fn resolved(&self, _high: f64) -> Option<ArchConfig> {
        None
    }

    /// Whether its inputs are pictures and not flat vectors.
    fn takes_pictures(&self) -> bool {
        false
    }
}

impl<P: Part + ArchSettings> Holds<P> for dyn ArchSettings {
    fn hold(part: Arc<P>) -> Arc<Self> {
        part
    }
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
        let network = self.assemble_checked(p, prefix, input, outputs, rng)?;
        p.end_network();
        Ok(network)
    }

    /// The same for a part of a network.
    pub(crate) fn assemble_checked(
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
        self.assemble(p, prefix, input, outputs, rng)
    }

    /// Puts numbers where the configuration leaves them to the run ([`ArchSettings::resolved`]).
    pub fn resolve(&mut self, high: f64) {
        if let Some(resolved) = self.resolved(high) {
            *self = resolved;
        }
    }
}

/// 1 GiB of weights, of which training holds some eight copies: beyond it a network is a typing error
/// that would take the machine's memory.
const MOST_WEIGHTS: i64 = 1 << 28;

/// # Errors
/// One sentence about `key` when it makes more weights than a machine holds.
pub fn check_weights(key: &str, weights: i64) -> Result<(), String> {
    if weights <= MOST_WEIGHTS {
        return Ok(());
    }
    Err(format!(
        "{key} makes {weights} weights between layers; give layers with at most {MOST_WEIGHTS}"
    ))
}

/// Several independent networks on one input, as one: outputs of the first, then the second, ...
pub struct Ensemble(pub Vec<Arc<dyn Network>>);

impl Network for Ensemble {
    fn forward(&self, fw: &mut Forward<'_>, x: &Tensor) -> Vec<Tensor> {
        self.0.iter().flat_map(|net| net.forward(fw, x)).collect()
    }

    fn program(&self, b: &mut ProgramBuilder<'_>, x: Slot) -> Result<Vec<Slot>, String> {
        let mut outputs = Vec::new();
        for net in &self.0 {
            outputs.extend(net.program(b, x)?);
        }
        Ok(outputs)
    }
}
