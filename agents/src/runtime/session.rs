//! What goes into a run and what comes out: [`Session`], made from a configuration by [`Parts`],
//! is what `train` takes; [`Progress`] and [`Report`] are what it tells.

use std::sync::Arc;

use crossbeam::channel::Receiver;
use envs::{Env, EnvError, EnvSpec, Registry};
use networks::{exec::fused_cpu::Isa, params::StateDict, random};
use serde::Serialize;
use tch::Device;

use crate::{
    agent::{Agent, InterventionCount},
    config::{Config, Exec, notes},
    error::Error,
    replay::Replay,
    runtime::{
        init_from::{InitReport, init_from},
        message::EvalResult,
        streams,
    },
    storage::{checkpoint::Checkpoint, run_dir::RunDir},
};

/// Where a run is, for who watches it.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Environment steps done.
    pub env_steps: u64,
    /// Gradient updates done.
    pub updates: u64,
    /// Episodes ended.
    pub episodes: u64,
    /// The newest evaluation.
    pub eval: Option<EvalResult>,
    /// Environments whose state could not be saved, so that this resume began a new episode there.
    pub restarted: usize,
}

/// What a run ended with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Environment steps.
    pub steps: u64,
    /// Gradient updates.
    pub updates: u64,
    /// Episodes ended during training.
    pub episodes: u64,
    /// Mean undiscounted return of the last evaluation; `None` if there was none.
    pub return_mean: Option<f64>,
    /// Its standard deviation over episodes.
    pub return_std: Option<f64>,
    /// Seconds, resumed parts added up.
    pub wall_s: f64,
    /// Updates per second of this process.
    pub updates_per_s: f64,
    /// Environment steps per second of this process.
    pub steps_per_s: f64,
    /// Whether it was stopped before `total_steps`; a checkpoint was saved.
    pub interrupted: bool,
    /// As in [`Progress`].
    pub restarted: usize,
    /// How often each intervention acted, resumed parts added up.
    pub interventions: Vec<InterventionCount>,
    /// Categorical values: `q/boundary_mass` as this process logged it last, the mean mass of the
    /// targets in the two outermost bins.
    pub boundary_mass: Option<f64>,
}

/// A source of environments: the registry with a name and its arguments.
pub type MakeEnv = Arc<dyn Fn() -> Result<Box<dyn Env>, EnvError> + Send + Sync>;

/// What a run is made of. [`Session::new`] builds the agent that the configuration names; set
/// `agent` for one of your own.
pub struct Session<'a> {
    /// The configuration, with `torch_threads` resolved.
    pub config: Config,
    /// Makes one environment.
    pub make_env: MakeEnv,
    /// What the environments look like.
    pub spec: EnvSpec,
    /// The learning half of the algorithm.
    pub agent: Box<dyn Agent>,
    /// Where the learner computes.
    pub device: Device,
    /// Where everything is written.
    pub run: &'a RunDir,
    /// The checkpoint to resume from, if the run does not start at step 0.
    pub resume: Option<Checkpoint>,
    /// What the replay holds at the start, if anything; without a use on a resume.
    pub init_replay: Option<Checkpoint>,
    /// A message here ends the run early, with a checkpoint.
    pub stop: Receiver<()>,
    /// Called after every round.
    pub watch: &'a mut dyn FnMut(&Progress),
}

impl<'a> Session<'a> {
    /// Builds the environment source and the agent.
    ///
    /// # Errors
    /// When the environment, the agent or the device cannot be had.
    pub fn new(
        config: &Config,
        registry: &Registry,
        run: &'a RunDir,
        resume: Option<Checkpoint>,
        stop: Receiver<()>,
        watch: &'a mut dyn FnMut(&Progress),
    ) -> Result<Self, Error> {
        Ok(Parts::new(config, registry)?.session(run, resume, stop, watch))
    }
}

/// A session without a place to write to: all that can be wrong with a configuration shows here,
/// before a folder is made.
pub struct Parts {
    config: Config,
    make_env: MakeEnv,
    spec: EnvSpec,
    agent: Box<dyn Agent>,
    device: Device,
}

impl Parts {
    /// Builds the environment source and the agent.
    ///
    /// # Errors
    /// When the environment, the agent, the device or the replay's memory cannot be had.
    pub fn new(config: &Config, registry: &Registry) -> Result<Self, Error> {
        let mut config = config.clone();
        let make_env = make_env(&config, registry);
        let spec = make_env().map_err(|e| Error::Config(e.to_string()))?.spec();
        config.resolve(&spec).map_err(Error::Config)?;
        let device = device(&config.runtime.device)?;
        let (envs, capacity) = (config.runtime.envs(), config.replay.capacity);
        Replay::check(&spec, envs, capacity, config.replay.n_step).map_err(Error::Config)?;
        let mut rng = random::stream(config.seed, streams::INIT);
        let agent = config.build_agent(&spec, device, &mut rng).map_err(Error::Config)?;
        Ok(Parts { config, make_env, spec, agent, device })
    }

    /// The configuration with every number resolved: what the run folder should hold.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Settings that defeat each other, one sentence for each; see [`notes::notes`].
    pub fn notes(&self) -> Vec<String> {
        notes::notes(&self.config, &self.spec)
    }

    /// How updates are computed, as a sentence.
    pub fn exec(&mut self) -> String {
        match (self.config.runtime.exec, self.config.exec(self.agent.as_mut())) {
            (Exec::Autograd, _) => "updates are computed by autograd".to_owned(),
            (Exec::Fused, Ok(())) => {
                format!("updates are computed by fused kernels ({})", Isa::best().name())
            }
            (Exec::Fused, Err(why)) => format!("updates are computed by autograd: {why}"),
        }
    }

    /// Starts from the weights and statistics of a checkpoint of another run, as far as they fit.
    ///
    /// # Errors
    /// When none of its networks does.
    pub fn init_from(&mut self, checkpoint: &Checkpoint) -> Result<InitReport, Error> {
        init_from(self.agent.as_mut(), &checkpoint.model)
            .map_err(|e| Error::Run(format!("--init-from {}: {e}", checkpoint.path.display())))
    }

    /// Starts from all of an agent's arrays, as `init-...` of a run folder holds them.
    ///
    /// # Errors
    /// When they are of another agent.
    pub fn start_at(&mut self, model: &StateDict) -> Result<(), Error> {
        let misfit = |e| Error::Run(format!("the weights that the run began with do not fit: {e}"));
        self.agent.load(model).map_err(misfit)
    }

    /// The agent as it starts.
    pub fn agent(&self) -> &dyn Agent {
        self.agent.as_ref()
    }

    /// Adds what the session needs besides.
    pub fn session<'a>(
        self,
        run: &'a RunDir,
        resume: Option<Checkpoint>,
        stop: Receiver<()>,
        watch: &'a mut dyn FnMut(&Progress),
    ) -> Session<'a> {
        let Parts { config, make_env, spec, agent, device } = self;
        let init_replay = None;
        Session { config, make_env, spec, agent, device, run, resume, init_replay, stop, watch }
    }
}

/// The environments a configuration names.
pub fn make_env(config: &Config, registry: &Registry) -> MakeEnv {
    let (registry, env) = (registry.clone(), config.env.clone());
    Arc::new(move || env.make(&registry))
}

/// The device a configuration names.
///
/// # Errors
/// When it is unknown or not there; there is no silent fallback.
pub fn device(name: &str) -> Result<Device, Error> {
    let index = match name {
        "cpu" => return Ok(Device::Cpu),
        "cuda" => Some(0),
        _ => name.strip_prefix("cuda:").and_then(|i| i.parse().ok()),
    };
    let Some(index) = index else {
        return Err(Error::Config(format!(
            "runtime.device is `{name}`; it can be \"cpu\", \"cuda\" or \"cuda:N\""
        )));
    };
    let count = tch::Cuda::device_count() as usize;
    if index >= count {
        return Err(Error::Config(format!(
            "runtime.device is `{name}` and libtorch sees {count} CUDA devices; build with \
             LIBTORCH_USE_PYTORCH=1 in a Python environment that has PyTorch 2.11 with CUDA, or set \
             runtime.device = \"cpu\""
        )));
    }
    Ok(Device::Cuda(index))
}
