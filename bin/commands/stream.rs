//! `supple stream`: a supervised learner on a stream that changes.

use std::{path::Path, process::ExitCode};

use anyhow::{Result, anyhow};
use benchmarks::supervised::{self, Outcome, RunFolder, StreamRun};
use crossbeam::channel::TryRecvError;

use super::train::How;
use crate::{
    output::{note, print, program},
    progress::Examples,
    stop,
};

pub(super) fn run(
    path: &Path,
    set: &[String],
    run_dir: Option<&Path>,
    how: How,
) -> Result<ExitCode> {
    let config = StreamRun::load(path, set).map_err(|e| anyhow!(e))?;
    // Everything that can be wrong is found before a folder is made.
    let learner = config.start().map_err(|e| anyhow!("{}: {e}", path.display()))?;
    let folder = if let Some(dir) = run_dir {
        RunFolder::create(dir, &config)
    } else {
        let stem = path.file_stem().map_or("stream".into(), |s| s.to_string_lossy().into_owned());
        RunFolder::create_numbered(Path::new("runs"), &stem, &config)
    };
    let mut folder = folder?;
    note(&format!("run folder: {}", folder.name().display()));
    if let Some(remark) = config.remark() {
        note(&format!("note: {remark}"));
    }

    let stop = stop::signal(how.until_eof, || ())?;
    let mut shown = Examples::new(config.length().examples);
    let outcome = supervised::run(&config, learner, &mut folder, &mut |seen| {
        shown.update(seen);
        matches!(stop.try_recv(), Err(TryRecvError::Empty | TryRecvError::Disconnected))
    });
    shown.finish();
    let outcome = outcome?;
    if outcome.interrupted {
        note(&format!(
            "stopped after {} examples; a stream is not resumed: {} stream with the same --run-dir \
             starts it over",
            outcome.examples,
            program()
        ));
    }
    summarise(&outcome, &folder.name(), how.json)?;
    Ok(ExitCode::from(if outcome.interrupted { 130 } else { 0 }))
}

fn summarise(outcome: &Outcome, run: &Path, json: bool) -> Result<()> {
    if json {
        let mut value = serde_json::to_value(outcome)?;
        value["run_dir"] = run.display().to_string().into();
        return print(&value.to_string());
    }
    let name = outcome.metric.rsplit('/').next().unwrap_or_default();
    print(&format!(
        "{name} {:.4}, in the last tenth {:.4}, after {} examples in {:.1} s ({:.0} examples/s)",
        outcome.average,
        outcome.last_tenth,
        outcome.examples,
        outcome.wall_s,
        outcome.examples as f64 / outcome.wall_s.max(1e-9)
    ))
}
