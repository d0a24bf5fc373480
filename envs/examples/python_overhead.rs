//! What the Python bridge costs: microseconds per step of Gymnasium's `CartPole-v1` in Python alone, and
//! through the bridge with one and with four environments in a worker.
//!
//! `cargo run --release -p envs --example python_overhead [PYTHON]`

use std::process::Command;
use std::time::Instant;

use envs::{Actions, EnvError, Kwargs, Registry, VecEnv};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const STEPS: usize = 40_000;

/// The same work: alternating actions, and a reset where an episode ends.
const ALONE: &str = "
import sys, time, gymnasium
env = gymnasium.make('CartPole-v1')
env.reset(seed=0)
begin = time.perf_counter()
for t in range(int(sys.argv[1])):
    _, _, terminated, truncated, _ = env.step(t & 1)
    if terminated or truncated:
        env.reset(seed=t)
print((time.perf_counter() - begin) / int(sys.argv[1]) * 1e6)
";

fn main() -> Result<(), EnvError> {
    let python = std::env::args().nth(1).unwrap_or_else(|| "python3".to_owned());
    eprintln!("microseconds per environment step of CartPole-v1, best of five:");
    let rounds = |run: &mut dyn FnMut() -> Result<f64, EnvError>| -> Result<f64, EnvError> {
        (0..5).try_fold(f64::INFINITY, |best, _| Ok(best.min(run()?)))
    };
    let alone = rounds(&mut || alone(&python))?;
    eprintln!("Python alone                   {alone:6.2}");
    for n in [1, 4] {
        let bridged = rounds(&mut || bridged(&python, n))?;
        eprintln!("{n} in a worker, amortised       {bridged:6.2}  (+{:.2})", bridged - alone);
    }
    Ok(())
}

fn alone(python: &str) -> Result<f64, EnvError> {
    let output = Command::new(python).args(["-c", ALONE, &STEPS.to_string()]).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
}

fn bridged(python: &str, n: usize) -> Result<f64, EnvError> {
    let registry = Registry::builtin();
    let kwargs = Kwargs::from_iter([("python".to_owned(), python.into())]);
    let envs = (0..n).map(|_| registry.make("gymnasium:CartPole-v1", &kwargs));
    let mut envs = VecEnv::new(envs.collect::<Result<_, _>>()?, ChaCha8Rng::seed_from_u64(0))?;
    let actions = [0, 1].map(|choice| Actions::Discrete(vec![choice; n]));
    let begin = Instant::now();
    for t in 0..STEPS / n {
        envs.step(&actions[t & 1])?;
    }
    Ok(begin.elapsed().as_secs_f64() / STEPS as f64 * 1e6)
}
