//! What a report is written from.

use super::{drawing::plot::Course, looks::Look, settings::Change, verdict::Verdict};
use crate::{study::Study, summary::Summary};

/// What made the report, and as a rule the runs.
#[derive(Clone, Debug, Default)]
pub struct Versions {
    /// Of Supple.
    pub supple: String,
    /// Of libtorch.
    pub libtorch: String,
    /// Of MuJoCo, in builds that have it.
    pub mujoco: Option<String>,
    /// What was built for: `x86_64-linux`.
    pub target: String,
}

impl Versions {
    /// Of this program.
    pub fn here() -> Versions {
        Versions {
            supple: env!("CARGO_PKG_VERSION").to_owned(),
            libtorch: networks::torch_version(),
            mujoco: envs::mujoco_version().map(ToOwned::to_owned),
            target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        }
    }

    /// Names and values, for lists.
    pub(super) fn listed(&self) -> Vec<(&'static str, String)> {
        let mut all = vec![("Supple", self.supple.clone()), ("libtorch", self.libtorch.clone())];
        all.extend(self.mujoco.clone().map(|version| ("MuJoCo", version)));
        all.push(("built for", self.target.clone()));
        all
    }
}

/// Everything a page or a file is written from.
pub(super) struct Report<'a> {
    pub(super) study: &'a Study,
    pub(super) summary: &'a Summary,
    pub(super) about: &'a Versions,
    pub(super) looks: Vec<Look>,
    /// Plasticity measures, summed up.
    pub(super) beside: Vec<(String, Vec<Course>)>,
    pub(super) verdict: Verdict,
    pub(super) changes: Vec<Option<Vec<Change>>>,
    /// The link to each run, in the order of methods and runs.
    pub(super) links: Vec<Vec<String>>,
}
