//! Normalisation of a layer's outputs.

mod batch_norm;
mod batch_renorm;
mod layer_norm;
mod none;
mod rms_norm;

pub use batch_norm::BatchNorm;
pub use batch_renorm::BatchRenorm;
pub use layer_norm::LayerNorm;
pub use none::NoNorm;
pub use rms_norm::RmsNorm;

use std::{fmt::Debug, sync::Arc};

use tch::Tensor;

use crate::{
    exec::fused_cpu::{ProgramBuilder, Slot},
    forward::Forward,
    init::Init,
    params::{ParamId, Params, Role},
    random::Rng,
    registry::{Family, Holds, Named, Open, Part},
};

/// `norm` of an architecture.
pub type NormConfig = Named<dyn NormSettings>;

/// One line each.
impl Open for dyn NormSettings {
    const KEY: &'static str = "norm";

    fn builtin() -> Family<Self> {
        let mut family = Family::default();
        family.add::<BatchNorm>();
        family.add::<BatchRenorm>();
        family.add::<LayerNorm>();
        family.add::<NoNorm>();
        family.add::<RmsNorm>();
        family
    }
}

/// The settings of one kind of normalisation.
pub trait NormSettings: Debug + Send + Sync {
    /// # Errors
    /// One sentence about the first value that cannot work, beginning with its key.
    fn validate(&self) -> Result<(), String> {
        Ok(())
    }

    /// The layer over `width` units (or channels), with parameters `name/...`; none where there is nothing to do.
    /// `eps` is what the architecture adds to a variance or a mean square unless the settings have a key for it
    /// (PyTorch's `LayerNorm` takes 1e-5, Flax 1e-6).
    fn build(
        &self,
        p: &mut Params,
        name: &str,
        width: i64,
        eps: f64,
        rng: &mut Rng,
    ) -> Option<Arc<dyn Norm>>;

    /// Whether there is nothing to do.
    fn is_none(&self) -> bool {
        false
    }
}

/// A normalisation layer.
pub trait Norm: Debug + Send + Sync {
    /// `[B, width, ...] -> [B, width, ...]`
    fn forward(&self, fw: &mut Forward<'_>, x: &Tensor) -> Tensor;

    /// The same as an operation on buffers.
    ///
    /// # Errors
    /// Why there is none, in words that end a sentence.
    fn program(&self, _b: &mut ProgramBuilder<'_>, _x: Slot) -> Result<Slot, String> {
        Err("one of its norms has no fused form".to_owned())
    }

    /// Its vectors `[width]`, learned and remembered, a number for each unit.
    fn per_unit(&self) -> Vec<ParamId>;
}

impl<P: Part + NormSettings> Holds<P> for dyn NormSettings {
    fn hold(part: Arc<P>) -> Arc<Self> {
        part
    }
}

/// Learned gain, from 1, and offset, from 0, `[width]` each, where there are any.
#[derive(Clone, Copy, Debug)]
struct Affine {
    gain: Option<ParamId>,
    offset: Option<ParamId>,
}

impl Affine {
    /// `name/gain` and `name/offset`, if they are wanted.
    fn new(
        p: &mut Params,
        name: &str,
        width: i64,
        (gain, offset): (bool, bool),
        rng: &mut Rng,
    ) -> Self {
        let mut vector = |part: &str, role, value| {
            p.add(format!("{name}/{part}"), role, &[width], Init::Constant(value), rng)
        };
        let gain = gain.then(|| vector("gain", Role::NormGain, 1.0));
        let offset = offset.then(|| vector("offset", Role::NormOffset, 0.0));
        Affine { gain, offset }
    }

    fn ids(&self) -> impl Iterator<Item = ParamId> + use<> {
        self.gain.into_iter().chain(self.offset)
    }

    fn values<'p>(&self, p: &'p Params) -> (Option<&'p Tensor>, Option<&'p Tensor>) {
        (self.gain.map(|id| p.get(id)), self.offset.map(|id| p.get(id)))
    }

    /// `x * gain + offset` over the second dimension.
    fn apply(&self, p: &Params, x: &Tensor) -> Tensor {
        let (gain, offset) = self.values(p);
        let x = gain.map_or_else(|| x.shallow_clone(), |gain| x * over_units(gain, x));
        offset.map_or_else(|| x.shallow_clone(), |offset| &x + over_units(offset, &x))
    }
}

/// `[width]` in a shape that broadcasts over `x`, `[B, width, ...]`.
fn over_units(vector: &Tensor, x: &Tensor) -> Tensor {
    if x.dim() == 2 {
        return vector.shallow_clone();
    }
    let mut shape = vec![1; x.dim()];
    shape[1] = -1;
    vector.view(shape.as_slice())
}

fn yes() -> bool {
    true
}
