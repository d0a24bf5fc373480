//! Hidden units that can be replaced: what feeds them and what reads them.

use tch::Tensor;

use super::param::ParamId;

/// A layer that reads hidden units.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing {
    /// Weight `[out, n]`: a unit is a column.
    pub weight: ParamId,
    /// Bias `[out]`, if the layer has one.
    pub bias: Option<ParamId>,
}

/// The `n` hidden units of one layer.
#[derive(Clone, Debug)]
pub struct NeuronGroup {
    /// Name of the layer in a [`Trace`](crate::trace::Trace) of the network.
    pub layer: String,
    /// Weight `[n, in]`: a unit is a row.
    pub incoming: ParamId,
    /// Vectors `[n]` with a number for each unit: bias, scaler, gain, offset.
    pub per_neuron: Vec<ParamId>,
    /// Every layer that reads them.
    pub outgoing: Vec<Outgoing>,
    /// The optimiser step of each unit's birth, i64 `[n]`, and how many were replaced so far, i64;
    /// both [`Role::State`](super::Role::State) on the CPU. Only where an intervention replaces units.
    pub(crate) history: Option<(ParamId, ParamId)>,
}

impl NeuronGroup {
    /// The neurons of `layer`, without history.
    pub fn new(
        layer: &str,
        incoming: ParamId,
        per_neuron: impl IntoIterator<Item = ParamId>,
        outgoing: Vec<Outgoing>,
    ) -> Self {
        let per_neuron = per_neuron.into_iter().collect();
        NeuronGroup { layer: layer.to_owned(), incoming, per_neuron, outgoing, history: None }
    }
}

/// What the last step replaced, for a target network that should not mix old and new.
#[derive(Debug)]
pub(crate) enum Fresh {
    /// These units of this group; the mean activation that went over to the biases of the layers behind.
    NeuronGroup { group: usize, units: Tensor, transferred_mean: Option<Tensor> },
    /// A whole parameter.
    Whole(ParamId),
}
