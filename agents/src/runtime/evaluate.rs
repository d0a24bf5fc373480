//! Greedy episodes from a snapshot, on a thread of their own, given up when the learner is gone.

use crossbeam::channel::{Receiver, Sender, TryRecvError};
use envs::{Env, EnvError, VecEnv, drift::FixedStep};
use networks::random;

use crate::{
    agent::{ActMode, Policy},
    config::EvalConfig,
    error::Error,
    runtime::{
        message::{EpisodePath, EvalJob, EvalResult, mean},
        streams,
    },
};

/// Up to so many episodes are played side by side.
pub const LANES: usize = 16;

/// What an evaluation plays.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Greedy episodes.
    pub episodes: usize,
    /// Steps after which an episode is cut off; 0 takes the environment's own limit, and
    /// [`LONGEST_EPISODE`] where it has none.
    pub max_episode_steps: u64,
    /// Discounts the returns of [`Played::paths`].
    pub gamma: f64,
    /// Environments that drift are as after so many steps, all the time.
    pub step_offset: u64,
    /// With `stream`, decides every seed.
    pub seed: u64,
    /// A numbered stream of `seed`.
    pub stream: u64,
}

/// Steps after which an evaluation cuts off an episode of an environment without a limit of its own:
/// Atari's, the longest in common use (108,000 frames of which an agent sees every fourth).
pub const LONGEST_EPISODE: u64 = 27_000;

/// Interruptions that one environment may have in an evaluation: what dies this often dies of what is played.
pub const MOST_INTERRUPTIONS: usize = 5;

/// Plays greedy episodes on fresh environments from `make`; `None` as soon as `go_on`, which is asked
/// at every step, says no.
///
/// Up to [`LANES`] episodes run side by side with one batched policy call a step. Each environment plays
/// its share of the episodes to the end, so short episodes are not over-represented, and no episode more.
/// An episode that is interrupted ([`Env::interruptions`]) is played again; after more than
/// [`MOST_INTERRUPTIONS`] of an environment nothing was [`Played`], for what is left over would be a choice
/// of the easy episodes.
///
/// # Errors
/// What an environment fails with.
pub fn evaluate(
    make: &dyn Fn() -> Result<Box<dyn Env>, EnvError>,
    policy: &mut dyn Policy,
    plan: Plan,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Option<Played>, EnvError> {
    let Plan { episodes, max_episode_steps, gamma, step_offset, seed, stream } = plan;
    let lanes = episodes.min(LANES);
    let at_offset = |env| Box::new(FixedStep::new(env, step_offset)) as Box<dyn Env>;
    let envs = (0..lanes).map(|_| make().map(at_offset)).collect::<Result<_, _>>()?;
    // Episode e belongs to environment e % lanes and is its e / lanes-th.
    let shares = (0..lanes).map(|lane| (episodes - lane).div_ceil(lanes) as u64).collect();
    let envs = VecEnv::new(envs, random::stream(seed, stream))?;
    let own_limit = envs.spec().time_limit.map(u64::from);
    let cap = match max_episode_steps {
        0 => own_limit.unwrap_or(LONGEST_EPISODE),
        steps => steps,
    };
    let mut envs = envs.limited(shares, cap);
    let mut rng = random::stream(seed, stream | 1 << 63);
    let d = envs.obs().len() / lanes;
    let mut done: Vec<Vec<(envs::Episode, EpisodePath)>> = vec![Vec::new(); lanes];
    let begin = |obs: &[f32]| EpisodePath { start: obs.to_vec(), ..EpisodePath::default() };
    let mut paths: Vec<(EpisodePath, f64)> =
        envs.obs().chunks(d).map(|obs| (begin(obs), 1.0)).collect();
    let mut played = Played::default();
    let mut interruptions = vec![0; lanes];
    while !envs.is_over() {
        if !go_on() {
            return Ok(None);
        }
        let actions = policy.act(envs.obs(), lanes, ActMode::Eval, &mut rng);
        envs.step(&actions)?;
        for (i, outcome) in envs.outcomes().iter().enumerate() {
            let (path, factor) = &mut paths[i];
            path.discounted += *factor * f64::from(outcome.reward);
            *factor *= gamma;
            if let Some(episode) = outcome.episode {
                let row = i * d..(i + 1) * d;
                let cut = outcome.truncated && !outcome.terminated;
                path.bootstrap_obs = cut.then(|| envs.next_obs()[row.clone()].to_vec());
                played.cut_off += usize::from(
                    cut && episode.length >= cap && own_limit.is_none_or(|own| cap < own),
                );
                let next = (begin(&envs.obs()[row]), 1.0);
                done[i].push((episode, std::mem::replace(&mut paths[i], next).0));
            } else if outcome.truncated {
                interruptions[i] += 1;
                if interruptions[i] > MOST_INTERRUPTIONS {
                    return Ok(Some(Played::default()));
                }
                paths[i] = (begin(&envs.obs()[i * d..(i + 1) * d]), 1.0);
            }
        }
    }
    for e in 0..episodes {
        let (episode, path) = &done[e % lanes][e / lanes];
        played.returns.push(episode.return_);
        played.lengths.push(episode.length);
        played.paths.push(path.clone());
    }
    Ok(Some(played))
}

/// The step offset of the environments that an agent is evaluated in after so many rounds: that of its last
/// step, so that one whose task ends there is not evaluated in the next one, which it never saw.
pub fn step_offset(rounds: u64) -> u64 {
    rounds.saturating_sub(1)
}

/// Episodes, in order; none if they were interrupted too often.
#[derive(Debug, Default)]
pub struct Played {
    /// Undiscounted returns.
    pub returns: Vec<f64>,
    /// Lengths in steps.
    pub lengths: Vec<u64>,
    /// What estimates of their returns are compared with.
    pub paths: Vec<EpisodePath>,
    /// Episodes that only the evaluation's own limit ended.
    pub cut_off: usize,
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
        // One job at a time is under way, so there is never one to take here: only the learner's end.
        let mut wanted = || !matches!(jobs.try_recv(), Err(TryRecvError::Disconnected));
        let EvalConfig { episodes, max_episode_steps, .. } = *eval;
        let mut play = |step_offset| {
            let plan = Plan { episodes, max_episode_steps, gamma, step_offset, seed, stream };
            evaluate(make, policy.as_mut(), plan, &mut wanted)
                .map_err(|e| Error::Run(e.to_string()))
        };
        let Some(Played { returns, lengths, paths, cut_off }) = play(job.step_offset)? else {
            break;
        };
        let mut returns_by_step_offset = Vec::with_capacity(eval.step_offsets.len());
        for &step_offset in &eval.step_offsets {
            let Some(played) = play(step_offset)? else { return Ok(()) };
            returns_by_step_offset.push(mean(&played.returns));
        }
        let env_step = job.env_step;
        let result =
            EvalResult { env_step, returns, lengths, paths, cut_off, returns_by_step_offset };
        if results.send(result).is_err() {
            break;
        }
    }
    Ok(())
}
