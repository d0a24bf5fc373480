//! Interventions: what happens to the loss and the gradients before, and to the weights after, an optimiser
//! step.
//!
//! One paper per file, with its keys, their defaults, what it needs and what it refuses. The order in the
//! configuration is the order of application.

mod cbp;
mod hooks;
mod l2_init;
mod nap;
mod parseval;
mod redo;
mod reset_layers;
mod settings;
mod shrink_perturb;

pub use cbp::{Cbp, Utility};
pub use hooks::{Clock, Intervention, NeuronStats, StepCx};
pub use l2_init::L2Init;
pub use nap::{Nap, NapGains};
pub use parseval::Parseval;
pub use redo::Redo;
pub use reset_layers::{Layers, ResetLayers};
pub use settings::{Effects, Host, InterventionConfig, InterventionSettings, check, validate};
pub use shrink_perturb::ShrinkPerturb;

use crate::registry::{Family, Open};

/// One line each.
impl Open for dyn InterventionSettings {
    const KEY: &'static str = "interventions";

    fn builtin() -> Family<Self> {
        let mut family = Family::default();
        family.add::<Cbp>();
        family.add::<L2Init>();
        family.add::<Nap>();
        family.add::<Parseval>();
        family.add::<Redo>();
        family.add::<ResetLayers>();
        family.add::<ShrinkPerturb>();
        family
    }
}
