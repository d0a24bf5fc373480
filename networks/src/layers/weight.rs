//! A weight as it is stored, and as a layer multiplies with it.

use std::sync::Arc;

use tch::Tensor;

use crate::{
    layers::reparam::ReparamConfig,
    params::{ParamId, Params, Reparam},
};

/// A stored weight, and perhaps a function of it that takes its place.
#[derive(Clone, Debug)]
pub struct Weight {
    id: ParamId,
    reparam: Option<Arc<dyn Reparam>>,
}

impl Weight {
    /// The weight as it is stored.
    pub fn stored(id: ParamId) -> Self {
        Weight { id, reparam: None }
    }

    /// A function of the stored weight, with buffers that `p` keeps up to date from now on.
    #[must_use]
    pub fn reparametrise(self, config: &ReparamConfig, p: &mut Params) -> Self {
        let reparam = config.build(self.id, p);
        p.add_reparam(self.id, Arc::clone(&reparam));
        Weight { reparam: Some(reparam), ..self }
    }

    /// The stored tensor, which an optimiser changes.
    pub fn id(&self) -> ParamId {
        self.id
    }

    /// Whether a function of it takes its place.
    pub fn is_reparametrised(&self) -> bool {
        self.reparam.is_some()
    }

    /// What the layer multiplies with.
    pub fn effective(&self, p: &Params) -> Tensor {
        match &self.reparam {
            None => p.get(self.id).shallow_clone(),
            Some(reparam) => match p.folded(self.id) {
                Some(folded) => folded.shallow_clone(),
                None => reparam.effective(p.get(self.id), p),
            },
        }
    }
}
