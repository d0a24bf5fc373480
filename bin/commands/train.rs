//! `supple train`

use std::{path::Path, process::ExitCode};

use agents::{
    config::Config,
    runtime::session::Parts,
    storage::{
        checkpoint::{self, Checkpoint, Content},
        provenance,
        run_dir::RunDir,
    },
};
use anyhow::Result;
use envs::Registry;
use networks::params::StateDict;

use super::{
    earlier_run::find,
    training::{How, Start, execute},
};
use crate::output::note;

/// What a run starts from.
#[derive(Clone, Copy)]
pub(super) struct Init<'a> {
    /// Another run, or a checkpoint in it.
    pub(super) run: &'a Path,
    /// Whether its replay is taken too.
    pub(super) replay: bool,
}

pub(super) fn run(
    registry: &Registry,
    path: &Path,
    set: &[String],
    run_dir: Option<&Path>,
    init: Option<Init<'_>>,
    how: How,
) -> Result<ExitCode> {
    let mut config = Config::load(path, set)?;
    resolve_threads(&mut config);
    // Everything that can be wrong is found before a folder is made.
    let mut parts = Parts::new(&config, registry)?;
    let source = init.map(|init| start_from(init, &mut parts)).transpose()?;
    let run = if let Some(dir) = run_dir {
        RunDir::create(dir, parts.config())?
    } else {
        let stem = path.file_stem().map_or("run".into(), |s| s.to_string_lossy().into_owned());
        RunDir::create_numbered(Path::new("runs"), &stem, parts.config())?
    };
    provenance::keep(run.path(), &registry.sources())?;
    let Some((source, replay)) = source else {
        return execute(parts, &config, &run, Start::Fresh, how);
    };
    // A resume and diagnostics need what the run began with, and the other run may be gone by then.
    let mut model = StateDict::new();
    parts.agent().save(&mut model);
    let (state, evaluating) = (&source.state, Vec::new());
    let content = Content { state, model: &model, evaluating, replay: None };
    checkpoint::write(run.path(), "init", &content)?;
    let start = if replay { Start::WithReplay(source) } else { Start::Fresh };
    execute(parts, &config, &run, start, how)
}

/// Gives the agent the weights of another run, and says which. The checkpoint they are of, and whether its
/// replay is wanted.
fn start_from(init: Init<'_>, parts: &mut Parts) -> Result<(Checkpoint, bool)> {
    let (_, source) = find(init.run, init.replay)?;
    let report = parts.init_from(&source)?;
    note(&format!("starting from {}: {}", source.path.display(), report.taken.join(", ")));
    for (part, why) in report.left {
        note(&format!("note: {part} keeps its own start: {why}"));
    }
    Ok((source, init.replay))
}

/// 0 means all cores; the number goes into the run folder, so that a resume uses the same.
fn resolve_threads(config: &mut Config) {
    if config.runtime.torch_threads == 0 {
        config.runtime.torch_threads = std::thread::available_parallelism().map_or(1, usize::from);
    }
}
