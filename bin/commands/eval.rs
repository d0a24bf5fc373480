//! `supple eval`

use std::{path::Path, process::ExitCode};

use agents::{
    logging::{metrics, record::Row},
    runtime::{
        evaluate::{self, Plan, Played},
        message::EvalResult,
        session, streams,
    },
    storage::{checkpoint::Checkpoint, run_dir::RunDir},
};
use anyhow::{Context, Result, anyhow, bail, ensure};
use envs::{Env, EnvError, Registry};
use networks::random;

use super::earlier_run::{find, same_modules};
use crate::{
    output::{cut_off_note, interrupted_too_often, note, print},
    video::Video,
};

/// What is played, and how.
pub(super) struct How<'a> {
    pub(super) episodes: usize,
    pub(super) seed: u64,
    /// Of environments that drift; as the checkpoint's, if not given.
    pub(super) step_offset: Option<u64>,
    /// Episodes, seed and step offset of the evaluation that was logged at the checkpoint's step instead.
    pub(super) as_recorded: bool,
    pub(super) newest: bool,
    /// Folder and frames per second.
    pub(super) video: Option<(&'a Path, u16)>,
}

pub(super) fn run(registry: &Registry, path: &Path, how: &How<'_>, json: bool) -> Result<ExitCode> {
    let How { mut episodes, mut seed, step_offset, as_recorded, newest, video } = *how;
    let (run, checkpoint) = find(path, newest)?;
    let config = RunDir::config(&run)?;
    let mut stream = streams::evaluation(0);
    let recorded = as_recorded.then(|| recorded(&run, &checkpoint)).transpose()?;
    if recorded.is_some() {
        (episodes, seed) = (config.eval.episodes, config.seed);
        stream = streams::evaluation(checkpoint.state.env_steps);
    }
    let make = session::make_env(&config, registry);
    let mut env = make().map_err(|e| anyhow!(e))?;
    same_modules(&run, registry)?;
    let spec = env.spec();
    let name = &config.env.name;
    let begin = |(folder, fps)| Video::begin(folder, fps, episodes, env.as_mut(), name);
    let video = video.map(begin).transpose()?;
    drop(env); // it may hold a process or much memory
    let mut rng = random::stream(config.seed, streams::INIT);
    let mut agent =
        config.build_agent(&spec, tch::Device::Cpu, &mut rng).map_err(|e| anyhow!(e))?;
    agent
        .load(&checkpoint.model)
        .with_context(|| format!("checkpoint {} does not fit", checkpoint.path.display()))?;
    tch::set_num_threads(1); // as in training: batches are small
    let mut policy = agent.policy();
    let gamma = config.agent.gamma();
    let step_offset = step_offset.unwrap_or(evaluate::step_offset(checkpoint.state.rounds));
    let make: &dyn Fn() -> Result<Box<dyn Env>, EnvError> = match &video {
        Some(video) => &|| make().map(|env| video.record(env)),
        None => &*make,
    };
    let max_episode_steps = config.eval.max_episode_steps;
    let plan = Plan { episodes, max_episode_steps, gamma, step_offset, seed, stream };
    let played = evaluate::evaluate(make, policy.as_mut(), plan, &mut || true)
        .map_err(|e| anyhow!(e))?
        .context("the evaluation was given up")?;
    let Played { returns, lengths, paths, cut_off } = played;
    ensure!(!returns.is_empty(), interrupted_too_often());
    let result = EvalResult {
        env_step: checkpoint.state.env_steps,
        returns,
        lengths,
        paths,
        cut_off,
        returns_by_step_offset: Vec::new(),
    };
    if let Some(video) = video {
        let shown = video.folder().display().to_string();
        video.finish()?;
        note(&format!("videos: {shown}"));
    }
    if let Some(warning) = cut_off_note(&result) {
        note(&warning);
    }
    if json {
        let mut value = serde_json::json!({
            "checkpoint": checkpoint.path.display().to_string(),
            "steps": result.env_step,
            "episodes": episodes,
            "return_mean": result.mean(),
            "return_std": result.std(),
            "returns": result.returns,
            "lengths": result.lengths,
        });
        if let Some(recorded) = recorded {
            value["recorded_return_mean"] = recorded.into();
        }
        print(&value.to_string())?;
    } else {
        print(&format!(
            "return {:.1} +- {:.1} over {episodes} episodes with the weights of step {} ({})",
            result.mean(),
            result.std(),
            result.env_step,
            checkpoint.path.display()
        ))?;
    }
    match recorded {
        Some(mean) if mean != result.mean() => bail!(
            "the record has a return of {mean} at step {}: the environment, the processor or eval.episodes was another",
            result.env_step
        ),
        Some(_) => note("as recorded"),
        None => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// The mean return that was logged at the step of a checkpoint.
fn recorded(run: &Path, checkpoint: &Checkpoint) -> Result<f64> {
    let step = checkpoint.state.env_steps;
    let rows = metrics::read_rows(&run.join("metrics.jsonl"), step)?;
    let mean =
        |row: &Row| row.metrics.get("eval/return_mean")?.as_f64().filter(|_| row.step == step);
    rows.iter().rev().find_map(mean).with_context(|| {
        format!(
            "{} was not evaluated at step {step}; give a run with evaluations, or the checkpoint of a step that was evaluated",
            run.display()
        )
    })
}
