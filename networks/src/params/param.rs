//! One parameter: a named tensor with a role.

use tch::Tensor;

use crate::init::Init;

/// What a parameter is to the network; plasticity interventions select by role, never by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Weight `[out, in]` of a hidden layer, or `[out, in, height, width]` of a convolution.
    Hidden,
    /// Weight `[out, in]` of a hidden layer whose outputs are normalised at once: scaling it, and the
    /// bias that follows it if there is one, has no effect.
    ScaleInvariant,
    /// Weight `[out, in]` of an output layer.
    Output,
    /// Weight `[out, in]` of any layer whose rows have unit 2-norm: [`crate::model::Model`] puts
    /// them back after every step (SimbaV2, arXiv 2502.15280).
    Hyperspherical,
    /// Learned elementwise factor ([`crate::layers::Scaler`]).
    Scaler,
    /// Bias of a layer.
    Bias,
    /// Gain of a normalisation layer.
    NormGain,
    /// Offset of a normalisation layer.
    NormOffset,
    /// A number outside any layer (a learned temperature, say).
    Scalar,
    /// What a layer remembers and no gradient changes: running statistics, singular vectors. Saved, sent to actors
    /// and copied to targets.
    Buffer {
        /// Whether a Polyak average of two is one: of statistics, not of directions.
        averaged: bool,
    },
    /// State of an intervention: saved, but never stepped, averaged or sent.
    State,
}

impl Role {
    /// Whether it is a layer's weight matrix.
    pub fn is_weight(self) -> bool {
        matches!(self, Role::Hidden | Role::ScaleInvariant | Role::Output | Role::Hyperspherical)
    }

    /// Whether gradients change it.
    pub fn is_trainable(self) -> bool {
        !matches!(self, Role::Buffer { .. } | Role::State)
    }
}

/// Index of a parameter in its [`Params`](super::Params).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParamId(pub(crate) usize);

impl Param {
    /// Its own part of an optimiser's learning rate.
    pub fn lr(&self, lr: f64) -> f64 {
        lr * self.lr_factor
    }

    /// Its own part of an optimiser's weight decay: all or nothing.
    pub fn decay(&self, weight_decay: f64) -> f64 {
        if self.decays { weight_decay } else { 0.0 }
    }
}

/// One named tensor.
#[derive(Debug)]
pub struct Param {
    /// Unique, with slashes: `q0/hidden_1/weight`.
    pub name: String,
    /// What it is to the network.
    pub role: Role,
    /// The distribution it was drawn from.
    pub init: Init,
    /// Current value.
    pub value: Tensor,
    /// Whether it belongs to an output head.
    pub head: bool,
    /// The optimiser step after which all of it was last drawn.
    pub(crate) birth: u64,
    /// Factor on the optimiser's learning rate.
    pub lr_factor: f64,
    /// Whether the optimiser's weight decay acts on it.
    pub decays: bool,
    /// Optimiser moments, same shape as `value`, in the optimiser's order.
    pub(crate) moments: Vec<Tensor>,
}
