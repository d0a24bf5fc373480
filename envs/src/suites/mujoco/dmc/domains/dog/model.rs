//! The dog's model. Its bones have the mass of their meshes, which are read from the folder of the
//! models.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use mujoco_rs::prelude::MjModel;

use crate::EnvError;
use crate::suites::mujoco::dmc::models;
use crate::suites::mujoco::sim::Sim;

/// Of meshes and skin.
const FOLDER: &str = concat!(env!("MUJOCO_DYNAMIC_LINK_DIR"), "/../dm_control/dog_assets");

/// The model with or without ball, target and walls. To compile its meshes takes half a second, so
/// that is done once; every environment has its copy.
pub(super) fn compiled(ball: bool) -> Result<MjModel, EnvError> {
    static COMPILED: Mutex<[Option<MjModel>; 2]> = Mutex::new([None, None]);
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let slot = &mut compiled[usize::from(ball)];
    let model = match slot {
        Some(model) => model,
        None => slot.insert(compile(ball)?),
    };
    Ok(model.clone())
}

fn compile(ball: bool) -> Result<MjModel, EnvError> {
    // Textures are large, and skin and ball can be seen without.
    let mut xml = models::file!("dog.xml").to_owned();
    for name in ["skin", "tennis_ball"] {
        xml = without(&xml, &format!("<texture name=\"{name}\""), "/>")?;
        xml = xml.replace(&format!(" texture=\"{name}\""), "");
    }
    if !ball {
        // As far as it runs in an episode. Planes have no end for the engine, so the size of the
        // floor, which `dm_control` makes smaller for other tasks, can only be seen.
        xml = xml.replace("size=\"10 10 0.1\"", "size=\"135 135 0.1\"");
        xml = without(&xml, "<body name=\"ball\"", "</body>")?;
        xml = without(&xml, "<geom name=\"target\"", "/>")?;
        for camera in ["ball", "head"] {
            xml = without(&xml, &format!("<camera name=\"{camera}\""), "/>")?;
        }
        for wall in ["px", "nx", "py", "ny"] {
            xml = without(&xml, &format!("<geom name=\"wall_{wall}\""), "/>")?;
        }
    }
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for (name, content) in models::COMMON {
        files.push((name.into(), content.into()));
    }
    let named = xml.split("file=\"").skip(1).filter_map(|rest| rest.split('"').next());
    for name in named.filter(|name| !name.starts_with("./common/")) {
        let path = Path::new(FOLDER).join(name);
        let content = std::fs::read(&path).map_err(|error| {
            format!(
                "the dog's file '{}' cannot be read: {error}; run `cargo xtask setup`",
                path.display()
            )
        })?;
        files.push((name.into(), content));
    }
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
    Sim::compile("dog", &xml, &files)
}

/// The text without its one element that begins and ends so.
fn without(xml: &str, begin: &str, end: &str) -> Result<String, EnvError> {
    let cut = xml.split_once(begin).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(end)?;
        Some(format!("{before}{after}"))
    });
    cut.ok_or_else(|| format!("the dog's model has no '{begin}'; run `cargo xtask setup`").into())
}
