//! One command per file.

mod bench;
mod check_env;
mod diagnose;
mod earlier_run;
mod envs;
mod eval;
mod kinds;
mod report;
mod resume;
mod stream;
mod train;

use std::process::ExitCode;

use ::envs::Registry;
use anyhow::Result;

use crate::args::{Args, Command};

pub(crate) fn run(args: Args, registry: &Registry) -> Result<ExitCode> {
    match args.command {
        Command::Train { config, set, run_dir, init_from, init_replay, json, until_eof } => {
            let how = train::How { json, until_eof };
            let init = init_from.as_deref().map(|run| train::Init { run, replay: init_replay });
            train::run(registry, &config, &set, run_dir.as_deref(), init, how)
        }
        Command::Resume { run, set, json, until_eof } => {
            resume::run(registry, &run, &set, train::How { json, until_eof })
        }
        Command::Eval {
            run,
            episodes,
            seed,
            step_offset,
            as_recorded,
            newest,
            video,
            fps,
            json,
        } => {
            let video = video.as_deref().map(|folder| (folder, fps));
            let how = eval::How { episodes, seed, step_offset, as_recorded, newest, video };
            eval::run(registry, &run, &how, json)
        }
        Command::Diagnose { run: Some(run), probe, deep, json, .. } => {
            diagnose::run(registry, &run, probe, deep, json)
        }
        Command::Diagnose { run: None, markdown, .. } => diagnose::list::run(markdown),
        Command::Bench { suite, methods, seeds, jobs, out, quick } => {
            let (methods, out) = (&methods[..], out.as_deref());
            let asked = bench::Asked { methods, seeds, jobs, out, quick };
            bench::run(registry, suite.as_deref(), &asked)
        }
        Command::Stream { config, set, run_dir, json, until_eof } => {
            let how = train::How { json, until_eof };
            stream::run(&config, &set, run_dir.as_deref(), how)
        }
        Command::Report { dirs, out, steps } => report::run(&dirs, out.as_deref(), steps),
        Command::Envs => envs::run(registry),
        Command::Kinds { markdown } => kinds::run(markdown),
        Command::CheckEnv { id, set, seconds } => check_env::run(registry, &id, &set, seconds),
    }
}
