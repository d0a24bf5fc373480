//! Training, as `supple train` and `supple resume` do it: the run itself.

use std::{path::Path, process::ExitCode};

use agents::{
    config::{Config, notes},
    runtime::{
        session::{Parts, Progress, Report},
        train::train,
    },
    storage::{checkpoint::Checkpoint, run_dir::RunDir},
};
use anyhow::Result;

use crate::{
    output::{note, print, program},
    progress::Display,
    stop,
};

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
    parts: Parts,
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
