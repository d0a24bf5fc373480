//! One paper's architecture per file.

pub mod conv;
pub mod mlp;
pub mod simba;
pub mod simba_v2;
mod trunk;

use self::{conv::ConvConfig, mlp::MlpConfig, simba::SimbaConfig, simba_v2::SimbaV2Config};
use crate::{
    network::ArchSettings,
    registry::{Family, Open},
};

/// One line each.
impl Open for dyn ArchSettings {
    const KEY: &'static str = "arch";

    fn builtin() -> Family<Self> {
        let mut family = Family::default();
        family.add::<ConvConfig>();
        family.add::<MlpConfig>();
        family.add::<SimbaConfig>();
        family.add::<SimbaV2Config>();
        family
    }
}
