//! The grids that come with Supple: the files of `configs/bench/`.

/// Name and file of each suite.
pub const SUITES: &[(&str, &str)] =
    &[("control/cartpole-drift", include_str!("../../configs/bench/control/cartpole-drift.toml"))];

/// The file of the suite with this name.
pub fn find(name: &str) -> Option<&'static str> {
    SUITES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
