//! `supple train`, and the run itself, which `supple resume` shares.

use std::{path::Path, process::ExitCode};

use agents::{
    config::{Config, notes},
    runtime::{
        session::{Parts, Progress, Report},
        train::train,
    },
    storage::{
        checkpoint::{self, Checkpoint, Content},
        provenance,
        run_dir::RunDir,
    },
};
use anyhow::Result;
use envs::Registry;
use networks::params::StateDict;

use super::earlier_run::find;
use crate::{
    output::{note, print, program},
    progress::Display,
    stop,
};

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

/// How a run talks to who started it.
#[derive(Clone, Copy)]
pub(super) struct How {
    /// The result as one JSON object.
    pub(super) json: bool,
    /// Stop when standard input ends.
    pub(super) until_eof: bool,
}

/// Where a run begins.
pub(super) enum Start {
    /// At step 0.
    Fresh,
    /// At step 0, with the replay of another run's checkpoint.
    WithReplay(Checkpoint),
    /// Where it was.
    Resumed(Checkpoint),
}

/// Trains to the end, an interrupt or an error, and prints the result.
pub(super) fn execute(
    mut parts: Parts,
    config: &Config,
    run: &RunDir,
    start: Start,
    how: How,
) -> Result<ExitCode> {
    let (checkpoint, init_replay) = match start {
        Start::Fresh => (None, None),
        Start::WithReplay(source) => (None, Some(source)),
        Start::Resumed(checkpoint) => (Some(checkpoint), None),
    };
    let name = run.name();
    let dir = name.display();
    note(&format!("run folder: {dir}"));
    note(&format!("watch it:   tensorboard --logdir {dir}"));
    note(&parts.exec());
    for sentence in parts.notes() {
        note(&format!("note: {sentence}"));
    }
    let done = checkpoint.as_ref().map_or(0, |c| c.state.env_steps);
    let mut display = Display::new(config.total_steps, done);

    let notes = display.notes();
    let stop = stop::signal(how.until_eof, move || {
        notes.line("stopping: saving a checkpoint; press Ctrl-C again to quit at once");
    })?;

    let mut watch = |p: &Progress| display.update(p);
    let mut session = parts.session(run, checkpoint, stop, &mut watch);
    session.init_replay = init_replay;
    let result = train(session);
    display.finish();
    let report = result?;
    if report.interrupted {
        let (dir, steps) = (run.name(), report.steps);
        note(&format!(
            "stopped at step {steps}; resume with: {} resume {}",
            program(),
            dir.display()
        ));
    }
    for idle in report.interventions.iter().filter(|m| m.count == 0 && report.updates > 0) {
        note(&format!("note: {}'s intervention {} never acted in this run", idle.net, idle.kind));
    }
    if let Some(sentence) = notes::clipped(report.boundary_mass) {
        note(&format!("note: {sentence}"));
    }
    summarise(&report, &run.name(), how.json)?;
    Ok(ExitCode::from(if report.interrupted { 130 } else { 0 }))
}

fn summarise(report: &Report, run: &Path, json: bool) -> Result<()> {
    if json {
        let mut value = serde_json::to_value(report)?;
        value["run_dir"] = run.display().to_string().into();
        return print(&value.to_string());
    }
    let result = match (report.return_mean, report.return_std) {
        (Some(mean), Some(std)) => format!("return {mean:.1} +- {std:.1}"),
        _ => "no evaluation".to_owned(),
    };
    print(&format!(
        "{result} after {} steps, {} updates, {} episodes in {:.1} s ({:.0} steps/s, {:.0} updates/s)",
        report.steps,
        report.updates,
        report.episodes,
        report.wall_s,
        report.steps_per_s,
        report.updates_per_s
    ))
}
