//! DQN's learner: its networks, how they are built, and what they are to the rest of the program.

use envs::{ActionSpace, EnvSpec};
use networks::{
    interventions::Clock,
    model::{FrozenNetwork, Model, NonFinite},
    params::{LoadError, Params, StateDict},
    random::Rng,
};
use tch::{Device, Kind};

use super::{config::DqnConfig, policy::DqnPolicy};
use crate::{
    agent::{Agent, InterventionCount, Policy, Snapshot},
    algorithms::fused::Exec,
    diagnostics::probe::{BatchView, NetworkProbe},
    experience::Batch,
    logging::record::Scalars,
    replay::draws::Sampler,
};

/// The learner's side.
pub struct Dqn {
    pub(super) config: DqnConfig,
    pub(super) online: Model,
    pub(super) target: FrozenNetwork,
    pub(super) obs_dim: i64,
    pub(super) actions: usize,
    pub(super) exec: Exec<Dqn>,
}

impl Dqn {
    /// # Errors
    /// A number or a spec that cannot work, actions that are not discrete, or a network that cannot take these
    /// observations.
    pub fn new(
        config: &DqnConfig,
        spec: &EnvSpec,
        device: Device,
        rng: &mut Rng,
    ) -> Result<Self, String> {
        config.validate()?;
        spec.validate()?;
        let ActionSpace::Discrete(actions) = spec.action else {
            return Err("DQN needs discrete actions and this environment's are continuous; set \
                        agent.kind = \"sac\""
                .to_owned());
        };
        let mut p = Params::default();
        let width = config.value.width();
        let heads: &[(&str, i64)] = if config.dueling {
            &[("advantage", actions as i64 * width), ("value", width)]
        } else {
            &[("q", actions as i64 * width)]
        };
        let shape: Vec<i64> = spec.obs.shape.iter().map(|&n| n as i64).collect();
        let arch = &config.network.arch;
        let net = arch
            .build(&mut p, "q", &shape, heads, rng)
            .map_err(|e| format!("agent.network.arch: {e}"))?;
        let online =
            config.network.model("q", net, p, device).map_err(|e| format!("agent.network.{e}"))?;
        let target = online.target();
        let obs_dim = spec.obs.size() as i64;
        Ok(Dqn { config: config.clone(), online, target, obs_dim, actions, exec: Exec::Autograd })
    }

    /// The same agent computing in `kind`: f64 compares whole updates with references.
    #[must_use]
    pub fn to_kind(self, kind: Kind) -> Dqn {
        Dqn { online: self.online.to_kind(kind), target: self.target.to_kind(kind), ..self }
    }
}

impl Agent for Dqn {
    fn update(
        &mut self,
        b: &Batch,
        replay: &mut dyn Sampler,
        clock: Clock,
        rng: &mut Rng,
        log: &mut Scalars,
    ) -> Result<(), NonFinite> {
        self.update_step(b, replay, clock, rng, log)
    }

    fn fuse(&mut self, threads: usize) -> Result<(), String> {
        self.program()?;
        self.exec = Exec::Ready(threads);
        Ok(())
    }

    fn is_fused(&self) -> bool {
        !matches!(self.exec, Exec::Autograd)
    }

    fn probe(&self, b: &Batch, _rng: &mut Rng) -> Vec<NetworkProbe<'_>> {
        vec![self.network_probe(b)]
    }

    fn batch_view(&self, b: &Batch) -> Option<BatchView> {
        Some(self.view(b))
    }

    fn value(&self, obs: &[f32], _rng: &mut Rng) -> Option<(Vec<f64>, f64)> {
        Some((self.estimates(obs)?, 0.0))
    }

    fn intervention_counts(&self) -> Vec<InterventionCount> {
        InterventionCount::of(&self.online).collect()
    }

    fn policy(&self) -> Box<dyn Policy> {
        let net = self.online.target().to_device(Device::Cpu).folded();
        let (epsilon, value) = (self.config.epsilon.clone(), self.config.value);
        let policy = DqnPolicy::new(net, epsilon, self.actions, value);
        Box::new(if self.is_fused() { policy.fused(self.obs_dim as usize) } else { policy })
    }

    fn snapshot(&self, version: u64) -> Snapshot {
        Snapshot { version, policy: self.online.params.to_flat(), obs: None }
    }

    fn save(&self, out: &mut StateDict) {
        self.online.save(out);
        self.target.params.save("target", out);
    }

    fn load(&mut self, from: &StateDict) -> Result<(), LoadError> {
        self.online.load(from)?;
        self.target.params.load("target", from)
    }

    fn first_non_finite(&self) -> Option<String> {
        self.online.params.first_non_finite().map(|name| format!("q/{name}"))
    }
}
