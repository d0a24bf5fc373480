//! SAC's learner: its networks, how they are built, and what they are to the rest of the program.

use std::sync::Arc;

use envs::{ActionSpace, EnvSpec};
use networks::{
    init::Init,
    interventions::Clock,
    model::{FrozenNetwork, Model, NonFinite},
    network::Ensemble,
    params::{LoadError, ParamId, Params, Role, StateDict},
    random::Rng,
    squashed_gaussian::SquashedGaussian,
};
use tch::{Device, Kind, Tensor};

use super::{
    config::SacConfig,
    noise::Noise,
    policy::{SacPolicy, dist},
};
use crate::{
    agent::{Agent, InterventionCount, Policy, Snapshot},
    algorithms::fused::Exec,
    diagnostics::probe::{BatchView, NetworkProbe},
    experience::Batch,
    logging::record::Scalars,
    replay::draws::Sampler,
};

/// The learner's side.
pub struct Sac {
    pub(super) config: SacConfig,
    pub(super) actor: Model,
    pub(super) critic: Model,
    /// None where the critics' own values at the next state are the targets.
    pub(super) target: Option<FrozenNetwork>,
    pub(super) temperature: Model,
    pub(super) log_alpha: ParamId,
    pub(super) target_entropy: f64,
    pub(super) obs_dim: i64,
    pub(super) action_dim: usize,
    pub(super) exec: Exec<Sac>,
}

impl Sac {
    /// # Errors
    /// A number or a spec that cannot work, actions that are not continuous, or a network that cannot take its inputs.
    pub fn new(
        config: &SacConfig,
        spec: &EnvSpec,
        device: Device,
        rng: &mut Rng,
    ) -> Result<Self, String> {
        config.validate()?;
        spec.validate()?;
        let ActionSpace::Box { low, .. } = &spec.action else {
            return Err("SAC needs continuous actions and this environment's are discrete; set \
                        agent.kind = \"dqn\""
                .to_owned());
        };
        let (obs_dim, action_dim) = (spec.obs.size() as i64, low.len() as i64);

        let at = |key: &'static str| move |e| format!("agent.{key}.{e}");
        let mut p = Params::default();
        let heads = [("mean", action_dim), ("log_std", action_dim)];
        let shape: Vec<i64> = spec.obs.shape.iter().map(|&n| n as i64).collect();
        let net = config
            .actor
            .arch
            .build(&mut p, "pi", &shape, &heads, rng)
            .map_err(|e| format!("agent.actor.arch: {e}"))?;
        let actor = config.actor.model("actor", net, p, device).map_err(at("actor"))?;

        if config.critic.arch.takes_pictures() {
            return Err("agent.critic.arch.kind is \"conv\" and SAC's critics take a flat vector, \
                        observation and action one after the other; give them \"mlp\", \"simba\" or \
                        \"simba_v2\" (agent.actor.arch can be \"conv\")"
                .to_owned());
        }
        let mut p = Params::default();
        let nets = (0..config.critics)
            .map(|i| {
                let input = obs_dim + action_dim;
                let head = ("value", config.value.width());
                config.critic.arch.build(&mut p, &format!("q{i}"), &[input], &[head], rng)
            })
            .collect::<Result<_, _>>()
            .map_err(|e| format!("agent.critic.arch: {e}"))?;
        let critic = config
            .critic
            .model("critic", Arc::new(Ensemble(nets)), p, device)
            .map_err(at("critic"))?;
        let target = config.target_networks.then(|| critic.target());

        let mut p = Params::default();
        let init = Init::Constant(config.alpha.ln());
        let log_alpha = p.add("log_alpha".to_owned(), Role::Scalar, &[], init, rng);
        let nothing = Arc::new(Ensemble(Vec::new()));
        let temperature = Model::new("temperature", nothing, p, &config.alpha_optim, &[], device)
            .map_err(|e| format!("agent.alpha_{e}"))?;

        let target_entropy = config.target_entropy_per_dim * action_dim as f64;
        let action_dim = action_dim as usize;
        let config = config.clone();
        Ok(Sac {
            config,
            actor,
            critic,
            target,
            temperature,
            log_alpha,
            target_entropy,
            obs_dim,
            action_dim,
            exec: Exec::Autograd,
        })
    }

    /// The same agent computing in `kind`: f64 compares whole updates with references.
    #[must_use]
    pub fn to_kind(self, kind: Kind) -> Sac {
        Sac {
            actor: self.actor.to_kind(kind),
            critic: self.critic.to_kind(kind),
            target: self.target.map(|target| target.to_kind(kind)),
            temperature: self.temperature.to_kind(kind),
            ..self
        }
    }

    pub(super) fn dist(&self, outputs: &[Tensor]) -> SquashedGaussian {
        dist(outputs, self.config.log_std)
    }

    /// The temperature, a constant for every gradient but its own.
    pub(super) fn alpha(&self) -> Tensor {
        self.temperature.params.get(self.log_alpha).detach().exp()
    }
}

impl Agent for Sac {
    fn update(
        &mut self,
        b: &Batch,
        replay: &mut dyn Sampler,
        clock: Clock,
        rng: &mut Rng,
        log: &mut Scalars,
    ) -> Result<(), NonFinite> {
        let noise = Noise::of(b, rng);
        self.update_with(b, &noise, replay, clock, rng, log)
    }

    fn fuse(&mut self, threads: usize) -> Result<(), String> {
        self.programs()?;
        self.exec = Exec::Ready(threads);
        Ok(())
    }

    fn is_fused(&self) -> bool {
        !matches!(self.exec, Exec::Autograd)
    }

    fn probe(&self, b: &Batch, rng: &mut Rng) -> Vec<NetworkProbe<'_>> {
        self.network_probe(b, rng)
    }

    fn batch_view(&self, b: &Batch) -> Option<BatchView> {
        Some(self.view(b))
    }

    fn value(&self, obs: &[f32], rng: &mut Rng) -> Option<(Vec<f64>, f64)> {
        self.estimates(obs, rng)
    }

    fn intervention_counts(&self) -> Vec<InterventionCount> {
        InterventionCount::of(&self.actor).chain(InterventionCount::of(&self.critic)).collect()
    }

    fn policy(&self) -> Box<dyn Policy> {
        let net = self.actor.target().to_device(Device::Cpu).folded();
        let policy = SacPolicy::new(net, self.action_dim, self.config.log_std);
        Box::new(if self.is_fused() { policy.fused(self.obs_dim as usize) } else { policy })
    }

    fn snapshot(&self, version: u64) -> Snapshot {
        Snapshot { version, policy: self.actor.params.to_flat(), obs: None }
    }

    fn save(&self, out: &mut StateDict) {
        self.actor.save(out);
        self.critic.save(out);
        if let Some(target) = &self.target {
            target.params.save("target", out);
        }
        self.temperature.save(out);
    }

    fn load(&mut self, from: &StateDict) -> Result<(), LoadError> {
        self.actor.load(from)?;
        self.critic.load(from)?;
        if let Some(target) = &mut self.target {
            target.params.load("target", from)?;
        }
        self.temperature.load(from)
    }

    fn first_non_finite(&self) -> Option<String> {
        let models = [("actor", &self.actor.params), ("critic", &self.critic.params)];
        models.iter().find_map(|(m, p)| p.first_non_finite().map(|n| format!("{m}/{n}")))
    }
}
