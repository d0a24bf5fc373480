//! The models of `dm_control` 1.0.50 (Apache-2.0 licence, `DeepMind`), inside the executable.
//! `dog.rs` reads meshes on top.

use mujoco_rs::prelude::MjModel;

use crate::EnvError;
use crate::suites::mujoco::sim::Sim;

macro_rules! file {
    ($name:literal) => {
        include_str!(concat!(env!("MUJOCO_DYNAMIC_LINK_DIR"), "/../dm_control/", $name))
    };
}
pub(super) use file;

/// What all of them include.
pub(super) const COMMON: [(&str, &[u8]); 3] = [
    ("./common/materials.xml", file!("common/materials.xml").as_bytes()),
    ("./common/skybox.xml", file!("common/skybox.xml").as_bytes()),
    ("./common/visual.xml", file!("common/visual.xml").as_bytes()),
];

/// The domain's model, after `edit` changed its numbers.
pub(super) fn load(
    domain: &str,
    xml: &str,
    edit: impl FnOnce(&mut MjModel) -> Result<(), EnvError>,
) -> Result<Sim, EnvError> {
    let mut model = Sim::compile(domain, xml, &COMMON)?;
    edit(&mut model)?;
    Sim::new(domain, model)
}
