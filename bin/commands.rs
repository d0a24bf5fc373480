//! One function per command.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use agents::{
    agent,
    checkpoint::{self, Checkpoint},
    config::Config,
    evaluate,
    run_dir::RunDir,
    streams,
    train::{self, Report, Session},
};
use anyhow::{Context, Result, anyhow, bail};
use envs::{Kwargs, Registry};
use networks::random;

use crate::{
    args::{Args, Command},
    progress::Display,
};

pub(crate) fn run(args: Args, registry: &Registry) -> Result<ExitCode> {
    match args.command {
        Command::Train { config, set, run_dir, json } => {
            train(registry, &config, &set, run_dir, json)
        }
        Command::Resume { run, set, json } => resume(registry, &run, &set, json),
        Command::Eval { run, episodes, seed, newest, json } => {
            eval(registry, &run, episodes as usize, seed, newest, json)
        }
        Command::Envs => {
            for id in registry.ids() {
                print_line(id);
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::CheckEnv { id, set } => check_env(registry, &id, &set),
    }
}

fn train(
    registry: &Registry,
    path: &Path,
    set: &[String],
    run_dir: Option<PathBuf>,
    json: bool,
) -> Result<ExitCode> {
    let mut config = Config::load(path, set)?;
    resolve_threads(&mut config);
    // Everything that can be wrong is found before a folder is made.
    registry.make(&config.env.name, &config.env.kwargs).map_err(|e| anyhow!(e))?;
    train::device(&config.runtime.device)?;
    let run = match run_dir {
        Some(dir) => RunDir::create(&dir, &config)?,
        None => {
            let stem = path.file_stem().map_or("run".into(), |s| s.to_string_lossy().into_owned());
            RunDir::create_numbered(Path::new("runs"), &stem, &config)?
        }
    };
    execute(registry, &config, &run, None, json)
}

fn resume(registry: &Registry, path: &Path, set: &[String], json: bool) -> Result<ExitCode> {
    for item in set {
        let key = item.split('=').next().unwrap_or_default();
        if key != "total_steps" && !key.starts_with("eval.") && !key.starts_with("checkpoint.") {
            bail!(
                "--set {item}: a resumed run can change total_steps, eval.* and checkpoint.* only; \
                 start a new run for the rest"
            );
        }
    }
    let run = RunDir::open(path)?;
    let config = Config::load(&path.join("config.toml"), set)?;
    let (checkpoint, warnings) = checkpoint::read_newest(path)?;
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    if checkpoint.state.env_steps >= config.total_steps {
        bail!(
            "{} is complete at {} steps; give --set total_steps=N with a larger N to go on",
            path.display(),
            checkpoint.state.env_steps
        );
    }
    run.write_config(&config)?;
    eprintln!("resuming at step {} from {}", checkpoint.state.env_steps, checkpoint.path.display());
    execute(registry, &config, &run, Some(checkpoint), json)
}

fn execute(
    registry: &Registry,
    config: &Config,
    run: &RunDir,
    checkpoint: Option<Checkpoint>,
    json: bool,
) -> Result<ExitCode> {
    let (ctrl_c, stop) = crossbeam::channel::bounded(1);
    ctrlc::set_handler(move || {
        if ctrl_c.try_send(()).is_err() {
            std::process::exit(130); // pressed again: at once
        }
        eprintln!("stopping: saving a checkpoint; press Ctrl-C again to quit at once");
    })
    .context("cannot listen for Ctrl-C")?;
    let dir = run.path().display();
    eprintln!("run folder: {dir}");
    eprintln!("watch it:   tensorboard --logdir {dir}");
    let done = checkpoint.as_ref().map_or(0, |c| c.state.env_steps);
    let mut display = Display::new(config.total_steps, done);
    let mut watch = |p: &train::Progress| display.update(p);
    let session = Session::new(config, registry, run, checkpoint, stop, &mut watch)?;
    let result = train::train(session);
    display.finish();
    let report = result?;
    if report.interrupted {
        eprintln!("stopped at step {}; go on with: supple resume {dir}", report.steps);
    }
    summarise(&report, run.path(), json)?;
    Ok(ExitCode::from(if report.interrupted { 130 } else { 0 }))
}

fn summarise(report: &Report, run: &Path, json: bool) -> Result<()> {
    if json {
        let mut value = serde_json::to_value(report)?;
        value["run_dir"] = run.display().to_string().into();
        print_line(&value.to_string());
        return Ok(());
    }
    let result = match (report.return_mean, report.return_std) {
        (Some(mean), Some(std)) => format!("return {mean:.1} +- {std:.1}"),
        _ => "no evaluation".to_owned(),
    };
    print_line(&format!(
        "{result} after {} steps, {} updates, {} episodes in {:.1} s ({:.0} steps/s, {:.0} updates/s)",
        report.steps,
        report.updates,
        report.episodes,
        report.wall_s,
        report.steps_per_s,
        report.updates_per_s
    ));
    Ok(())
}

fn eval(
    registry: &Registry,
    path: &Path,
    episodes: usize,
    seed: u64,
    newest: bool,
    json: bool,
) -> Result<ExitCode> {
    // A checkpoint folder lies two levels below its run.
    let (run, checkpoint) = if path.join("manifest.json").exists() {
        let run = path.parent().and_then(Path::parent).unwrap_or(Path::new("."));
        (run.to_owned(), checkpoint::read(path)?)
    } else {
        RunDir::config(path)?;
        let best = if newest { None } else { checkpoint::read_best(path)? };
        let chosen = match best {
            Some(best) => best,
            None => checkpoint::read_newest(path)?.0,
        };
        (path.to_owned(), chosen)
    };
    let config = RunDir::config(&run)?;
    let make = train::make_env(&config, registry);
    let spec = make().map_err(|e| anyhow!(e))?.spec();
    let mut rng = random::stream(config.seed, streams::INIT);
    let mut agent =
        agent::build(&config, &spec, tch::Device::Cpu, &mut rng).map_err(|e| anyhow!(e))?;
    agent
        .load(&checkpoint.model)
        .with_context(|| format!("checkpoint {} does not fit", checkpoint.path.display()))?;
    let stream = streams::evaluation(0);
    let (returns, lengths) =
        evaluate::evaluate(&*make, agent.policy().as_mut(), episodes, seed, stream)
            .map_err(|e| anyhow!(e))?;
    let result =
        agents::message::EvalResult { env_step: checkpoint.state.env_steps, returns, lengths };
    if json {
        let value = serde_json::json!({
            "checkpoint": checkpoint.path.display().to_string(),
            "steps": result.env_step,
            "episodes": episodes,
            "return_mean": result.mean(),
            "return_std": result.std(),
            "returns": result.returns,
            "lengths": result.lengths,
        });
        print_line(&value.to_string());
    } else {
        print_line(&format!(
            "return {:.1} +- {:.1} over {episodes} episodes with the weights of step {} ({})",
            result.mean(),
            result.std(),
            result.env_step,
            checkpoint.path.display()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn check_env(registry: &Registry, id: &str, set: &[String]) -> Result<ExitCode> {
    let mut kwargs = Kwargs::new();
    for item in set {
        let (key, value) = item.split_once('=').ok_or_else(|| {
            anyhow!("--set {item}: write it as key=value, for example gravity=12.0")
        })?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        kwargs.insert(key.to_owned(), value);
    }
    let mut env = registry.make(id, &kwargs).map_err(|e| anyhow!(e))?;
    let findings = envs::check(env.as_mut(), id);
    for finding in &findings {
        print_line(&finding.to_string());
    }
    let errors = findings.iter().filter(|f| f.severity == envs::Severity::Error).count();
    if findings.is_empty() {
        print_line(&format!("{id}: nothing to mend"));
    }
    Ok(if errors > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// 0 means all cores; the number goes into the run folder, so that a resume uses the same.
fn resolve_threads(config: &mut Config) {
    if config.runtime.torch_threads == 0 {
        config.runtime.torch_threads = std::thread::available_parallelism().map_or(1, usize::from);
    }
}

#[expect(clippy::print_stdout, reason = "results go to standard output, here and nowhere else")]
fn print_line(line: &str) {
    println!("{line}");
}
