//! The algorithms, and the table of those that a configuration can name.

pub(crate) mod acting;
pub mod dqn;
mod fused;
pub mod network;
pub mod range;
pub mod sac;
mod settings;
pub(crate) mod value_rows;

pub use settings::{AgentConfig, AlgorithmSettings};

use networks::registry::{Family, Open};

use self::{dqn::DqnConfig, sac::SacConfig};

/// One line each.
impl Open for dyn AlgorithmSettings {
    const KEY: &'static str = "agent";

    fn builtin() -> Family<Self> {
        let mut family = Family::default();
        family.add::<DqnConfig>();
        family.add::<SacConfig>();
        family
    }
}

/// The discount that SimbaV2's code (and TD-MPC2's, where it comes from) gives episodes of
/// `steps` agent steps: `(T - 1) / T` with `T = steps / 5`, at least 0.95 and at most 0.995.
pub fn gamma_heuristic(steps: f64) -> f64 {
    let fifth = steps / 5.0;
    ((fifth - 1.0) / fifth).clamp(0.95, 0.995)
}
