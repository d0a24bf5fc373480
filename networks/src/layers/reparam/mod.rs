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

use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::{
    params::{ParamId, Params},
    registry::{Family, Named, Open, Part, Registries},
};

/// `weight` of an architecture.
pub type ReparamConfig = Named<dyn ReparamSettings>;

/// What comes with this crate: one line each.
pub(crate) fn builtin() -> Family<dyn ReparamSettings> {
    let mut family = Family::default();
    family.add::<SpectralNorm>();
    family.add::<Stored>();
    family
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

/// A function of one weight.
pub trait Reparam: Debug + Send + Sync {
    /// What the layer multiplies with, differentiable in the stored weight `w`.
    fn effective(&self, w: &Tensor, p: &Params) -> Tensor;
    /// Brings the buffers up to date with a weight that has changed: by a step or, if `jumped`, by a reset.
    fn advance(&self, p: &mut Params, jumped: bool);
}

/// Layers of an MLP, by where they stand.
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

    /// Whether output layers are among them.
    pub fn has_heads(self) -> bool {
        matches!(self, WeightLayers::Heads | WeightLayers::All)
    }
}

impl Open for dyn ReparamSettings {
    fn family(registries: &Registries) -> &Family<Self> {
        &registries.reparams
    }
}

impl<P: Part + ReparamSettings> From<P> for ReparamConfig {
    fn from(settings: P) -> Self {
        Named::new(settings, |s: Arc<P>| -> Arc<dyn ReparamSettings> { s })
    }
}
