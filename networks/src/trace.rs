//! Hidden activations recorded by one forward pass.
//!
//! An explicit argument instead of forward hooks: who reads activations (diagnostics, continual
//! backprop, the search for a NaN) passes a recording trace, everyone else passes [`Trace::off`].

use tch::Tensor;

/// What a forward pass leaves behind, in order of computation.
#[derive(Debug, Default)]
pub struct Trace {
    recording: bool,
    entries: Vec<(String, Tensor)>,
}

impl Trace {
    /// A trace that records.
    pub fn on() -> Self {
        Trace { recording: true, entries: Vec::new() }
    }

    /// A trace that ignores everything: the usual case, free of cost.
    pub fn off() -> Self {
        Trace::default()
    }

    /// Called by networks after each nonlinearity: `layer` is the name of the layer, `activation`
    /// is `[B, units]`.
    pub fn record(&mut self, layer: &str, activation: &Tensor) {
        if self.recording {
            self.entries.push((layer.to_owned(), activation.shallow_clone()));
        }
    }

    /// `(layer, activation [B, units])` in order of computation.
    pub fn entries(&self) -> &[(String, Tensor)] {
        &self.entries
    }
}
