//! What chooses the distributions of a network's layers.

use std::{fmt::Debug, sync::Arc};

use super::Init;
use crate::registry::{Holds, Named, Part};

/// `init` of an architecture.
pub type InitConfig = Named<dyn InitSettings>;

/// The settings of one initialiser.
pub trait InitSettings: Debug + Send + Sync {
    /// # Errors
    /// One sentence about the first value that cannot work, beginning with its key.
    fn validate(&self) -> Result<(), String> {
        Ok(())
    }

    /// The distribution of the weight of a layer.
    fn weight(&self, place: &Place) -> Init;

    /// The distribution of its bias.
    fn bias(&self, _place: &Place) -> Init {
        Init::Constant(0.0)
    }

    /// Both.
    fn layer(&self, place: Place) -> (Init, Init) {
        (self.weight(&place), self.bias(&place))
    }
}

/// A layer as its initialiser sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// What the layer is to the network.
    pub position: Position,
    /// Inputs of each output.
    pub fan_in: i64,
    /// Outputs.
    pub fan_out: i64,
    /// Which network of those that learn beside each other, from 0: the second of two critics is 1.
    pub network: usize,
}

/// What a layer is to its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// A hidden layer.
    Hidden,
    /// The last layer of a residual branch.
    Branch,
    /// An output layer.
    Output,
}

impl<P: Part + InitSettings> Holds<P> for dyn InitSettings {
    fn hold(part: Arc<P>) -> Arc<Self> {
        part
    }
}
