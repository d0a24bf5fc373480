//! Greedy episodes from a snapshot, on a thread of their own.

use crossbeam::channel::{Receiver, Sender};
use envs::{Env, EnvError, VecEnv, drift::AtAge};
use networks::random;

use crate::{
    agent::{Explore, Policy},
    config::EvalConfig,
    error::Error,
    message::{EpisodePath, EvalJob, EvalResult, mean},
    streams,
};

/// Up to so many episodes are played side by side.
pub const LANES: usize = 16;

/// Plays `episodes` greedy episodes on fresh environments from `make`; the seeds depend on `seed`
/// and `stream` only.
///
/// Up to [`LANES`] episodes run side by side with one batched policy call a step. Each environment plays
/// its share of the episodes to the end, so short episodes are not over-represented. `gamma` discounts
/// the returns of [`Played::paths`]. Environments that drift are as after `age` steps, all the time.
///
/// # Errors
/// What an environment fails with.
pub fn evaluate(
    make: &dyn Fn() -> Result<Box<dyn Env>, EnvError>,
    policy: &mut dyn Policy,
    episodes: usize,
    gamma: f64,
    age: u64,
    seed: u64,
    stream: u64,
) -> Result<Played, EnvError> {
    let lanes = episodes.min(LANES);
    let at_age = |env| Box::new(AtAge::new(env, age)) as Box<dyn Env>;
    let envs = (0..lanes).map(|_| make().map(at_age)).collect::<Result<_, _>>()?;
    let mut envs = VecEnv::new(envs, random::stream(seed, stream))?;
    let mut rng = random::stream(seed, stream | 1 << 63);
    // Episode e belongs to environment e % lanes and is its e / lanes-th.
    let share = |lane: usize| (episodes - lane).div_ceil(lanes);
    let d = envs.obs().len() / lanes;
    let mut done: Vec<Vec<(envs::Episode, EpisodePath)>> = vec![Vec::new(); lanes];
    let begin = |obs: &[f32]| EpisodePath { start: obs.to_vec(), ..EpisodePath::default() };
    let mut paths: Vec<(EpisodePath, f64)> =
        envs.obs().chunks(d).map(|obs| (begin(obs), 1.0)).collect();
    while (0..lanes).any(|i| done[i].len() < share(i)) {
        let actions = policy.act(envs.obs(), lanes, Explore::No, &mut rng);
        envs.step(&actions)?;
        for (i, outcome) in envs.outcomes().iter().enumerate() {
            let (path, factor) = &mut paths[i];
            path.discounted += *factor * f64::from(outcome.reward);
            *factor *= gamma;
            if let Some(episode) = outcome.episode {
                let row = i * d..(i + 1) * d;
                let cut = outcome.truncated && !outcome.terminated;
                path.cut_at = cut.then(|| envs.next_obs()[row.clone()].to_vec());
                let next = (begin(&envs.obs()[row]), 1.0);
                done[i].push((episode, std::mem::replace(&mut paths[i], next).0));
            }
        }
    }
    let mut played = Played::default();
    for e in 0..episodes {
        let (episode, path) = &done[e % lanes][e / lanes];
        played.returns.push(episode.return_);
        played.lengths.push(episode.length);
        played.paths.push(path.clone());
    }
    Ok(played)
}

/// The age of the environments that an agent is evaluated in after so many rounds: that of its last
/// step, so that one whose task ends there is not evaluated in the next one, which it never saw.
pub fn age(rounds: u64) -> u64 {
    rounds.saturating_sub(1)
}

/// Episodes, in order.
#[derive(Debug, Default)]
pub struct Played {
    /// Undiscounted returns.
    pub returns: Vec<f64>,
    /// Lengths in steps.
    pub lengths: Vec<u64>,
    /// What estimates of their returns are compared with.
    pub paths: Vec<EpisodePath>,
}

/// The thread: answers jobs until the learner is gone.
///
/// # Errors
/// What an environment fails with.
pub fn run(
    make: &dyn Fn() -> Result<Box<dyn Env>, EnvError>,
    mut policy: Box<dyn Policy>,
    eval: &EvalConfig,
    gamma: f64,
    seed: u64,
    jobs: &Receiver<EvalJob>,
    results: &Sender<EvalResult>,
) -> Result<(), Error> {
    tch::set_num_threads(1);
    while let Ok(job) = jobs.recv() {
        policy.load(&job.snapshot);
        let stream = streams::evaluation(job.env_step);
        let mut play = |age| {
            evaluate(make, policy.as_mut(), eval.episodes, gamma, age, seed, stream)
                .map_err(|e| Error::Run(e.to_string()))
        };
        let Played { returns, lengths, paths } = play(job.age)?;
        let elsewhere = eval.ages.iter().map(|&age| Ok(mean(&play(age)?.returns)));
        let elsewhere = elsewhere.collect::<Result<_, Error>>()?;
        let result = EvalResult { env_step: job.env_step, returns, lengths, paths, elsewhere };
        if results.send(result).is_err() {
            break;
        }
    }
    Ok(())
}
