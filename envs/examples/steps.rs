//! Environment steps per second with random actions, resets included: `ID`, one environment in one
//! thread, eight in two threads (a [`VecEnv`] of four in each, as actors have them).
//!
//! `cargo run --release -p envs --features mujoco --example steps [SECONDS [ID ...]]`
//!
//! `benchmarks/compare_envs.py` sets these beside Gymnasium and `EnvPool`.
#![allow(clippy::print_stdout, reason = "the result of this program")]

use std::sync::Barrier;
use std::time::{Duration, Instant};

use envs::{ActionSpace, Actions, EnvError, Kwargs, Registry, VecEnv};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Drawn beforehand, so that drawing is not measured.
const ACTIONS: usize = 1000;

fn main() -> Result<(), EnvError> {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().map_or(Ok(1.0), |seconds| seconds.parse())?;
    let limit = Duration::try_from_secs_f64(seconds)?;
    let registry = Registry::builtin();
    let mut ids: Vec<String> = arguments.collect();
    if ids.is_empty() {
        ids = registry.ids().map(str::to_owned).collect();
    }
    for id in ids {
        let one = rate(&registry, &id, [1].as_slice(), limit)?;
        let two = rate(&registry, &id, [4, 4].as_slice(), limit)?;
        println!("{id} {one:.0} {two:.0}");
    }
    Ok(())
}

/// Steps per second of as many threads as `sizes`, each with so many environments.
fn rate(registry: &Registry, id: &str, sizes: &[usize], limit: Duration) -> Result<f64, EnvError> {
    let mut work = Vec::new();
    for (seed, &n) in sizes.iter().enumerate() {
        let envs = (0..n).map(|_| registry.make(id, &Kwargs::new())).collect::<Result<_, _>>()?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed as u64);
        let envs = VecEnv::new(envs, rng.clone())?;
        let space = envs.spec().action.clone();
        let actions: Vec<Actions> = (0..ACTIONS).map(|_| random(&space, n, &mut rng)).collect();
        work.push((envs, actions));
    }
    let ready = Barrier::new(sizes.len());
    let rates = std::thread::scope(|scope| {
        let threads: Vec<_> = work
            .iter_mut()
            .map(|(envs, actions)| {
                let ready = &ready;
                scope.spawn(move || {
                    ready.wait();
                    steps_per_second(envs, actions, limit)
                })
            })
            .collect();
        let joined = threads.into_iter().map(|thread| {
            thread.join().map_err(|_| EnvError::from("a thread of the measurement panicked"))?
        });
        joined.collect::<Result<Vec<f64>, EnvError>>()
    })?;
    Ok(rates.iter().sum())
}

fn steps_per_second(
    envs: &mut VecEnv,
    actions: &[Actions],
    limit: Duration,
) -> Result<f64, EnvError> {
    let begin = Instant::now();
    let mut steps = 0;
    for actions in actions.iter().cycle() {
        envs.step(actions)?;
        steps += envs.len();
        if begin.elapsed() >= limit {
            break;
        }
    }
    Ok(steps as f64 / begin.elapsed().as_secs_f64())
}

/// One action for each of `n` environments, uniform.
fn random(space: &ActionSpace, n: usize, rng: &mut ChaCha8Rng) -> Actions {
    match space {
        ActionSpace::Discrete(choices) => {
            Actions::Discrete((0..n).map(|_| rng.random_range(0..*choices)).collect())
        }
        ActionSpace::Box { low, .. } => {
            let data = (0..n * low.len()).map(|_| rng.random_range(-1.0..1.0)).collect();
            Actions::Continuous { data, dim: low.len() }
        }
    }
}
