//! What one forward pass leaves behind: hidden activations, and the next values of buffers.
//!
//! An explicit argument instead of forward hooks: who reads activations (diagnostics, the search for
//! a NaN) passes a recording trace, everyone else passes [`Trace::off`].

use tch::Tensor;

use crate::params::ParamId;

/// What an activation is like, and so which measures of it mean something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// As `max(z, 0)`: units can be off.
    Relu,
    /// As the hyperbolic tangent: units can saturate at -1 and 1.
    Tanh,
    /// As `z * sigmoid(z)`: neither.
    Silu,
    /// No nonlinearity: features between layers.
    Linear,
}

/// The activations of one layer.
#[derive(Debug)]
pub struct Entry {
    /// Name of the layer.
    pub layer: String,
    /// What produced them.
    pub activity: Activity,
    /// `[B, units]`; of a convolution `[B, channels, height, width]`.
    pub values: Tensor,
}

/// What a forward pass leaves behind, in order of computation.
#[derive(Debug, Default)]
pub struct Trace {
    recording: bool,
    entries: Vec<Entry>,
    proposals: Vec<(ParamId, Tensor)>,
}

impl Trace {
    /// A trace that records.
    pub fn on() -> Self {
        Trace { recording: true, ..Trace::default() }
    }

    /// A trace that records no activations: the usual case, free of cost.
    pub fn off() -> Self {
        Trace::default()
    }

    /// Called by networks after each nonlinearity and where features pass between layers: `layer` is
    /// the name of the layer, `values` is as in [`Entry`].
    pub fn record(&mut self, layer: &str, activity: Activity, values: &Tensor) {
        if self.recording {
            let values = values.shallow_clone();
            self.entries.push(Entry { layer: layer.to_owned(), activity, values });
        }
    }

    /// Called by layers with running statistics in training: `next` is the value of the buffer `id` after the step
    /// that this pass leads to.
    pub fn propose(&mut self, id: ParamId, next: Tensor) {
        self.proposals.push((id, next));
    }

    /// The next values of buffers, in order of computation.
    pub fn proposals(&self) -> &[(ParamId, Tensor)] {
        &self.proposals
    }

    /// The entry of a layer.
    pub fn get(&self, layer: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| e.layer == layer)
    }

    /// In order of computation.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}
