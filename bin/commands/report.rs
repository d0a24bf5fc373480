//! `supple report`: from run folders to tables and figures.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use benchmarks::grid::Grid;

pub(super) fn run(_dirs: &[PathBuf], _out: Option<&Path>) -> Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}

/// The report of a grid in its folder.
pub(super) fn of_grid(_name: &str, _grid: &Grid, out: &Path) -> Result<PathBuf> {
    Ok(out.join("report").join("report.html"))
}
