//! The models of Gymnasium 1.4 (MIT licence, Farama Foundation), inside the executable.

use std::path::PathBuf;

use crate::EnvError;
use crate::suites::mujoco::sim::Sim;

macro_rules! models {
    ($($file:literal),+ $(,)?) => {
        [$(($file, include_str!(concat!(
            env!("MUJOCO_DYNAMIC_LINK_DIR"), "/../gymnasium/", $file
        )))),+]
    };
}

/// Name and text.
const MODELS: [(&str, &str); 14] = models!(
    "ant.xml",
    "half_cheetah.xml",
    "hopper.xml",
    "humanoid.xml",
    "humanoidstandup.xml",
    "inverted_double_pendulum.xml",
    "inverted_pendulum.xml",
    "point.xml",
    "pusher.xml",
    "pusher_v5.xml",
    "reacher.xml",
    "swimmer.xml",
    "walker2d.xml",
    "walker2d_v5.xml",
);

/// As Gymnasium reads `xml_file`: a path if it begins with `.`, `/` or `~`, otherwise a file of
/// the suite.
pub(super) fn load(xml_file: &str) -> Result<Sim, EnvError> {
    if let Some((name, xml)) = MODELS.iter().find(|(name, _)| *name == xml_file) {
        return Sim::from_xml(name, xml);
    }
    if xml_file.starts_with(['.', '/']) {
        return Sim::from_path(&PathBuf::from(xml_file));
    }
    if let (Some(rest), Some(home)) = (xml_file.strip_prefix("~/"), std::env::home_dir()) {
        return Sim::from_path(&home.join(rest));
    }
    let names = MODELS.map(|(name, _)| name).join(", ");
    Err(format!(
        "there is no model '{xml_file}' in the suite; give a path that begins with ./, / or ~/, or \
         one of {names}"
    )
    .into())
}
