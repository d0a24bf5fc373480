//! One command per file.

mod check_env;
mod diagnose;
mod envs;
mod eval;
mod resume;
mod train;

use std::process::ExitCode;

use ::envs::Registry;
use anyhow::Result;

use crate::args::{Args, Command};

pub(crate) fn run(args: Args, registry: &Registry) -> Result<ExitCode> {
    match args.command {
        Command::Train { config, set, run_dir, json } => {
            train::run(registry, &config, &set, run_dir.as_deref(), json)
        }
        Command::Resume { run, set, json } => resume::run(registry, &run, &set, json),
        Command::Eval { run, episodes, seed, age, newest, video, fps, json } => {
            let video = video.as_deref().map(|folder| (folder, fps));
            let how = eval::How { episodes, seed, age, newest, video };
            eval::run(registry, &run, &how, json)
        }
        Command::Diagnose { run, probe, deep, json } => {
            diagnose::run(registry, &run, probe, deep, json)
        }
        Command::Envs => envs::run(registry),
        Command::CheckEnv { id, set } => check_env::run(registry, &id, &set),
    }
}
