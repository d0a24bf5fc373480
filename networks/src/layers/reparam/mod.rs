//! Reparametrisations: a layer multiplies with a function of its stored weight.
//!
//! The optimiser changes the stored weight, through the function. What the function remembers are
//! [buffers](crate::params::Role::Buffer), which change once after each step and never in a forward pass: so looking
//! changes nothing, and all passes of one update see one function.

mod none;
mod spectral_norm;

pub use none::Stored;
pub use spectral_norm::SpectralNorm;

use std::{fmt::Debug, sync::Arc};

pub use crate::params::Reparam;

use serde::{Deserialize, Serialize};

use crate::{
    params::{ParamId, Params},
    registry::{Family, Holds, Named, Open, Part},
};

/// `weight` of an architecture.
pub type ReparamConfig = Named<dyn ReparamSettings>;

/// One line each.
impl Open for dyn ReparamSettings {
    const KEY: &'static str = "weight";

    fn builtin() -> Family<Self> {
        let mut family = Family::default();
        family.add::<SpectralNorm>();
        family.add::<Stored>();
        family
    }
}

/// The settings of one reparametrisation.
pub trait ReparamSettings: Debug + Send + Sync {
    /// # Errors
    /// One sentence about the first value that cannot work, beginning with its key.
    fn validate(&self) -> Result<(), String> {
        Ok(())
    }

    /// The layers whose weights it is for; none leaves every weight as it is stored.
    fn layers(&self) -> Option<WeightLayers>;

    /// Of the weight `id`, with buffers of its own in `p` from now on.
    fn build(&self, id: ParamId, p: &mut Params) -> Arc<dyn Reparam>;
}

/// Layers of a network, by where they stand: the hidden ones in the order in which they compute, which in a
/// torso are its convolutions and in a residual network embedding and blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightLayers {
    /// The last hidden one.
    #[default]
    Penultimate,
    /// Hidden ones but the first.
    Intermediate,
    /// All hidden ones.
    Hidden,
    /// The output layers.
    Heads,
    /// All.
    All,
}

impl WeightLayers {
    /// Whether hidden layer `index` of `count` is one of them.
    pub fn has_hidden(self, index: usize, count: usize) -> bool {
        match self {
            WeightLayers::Penultimate => index + 1 == count,
            WeightLayers::Intermediate => index > 0,
            WeightLayers::Hidden | WeightLayers::All => true,
            WeightLayers::Heads => false,
        }
    }

    /// Whether any of `count` hidden layers or of the heads, if the network has any, is one of them.
    ///
    /// # Errors
    /// One sentence without its key if none is.
    pub fn check(self, count: usize, heads: bool) -> Result<(), String> {
        if (0..count).any(|index| self.has_hidden(index, count)) || (heads && self.has_heads()) {
            return Ok(());
        }
        Err(format!(
            "layers chooses none of {count} hidden layers; give the network more, or take another choice"
        ))
    }

    /// Whether output layers are among them.
    pub fn has_heads(self) -> bool {
        matches!(self, WeightLayers::Heads | WeightLayers::All)
    }
}

impl<P: Part + ReparamSettings> Holds<P> for dyn ReparamSettings {
    fn hold(part: Arc<P>) -> Arc<Self> {
        part
    }
}
