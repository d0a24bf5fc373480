//! Greedy episodes from a snapshot, on a thread of their own.

use crossbeam::channel::{Receiver, Sender};
use envs::{Env, EnvError, VecEnv};
use networks::random;

use crate::{
    agent::{Explore, Policy},
    error::Error,
    message::{EvalJob, EvalResult},
    streams,
};

/// Plays `episodes` greedy episodes on fresh environments from `make`; the seeds depend on `seed`
/// and `stream` only.
///
/// Up to 16 episodes run side by side with one batched policy call a step. Each environment plays
/// its share of the episodes to the end, so short episodes are not over-represented.
///
/// # Errors
/// What an environment fails with.
pub fn evaluate(
    make: &dyn Fn() -> Result<Box<dyn Env>, EnvError>,
    policy: &mut dyn Policy,
    episodes: usize,
    seed: u64,
    stream: u64,
) -> Result<(Vec<f64>, Vec<u64>), EnvError> {
    let lanes = episodes.min(16);
    let envs = (0..lanes).map(|_| make()).collect::<Result<_, _>>()?;
    let mut envs = VecEnv::new(envs, random::stream(seed, stream))?;
    let mut rng = random::stream(seed, stream | 1 << 63);
    // Episode e belongs to environment e % lanes and is its e / lanes-th.
    let share = |lane: usize| (episodes - lane).div_ceil(lanes);
    let mut done: Vec<Vec<envs::Episode>> = vec![Vec::new(); lanes];
    while (0..lanes).any(|i| done[i].len() < share(i)) {
        let actions = policy.act(envs.obs(), lanes, Explore::No, &mut rng);
        envs.step(&actions)?;
        for (done, outcome) in done.iter_mut().zip(envs.outcomes()) {
            done.extend(outcome.episode);
        }
    }
    let episode = |e: usize| done[e % lanes][e / lanes];
    let returns = (0..episodes).map(|e| episode(e).return_).collect();
    let lengths = (0..episodes).map(|e| episode(e).length).collect();
    Ok((returns, lengths))
}

/// The thread: answers jobs until the learner is gone.
///
/// # Errors
/// What an environment fails with.
pub fn run(
    make: &dyn Fn() -> Result<Box<dyn Env>, EnvError>,
    mut policy: Box<dyn Policy>,
    episodes: usize,
    seed: u64,
    jobs: &Receiver<EvalJob>,
    results: &Sender<EvalResult>,
) -> Result<(), Error> {
    tch::set_num_threads(1);
    while let Ok(job) = jobs.recv() {
        policy.load(&job.snapshot);
        let stream = streams::evaluation(job.env_step);
        let (returns, lengths) = evaluate(make, policy.as_mut(), episodes, seed, stream)
            .map_err(|e| Error::Run(e.to_string()))?;
        if results.send(EvalResult { env_step: job.env_step, returns, lengths }).is_err() {
            break;
        }
    }
    Ok(())
}
