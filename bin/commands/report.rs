//! `supple report`: from run folders to tables and figures.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, anyhow, bail};
use benchmarks::{
    grid::Grid,
    report::{self, Versions},
    study::{self, Study},
    summary::Summary,
};

use crate::output::print;

pub(super) fn run(dirs: &[PathBuf], out: Option<&Path>, steps: Option<u64>) -> Result<ExitCode> {
    // A grid.toml alone is one that nothing was done with.
    let is_grid = |dir: &PathBuf| dir.join("grid.toml").exists() && dir.join("runs").exists();
    let page = match dirs {
        [dir] if is_grid(dir) => {
            if steps.is_some() {
                bail!(
                    "{0} is a grid, whose runs are as long as it says; for the first steps of them give {0}/runs",
                    dir.display()
                );
            }
            let path = dir.join("grid.toml");
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let grid = Grid::parse(&text, false).map_err(|e| anyhow!("{}: {e}", path.display()))?;
            let name = dir.canonicalize().unwrap_or_else(|_| dir.clone());
            let name = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
            of_grid(&name, &grid, dir, out)?
        }
        _ => {
            if let Some(grid) = dirs.iter().find(|dir| is_grid(dir)) {
                bail!(
                    "{0} is a grid, which has a report of its own: give it alone, or {0}/runs to \
                     compare its runs with others",
                    grid.display()
                );
            }
            let study = study::plain(dirs, steps).map_err(|e| anyhow!(e))?;
            write(&study, out.unwrap_or(Path::new("report")))?
        }
    };
    print(&format!("report: {}", page.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// The report of a grid, in its folder if not somewhere else; gives the path of its page.
pub(super) fn of_grid(name: &str, grid: &Grid, dir: &Path, out: Option<&Path>) -> Result<PathBuf> {
    let study = grid.study(name, dir).map_err(|e| anyhow!(e))?;
    write(&study, &out.map_or_else(|| dir.join("report"), Path::to_owned))
}

fn write(study: &Study, out: &Path) -> Result<PathBuf> {
    report::write(study, &Summary::of(study), &Versions::here(), out)?;
    Ok(out.join("report.html"))
}
