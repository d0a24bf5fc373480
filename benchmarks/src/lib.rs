//! Benchmarks: the speed of the hot path (`benches/hot_path.rs`, run with `cargo xtask bench`),
//! problems on which learners lose their plasticity ([`slowly_changing`]), and the numbers of a set of
//! runs: read from their folders ([`study`]), measured ([`measures`]), and summed up with intervals
//! ([`stats`], [`summary`]).
//!
//! This file holds what the benches share: sizes and synthetic experience.

pub mod grid;
pub mod measures;
pub mod report;
pub mod runner;
pub mod score;
pub mod slowly_changing;
pub mod stats;
pub mod study;
pub mod suites;
pub mod summary;
pub mod supervised;

use agents::{agent::Agent, config::Config, experience::Experience, replay::Replay};
use envs::{ActionSpace, Actions, EnvSpec, Outcome};
use networks::random::{self, Rng};
use rand::RngExt;
use tch::Device;

/// A task by its sizes alone.
pub struct Sizes {
    /// The spaces.
    pub spec: EnvSpec,
    /// The agent and its batch size, as TOML.
    pub config: Config,
}

/// `HalfCheetah`'s sizes: 17 observations, 6 actions; SAC with 2x256 networks, batch 256.
///
/// # Errors
/// Never, unless a key is renamed.
pub fn sac_256() -> Result<Sizes, String> {
    let config = Config::parse("[agent]\nkind = 'sac'", &[])?;
    Ok(Sizes { spec: EnvSpec::vector(17, ActionSpace::symmetric(6)), config })
}

/// `CartPole`'s sizes: 4 observations, 2 actions; DQN with a 2x128 network, batch 128.
///
/// # Errors
/// Never, unless a key is renamed.
pub fn dqn_128() -> Result<Sizes, String> {
    let text = "[replay]\nbatch_size = 128\n[agent]\nkind = 'dqn'\n\
                [agent.network]\narch = { kind = 'mlp', hidden = [128, 128] }";
    let config = Config::parse(text, &[])?;
    Ok(Sizes { spec: EnvSpec::vector(4, ActionSpace::Discrete(2)), config })
}

/// `HalfCheetah`'s sizes with the published settings of SimbaV2: an actor of width 128 with one block,
/// two critics of width 512 with two blocks and 101 bins, batch 256.
///
/// # Errors
/// Never, unless `configs/simba_v2/mujoco.toml` is broken.
pub fn simba_v2_512() -> Result<Sizes, String> {
    let config = Config::parse(include_str!("../../configs/simba_v2/mujoco.toml"), &[])?;
    Ok(Sizes { spec: EnvSpec::vector(17, ActionSpace::symmetric(6)), config })
}

/// The same with critics of width 256.
///
/// # Errors
/// Never, unless `configs/simba_v2/mujoco_256.toml` is broken.
pub fn simba_v2_256() -> Result<Sizes, String> {
    let config = Config::parse(include_str!("../../configs/simba_v2/mujoco_256.toml"), &[])?;
    Ok(Sizes { spec: EnvSpec::vector(17, ActionSpace::symmetric(6)), config })
}

impl Sizes {
    /// The learner's threads: `TORCH_THREADS`, or all cores.
    pub fn threads() -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        std::env::var("TORCH_THREADS").ok().and_then(|n| n.parse().ok()).unwrap_or(cores)
    }

    /// The agent on the CPU, initialised from a fixed seed.
    ///
    /// # Errors
    /// When agent and action space do not fit.
    pub fn agent(&self) -> Result<Box<dyn Agent>, String> {
        self.config.build_agent(&self.spec, Device::Cpu, &mut random::stream(1, 0))
    }

    /// A replay with `steps` synthetic steps in episodes of 200, in one environment.
    ///
    /// # Panics
    /// Where there can be no such replay ([`Replay::check`]).
    pub fn replay(&self, steps: usize) -> Replay {
        let mut rng = random::stream(1, 1);
        let d = self.spec.obs.size();
        let c = &self.config;
        let n_step = c.replay.n_step;
        let mut replay =
            Replay::new(&self.spec, 1, steps, n_step, c.agent.gamma(), Device::Cpu).expect("fits");
        replay.start(0, &observation(d, &mut rng));
        for t in 1..=steps {
            let truncated = t % 200 == 0;
            let reset_obs = if truncated { observation(d, &mut rng) } else { Vec::new() };
            let outcome = Outcome {
                reward: rng.random(),
                terminated: false,
                truncated,
                task: 0,
                episode: None,
            };
            let experience = Experience {
                actions: self.action(&mut rng),
                outcomes: vec![outcome],
                next_obs: observation(d, &mut rng),
                reset_obs,
            };
            replay.push(0, &experience);
        }
        replay
    }

    fn action(&self, rng: &mut Rng) -> Actions {
        match &self.spec.action {
            ActionSpace::Discrete(n) => Actions::Discrete(vec![rng.random_range(0..*n)]),
            ActionSpace::Box { low, .. } => {
                Actions::Continuous { data: observation(low.len(), rng), dim: low.len() }
            }
        }
    }
}

/// `n` numbers in `[-1, 1)`.
pub fn observation(n: usize, rng: &mut Rng) -> Vec<f32> {
    (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()
}
