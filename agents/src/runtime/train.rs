//! One run: builds the channels, starts the threads, drives the learner, joins everything and
//! reports the first error.
//!
//! Shutdown is disconnection: when the learner returns, its channel ends drop, the actors' `send`
//! and `recv` fail and they return, then the writer drains what is left. No stop flag, no mutex.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crossbeam::channel::{Sender, bounded};
use envs::{EnvError, VecEnv};
use networks::random;

use crate::{
    agent::Agent,
    config::Config,
    diagnostics::registry::Diagnostics,
    error::{CheckpointError, Error},
    logging::metrics::Writer,
    paths::shown,
    runtime::{
        actor::{self, Actor},
        actor_link::ActorLink,
        evaluate,
        evaluations::Evaluations,
        learner::Learner,
        learner_loop::{Channels, LearnerLoop},
        mailbox::mailbox,
        session::{MakeEnv, Report, Session},
        streams,
    },
    storage::checkpoint::{self, Checkpoint},
};

/// How long threads may take to end after the learner has: an environment's slowest step.
const PATIENCE: Duration = Duration::from_secs(30);

/// Trains until `total_steps`, a message on `stop`, or the first error.
///
/// # Errors
/// The first error of any thread, with the thread's name; every thread has ended by then.
pub fn train(session: Session<'_>) -> Result<Report, Error> {
    let Session { config, make_env, spec, agent, device, run, resume, init_replay, stop, watch } =
        session;
    networks::keep_freed_memory();
    let threads = config.runtime.actors + 2;
    let (faults, first_fault) = bounded(threads + 1); // one place per thread: sending never waits
    let mut handles = Vec::with_capacity(threads);

    let (actors, restarted) = build_actors(&config, &make_env, agent.as_ref(), resume.as_ref())?;
    let mut eval_policy = (config.eval.episodes > 0).then(|| agent.policy());
    let mut learner = Learner::new(&config, &spec, agent, device)?;
    let (mut env_steps, mut wall_before, mut replayed) = (0, 0.0, Vec::new());
    if let Some(checkpoint) = &resume {
        learner.restore(checkpoint)?;
        // It fits: from here on the folder changes.
        checkpoint::discard_newer(run.path(), checkpoint.state.env_steps)?;
        (env_steps, wall_before) = (checkpoint.state.env_steps, checkpoint.state.wall_s);
        replayed = checkpoint.evaluating.iter().map(|(state, _)| state.env_steps).collect();
    }
    if let Some(source) = init_replay.filter(|_| resume.is_none()) {
        learner.take_replay(&source)?;
    }
    let dashboard = Diagnostics::current().dashboard();
    let writer = Writer::open(run.path(), &dashboard, env_steps, wall_before, |row| {
        // An evaluation that the checkpoint does not know the result of is played and logged again.
        !(row.metrics.contains_key("eval/return_mean") && replayed.contains(&row.step))
    })?;

    // 1024 rows: some seconds of metrics, so that a slow disk slows training instead of losing rows.
    let (to_writer, writer_inbox) = bounded(1024);
    let (synced, writer_synced) = bounded(1);
    handles.push(spawn("metrics", &faults, move || writer.run(&writer_inbox, &synced)));

    // One job and one result: an evaluation never runs more than one behind.
    let (to_evaluator, eval_inbox) = bounded(1);
    let (result, eval_results) = bounded(1);
    if let Some(policy) = eval_policy.take() {
        let (make, eval, seed) = (Arc::clone(&make_env), config.eval.clone(), config.seed);
        let gamma = config.agent.gamma();
        handles.push(spawn("evaluator", &faults, move || {
            evaluate::run(&*make, policy, &eval, gamma, seed, &eval_inbox, &result)
        }));
    }

    // Fused updates have threads of their own, and libtorch's would spin beside them.
    let torch_threads =
        if learner.agent.is_fused() { 1 } else { config.runtime.torch_threads.max(1) };
    let mut channels = Channels {
        actors: Vec::new(),
        evaluations: Evaluations::new(to_evaluator, eval_results),
        to_writer,
        writer_synced,
        stop,
    };
    // With a lag actors read every message: weights for `lag` synchronisations and the next, and a word to save.
    let places = if config.runtime.lag > 0 { config.runtime.lag as usize + 2 } else { 1 };
    for (i, actor) in actors.into_iter().enumerate() {
        let name = format!("actor-{i}");
        if ActorLink::can_be_here(&config, torch_threads) {
            channels.actors.push(ActorLink::here(name, actor));
            continue;
        }
        let (to, inbox) = mailbox(places);
        let (outbox, from) = bounded(config.runtime.queue);
        channels.actors.push(ActorLink::Thread { to, from });
        let config = config.clone();
        let body = move || actor::run(actor, &config, &inbox, &outbox);
        handles.push(spawn(&name, &faults, body));
    }

    let (done, outcome) = bounded(1);
    guarded("learner", &faults, || {
        tch::set_num_threads(torch_threads as i32);
        let learning =
            LearnerLoop::new(config, learner, channels, run.path(), resume, restarted, watch)?;
        let report = learning.run()?; // consumes the channels: everybody sees the learner go
        let _ = done.send(report);
        Ok(())
    });
    let joined = join_all(handles);
    drop(faults);
    if let Ok(fault) = first_fault.try_recv() {
        return Err(fault);
    }
    joined?;
    outcome.try_recv().map_err(|_| Error::Gone("learner".to_owned()))
}

/// The actors, and how many environments restarted their episode on resume. Environments are made
/// and first reset here; what goes wrong there is the actor's already.
fn build_actors(
    config: &Config,
    make_env: &MakeEnv,
    agent: &dyn Agent,
    resume: Option<&Checkpoint>,
) -> Result<(Vec<Actor>, usize), Error> {
    let mut restarted = 0;
    let actors = (0..config.runtime.actors)
        .map(|i| {
            let build = || build_actor(config, i, make_env, agent, resume);
            let (actor, began) = catch_unwind(AssertUnwindSafe(build)).unwrap_or_else(|panic| {
                Err(Error::of_panic(format!("actor-{i}"), panic.as_ref()))
            })?;
            restarted += began;
            Ok(actor)
        })
        .collect::<Result<_, Error>>()?;
    Ok((actors, restarted))
}

fn build_actor(
    config: &Config,
    index: usize,
    make_env: &MakeEnv,
    agent: &dyn Agent,
    resume: Option<&Checkpoint>,
) -> Result<(Actor, usize), Error> {
    let fail =
        |e: EnvError| Error::Thread { thread: format!("actor-{index}"), message: e.to_string() };
    let mut envs = Vec::new();
    for _ in 0..config.runtime.envs_per_actor {
        envs.push(make_env().map_err(fail)?);
    }
    let rng = random::stream(config.seed, streams::envs(index));
    let envs = VecEnv::new(envs, rng).map_err(fail)?;
    let mut actor = Actor::new(config, index, envs, agent.policy());
    let Some(checkpoint) = resume else { return Ok((actor, 0)) };
    let state = checkpoint.state.actors.get(index).ok_or_else(|| {
        let (found, wanted) = (checkpoint.state.actors.len(), config.runtime.actors);
        CheckpointError::Misfit {
            path: shown(&checkpoint.path),
            cause: format!("it has {found} actors and the configuration {wanted}"),
        }
    })?;
    let restarted = actor.restore(state).map_err(fail)?;
    Ok((actor, restarted))
}

/// A named thread whose error or panic becomes a fault.
fn spawn(
    name: &str,
    faults: &Sender<Error>,
    body: impl FnOnce() -> Result<(), Error> + Send + 'static,
) -> (String, Option<JoinHandle<()>>) {
    let (thread, faults) = (name.to_owned(), faults.clone());
    let handle = std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || guarded(&thread, &faults, body));
    (name.to_owned(), handle.ok())
}

/// Runs a thread's body and sends what went wrong, the moment it did: the first fault in the
/// channel is the first in time. A peer that is gone is not a fault, its own error is.
fn guarded(thread: &str, faults: &Sender<Error>, body: impl FnOnce() -> Result<(), Error>) {
    let thread = thread.to_owned();
    let fault = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(()) | Err(Error::Gone(_))) => return,
        Ok(Err(error @ (Error::NonFinite { .. } | Error::Thread { .. } | Error::Panic { .. }))) => {
            error
        }
        Ok(Err(error)) => Error::Thread { thread, message: error.to_string() },
        Err(panic) => Error::of_panic(thread, panic.as_ref()),
    };
    let _ = faults.send(fault);
}

/// Joins every thread before anything is reported; one that does not end in time is named.
fn join_all(handles: Vec<(String, Option<JoinHandle<()>>)>) -> Result<(), Error> {
    let deadline = Instant::now() + PATIENCE;
    let mut result = Ok(());
    for (thread, handle) in handles {
        let Some(handle) = handle else {
            let message = "the system gives no thread for it; lower runtime.actors".to_owned();
            result = Err(Error::Thread { thread, message });
            continue;
        };
        while !handle.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        if handle.is_finished() {
            let _ = handle.join(); // its fault, if any, is in the channel
        } else {
            let message =
                format!("did not end within {} s; its environment hangs", PATIENCE.as_secs());
            result = Err(Error::Thread { thread, message });
        }
    }
    result
}
