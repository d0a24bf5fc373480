//! The configuration of a run: one TOML file, nested plain structs, every key documented here and
//! in `docs/configuration.md`. Loading, overriding and checking are in `load.rs`.

pub mod load;
pub mod notes;

use envs::{
    Env, EnvError, EnvSpec, Kwargs, Registry,
    drift::{Drift, StepOffset},
};
use networks::random::Rng;
use serde::{Deserialize, Serialize};
use tch::Device;

use crate::{
    agent::Agent,
    algorithms::{AgentConfig, dqn::DqnConfig},
    diagnostics::config::DiagnosticsConfig,
    normalize::{NormalizeConfig, Normalized},
    replay::sampler::SamplerConfig,
};

/// Everything that decides a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Seed of every random number in the run.
    pub seed: u64,
    /// Environment steps over all actors after which training ends.
    pub total_steps: u64,
    /// Gradient updates between two rows of losses in the metrics.
    pub log_every_updates: u64,
    /// The environment.
    pub env: EnvConfig,
    /// Threads and how they wait for each other.
    pub runtime: RuntimeConfig,
    /// What is remembered and how it is sampled.
    pub replay: ReplayConfig,
    /// Running statistics of what is seen.
    pub normalize: NormalizeConfig,
    /// Evaluation during training.
    pub eval: EvalConfig,
    /// Checkpoints.
    pub checkpoint: CheckpointConfig,
    /// What is measured of the networks.
    pub diagnostics: DiagnosticsConfig,
    /// The algorithm.
    pub agent: AgentConfig,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            seed: 1,
            total_steps: 100_000,
            log_every_updates: 100,
            env: EnvConfig::default(),
            runtime: RuntimeConfig::default(),
            replay: ReplayConfig::default(),
            normalize: NormalizeConfig::default(),
            eval: EvalConfig::default(),
            checkpoint: CheckpointConfig::default(),
            diagnostics: DiagnosticsConfig::default(),
            agent: DqnConfig::default().into(),
        }
    }
}

impl Config {
    /// Updates that should have been made after so many environment steps: none before
    /// `learning_starts`, then `update_to_data` per step. A function of the step count, so that
    /// nothing accumulates and a resumed run agrees.
    pub fn updates_after(&self, env_steps: u64) -> u64 {
        let learned = env_steps.saturating_sub(self.replay.learning_starts);
        (learned as f64 * self.runtime.update_to_data) as u64
    }

    /// Builds the agent for an environment.
    ///
    /// # Errors
    /// One sentence when it cannot act there.
    pub fn build_agent(
        &self,
        spec: &EnvSpec,
        device: Device,
        rng: &mut Rng,
    ) -> Result<Box<dyn Agent>, String> {
        let agent = self.agent.build(spec, device, rng)?;
        let (gamma, envs) = (self.agent.gamma(), self.runtime.envs());
        let mut agent = Normalized::wrap(agent, &self.normalize, spec, gamma, envs);
        // What cannot be fused keeps autograd; `exec` tells the user.
        let _ = self.exec(agent.as_mut());
        Ok(agent)
    }

    /// Lets an agent compute updates as `runtime.exec` says.
    ///
    /// # Errors
    /// Why they are not fused although they should be, in words that end a sentence.
    pub fn exec(&self, agent: &mut dyn Agent) -> Result<(), String> {
        match self.runtime.exec {
            Exec::Autograd => Ok(()),
            Exec::Fused => agent.fuse(self.runtime.torch_threads.max(1)),
        }
    }
}

/// `[env]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnvConfig {
    /// Id as in Gymnasium; `supple envs` lists them.
    pub name: String,
    /// Keyword arguments of the environment, as `gymnasium.make` takes them.
    pub kwargs: Kwargs,
    /// What changes over time: wrappers, the first one innermost.
    pub drift: Vec<Drift>,
    /// Steps that its environments count as lived when the run begins: a run in the middle of a
    /// sequence of tasks.
    pub step_offset: u64,
}

impl Default for EnvConfig {
    fn default() -> Self {
        EnvConfig {
            name: "CartPole-v1".to_owned(),
            kwargs: Kwargs::new(),
            drift: Vec::new(),
            step_offset: 0,
        }
    }
}

impl EnvConfig {
    /// Makes one environment.
    ///
    /// # Errors
    /// When it cannot be had, or a wrapper does not fit it.
    pub fn make(&self, registry: &Registry) -> Result<Box<dyn Env>, EnvError> {
        let env = registry.make_drifting(&self.name, &self.kwargs, &self.drift)?;
        Ok(if self.step_offset > 0 {
            Box::new(StepOffset::new(env, self.step_offset))
        } else {
            env
        })
    }
}

/// How actors and learner wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Actors wait for fresh weights every `sync_every` rounds: bitwise equal to a sequential loop.
    Lockstep,
    /// Actors take fresh weights when there are some: fastest, not reproducible.
    Async,
}

/// `runtime.exec`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exec {
    /// Updates by kernels of our own on the CPU, where they have what the agent needs, and by autograd otherwise.
    Fused,
    /// Updates by libtorch's autograd.
    Autograd,
}

/// `[runtime]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuntimeConfig {
    /// Actor threads.
    pub actors: usize,
    /// Environments each actor steps together, with one batched policy call.
    pub envs_per_actor: usize,
    /// `"lockstep"` or `"async"`.
    pub mode: Mode,
    /// Rounds between two broadcasts of the weights. A round is one step of every environment.
    pub sync_every: u64,
    /// Rounds an actor may be ahead of the learner before it waits.
    pub queue: usize,
    /// Gradient updates per environment step.
    pub update_to_data: f64,
    /// Synchronisations that the weights of a lockstep actor are old: so far it may run ahead of the learner.
    pub lag: u64,
    /// libtorch threads of the learner; 0 takes all cores at start and is replaced by that number
    /// in the run folder. Bitwise equality holds at a fixed number.
    pub torch_threads: usize,
    /// `"fused"` or `"autograd"`.
    pub exec: Exec,
    /// Device of the learner: `"cpu"` or `"cuda"`, `"cuda:1"`, ...; actors always run on the CPU.
    pub device: String,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        RuntimeConfig {
            actors: 1,
            envs_per_actor: 1,
            mode: Mode::Lockstep,
            sync_every: 1,
            queue: 64,
            update_to_data: 1.0,
            lag: 0,
            torch_threads: 0,
            exec: Exec::Fused,
            device: "cpu".to_owned(),
        }
    }
}

impl RuntimeConfig {
    /// Environments over all actors: environment steps per round.
    pub fn envs(&self) -> usize {
        self.actors * self.envs_per_actor
    }
}

/// `[replay]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReplayConfig {
    /// Environment steps remembered; the oldest are forgotten first.
    pub capacity: usize,
    /// Transitions per update.
    pub batch_size: usize,
    /// Environment steps of uniformly random actions before the first update.
    pub learning_starts: u64,
    /// Steps summed into one return before bootstrapping.
    pub n_step: usize,
    /// Which transitions an update learns from.
    pub sampler: SamplerConfig,
}

impl Default for ReplayConfig {
    fn default() -> Self {
        ReplayConfig {
            capacity: 1_000_000,
            batch_size: 256,
            learning_starts: 1_000,
            n_step: 1,
            sampler: SamplerConfig::default(),
        }
    }
}

/// `[eval]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvalConfig {
    /// Environment steps between two evaluations; 0 evaluates only at the end.
    pub every_steps: u64,
    /// Greedy episodes per evaluation; 0 never evaluates.
    pub episodes: usize,
    /// Steps after which an evaluation cuts an episode off; 0: the environment's own limit, or
    /// [`LONGEST_EPISODE`](crate::runtime::evaluate::LONGEST_EPISODE) where it has none.
    pub max_episode_steps: u64,
    /// Ages of the environments, besides that of the run, that each evaluation also plays in: how good
    /// the agent is now at tasks of earlier and later. They are counted from [`EnvConfig::step_offset`].
    pub step_offsets: Vec<u64>,
}

impl Default for EvalConfig {
    fn default() -> Self {
        EvalConfig {
            every_steps: 5_000,
            episodes: 10,
            max_episode_steps: 0,
            step_offsets: Vec::new(),
        }
    }
}

/// `[checkpoint]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointConfig {
    /// Environment steps between two checkpoints; 0 saves only at the end.
    pub every_steps: u64,
    /// How many of the newest are kept, besides the best.
    pub keep: usize,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        CheckpointConfig { every_steps: 10_000, keep: 2 }
    }
}
