//! Soft actor-critic with twin critics and a learned temperature (Haarnoja et al. 2018b,
//! arXiv 1812.05905, Algorithm 1, equations 3, 9 and 18).
//!
//! The order inside one update is actor, temperature, critic, target, as in SimbaV2's reference
//! code, so that both share this file; the paper's Algorithm 1 updates the critic first.
//! No separate value network (that was the 2018a version), no reward scale: the temperature is
//! learned.
//!
//! With n-step returns the value of a policy that is paid for its entropy has an entropy term at each of the n steps
//! (equation 2), not at the last alone: see [`Sac`]'s `entropy_between`.
//!
//! With `value.kind = "categorical"` a critic gives a distribution over returns, as in SimbaV2
//! (Lee et al. 2025, arXiv 2502.15280, section 4.3): the actor sees expected values, the target is
//! the whole distribution of the critic with the lowest one, and the entropy term shifts each of its
//! values.

mod config;
mod policy;
mod probes;

pub use config::SacConfig;
use policy::SacPolicy;

use envs::{ActionSpace, EnvSpec};
use networks::{
    init::Init,
    interventions::Clock,
    model::{FrozenNetwork, Model, NonFinite},
    network::Ensemble,
    params::{LoadError, ParamId, Params, Role, StateDict},
    random::{self, Rng},
    squashed_gaussian::{LogStd, Sample, SquashedGaussian},
    trace::Trace,
};
use std::sync::Arc;
use tch::{Device, Kind, Reduction, Tensor, no_grad_guard};

use crate::{
    agent::{Agent, InterventionCount, Policy, Snapshot},
    diagnostics::probe::{BatchView, NetworkProbe},
    experience::{Batch, Between},
    logging::record::Scalars,
    replay::draws::Sampler,
};

/// The learner's side.
pub struct Sac {
    config: SacConfig,
    actor: Model,
    critic: Model,
    target: FrozenNetwork,
    temperature: Model,
    log_alpha: ParamId,
    target_entropy: f64,
    obs_dim: i64,
    action_dim: usize,
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
        let target = critic.target();

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
        })
    }

    /// The same agent computing in `kind`: f64 compares whole updates with references.
    #[must_use]
    pub fn to_kind(self, kind: Kind) -> Sac {
        Sac {
            actor: self.actor.to_kind(kind),
            critic: self.critic.to_kind(kind),
            target: self.target.to_kind(kind),
            temperature: self.temperature.to_kind(kind),
            ..self
        }
    }

    fn dist(&self, outputs: &[Tensor]) -> SquashedGaussian {
        dist(outputs, self.config.log_std)
    }

    /// The temperature, a constant for every gradient but its own.
    fn alpha(&self) -> Tensor {
        self.temperature.params.get(self.log_alpha).detach().exp()
    }
}

/// Standard normal noise of one update: what the actor's and the target's actions are drawn with.
#[derive(Debug)]
pub struct Noise {
    /// `[B, A]`, for actions at `obs`.
    pub obs: Tensor,
    /// `[B, A]`, for actions at `next_obs`.
    pub next_obs: Tensor,
    /// `[B, n - 1, A]`, for actions between, where the batch holds what lies there.
    pub between: Option<Tensor>,
}

impl Noise {
    /// For an update with this batch.
    fn of(b: &Batch, rng: &mut Rng) -> Noise {
        let (obs, next_obs) = (normal_like(&b.action, rng), normal_like(&b.action, rng));
        Noise { obs, next_obs, between: Noise::between(b, rng) }
    }

    fn between(b: &Batch, rng: &mut Rng) -> Option<Tensor> {
        let steps = b.between.as_ref()?.discount.size()[1];
        let [batch, dim] = b.action.size()[..] else { unreachable!("[B, A]") };
        let noise = random::normal(&[batch, steps, dim], rng);
        Some(noise.to_kind(b.action.kind()).to_device(b.action.device()))
    }
}

impl Sac {
    /// Actor: `J(pi) = E[ alpha log pi(a|s) - min_i Q_i(s, a) ]`                      SAC eq. 9
    fn actor_loss(&self, obs: &Tensor, pi: &Sample) -> Tensor {
        let q = self.critic.forward(&critic_input(obs, &pi.action));
        let q = self.config.value.min_q(&q); // [B]
        mean(&(self.alpha() * &pi.log_prob - &q))
    }

    /// Target: `y = r + discount * (min_i Q'_i(s', a') - alpha log pi(a'|s'))`        SAC eq. 3
    ///
    /// `[B]` or `[B, N]`.
    fn targets(&self, b: &Batch, noise: &Noise) -> Tensor {
        let _guard = no_grad_guard();
        let value = self.config.value;
        let next = self.dist(&self.actor.forward(&b.next_obs)).sample_with(&noise.next_obs);
        let q = self.target.forward(&critic_input(&b.next_obs, &next.action));
        let cost = self.alpha() * next.log_prob; // [B]
        let reward = match (&b.between, &noise.between) {
            (Some(between), Some(noise)) => &b.reward + self.entropy_between(between, noise),
            _ => b.reward.shallow_clone(),
        };
        value.target(&value.min_critic(&q), &reward, &b.discount, Some(&cost))
    }

    /// What the policy is paid for its entropy at the steps inside n-step transitions, discounted:
    /// `sum over k = 1 .. n-1 of gamma^k (-alpha log pi(a|s_k))`, `[B]`.
    ///
    /// The actions are drawn anew from the policy as it is, like the one at the end, and nothing is stored: the
    /// expectation is the entropy of today's policy at `s_k`. Log-probabilities of the stored actions, which another
    /// policy chose, have no bound. `s_k` remain the states that that policy led to, as in any uncorrected n-step return.
    fn entropy_between(&self, between: &Between, noise: &Tensor) -> Tensor {
        let actions = self.dist(&self.actor.forward(&between.obs.flatten(0, 1)));
        let log_prob = actions.sample_with(&noise.flatten(0, 1)).log_prob; // [B (n - 1)]
        let log_prob = log_prob.view_as(&between.discount);
        -self.alpha() * (log_prob * &between.discount).sum_dim_intlist(1i64, false, None::<Kind>)
    }

    /// The sum over critics of their losses against `y`.
    fn critic_loss(&self, q: &[Tensor], y: &Tensor, weights: Option<&Tensor>) -> Tensor {
        let squared = |q: &Tensor, y: &Tensor, reduce| {
            let each = (q - y).square();
            if matches!(reduce, Reduction::None) { each } else { mean(&each) }
        };
        q.iter().map(|q| self.config.value.loss(q, y, weights, squared)).sum()
    }

    /// The size of each sample's error, `[B]`: the mean over critics.
    fn errors(&self, q: &[Tensor], y: &Tensor) -> Tensor {
        let sum: Tensor = q.iter().map(|q| self.config.value.errors(q, y)).sum();
        sum / q.len() as f64
    }

    /// [`Agent::update`] with given noise; `rng` is for interventions only. A batch's weights are those of
    /// the critics' errors, so the actor and the temperature do not have them.
    ///
    /// # Errors
    /// As [`Agent::update`].
    pub fn update_with(
        &mut self,
        b: &Batch,
        noise: &Noise,
        replay: &mut dyn Sampler,
        clock: Clock,
        rng: &mut Rng,
        log: &mut Scalars,
    ) -> Result<(), NonFinite> {
        let (batch, value) = (b.fields(), self.config.value);

        let mut trace = Trace::on();
        let dist = self.dist(&self.actor.forward_train(&b.obs, &mut trace));
        let pi = dist.sample_with(&noise.obs); // [B, A], [B]
        let loss = self.actor_loss(&b.obs, &pi);
        let actor = self.actor.minimize(&loss, &trace, &batch, clock, rng)?;
        let log_prob = pi.log_prob.detach(); // [B]

        // Temperature: J(alpha) = E[ -alpha (log pi(a|s) + H_target) ]              SAC eq. 18
        if self.config.learn_alpha {
            let alpha = self.temperature.params.get(self.log_alpha).exp();
            let loss = -alpha * mean(&(&log_prob + self.target_entropy));
            self.temperature.minimize(&loss, &Trace::off(), &[], clock, rng)?;
        }

        // Critic: (Q_i(s, a) - y)^2                                                 SAC eq. 5
        let y = self.targets(b, noise);
        let mut trace = Trace::on();
        let q = self.critic.forward_train(&critic_input(&b.obs, &b.action), &mut trace);
        let loss = self.critic_loss(&q, &y, b.weights.as_ref());
        let critic = self.critic.minimize(&loss, &trace, &batch, clock, rng)?;
        if b.weights.is_some() {
            replay.report(&b.rows, &self.errors(&q, &y));
        }

        // Target: Polyak average, not projected again.
        self.critic.polyak_update(&mut self.target, self.config.tau);

        log.layers("actor", &actor);
        log.layers("critic", &critic);
        if clock.log {
            log.step("actor", &actor, self.actor.lr());
            log.step("critic", &critic, self.critic.lr());
            log.scalar("policy/alpha", self.alpha().double_value(&[]));
            log.scalar("policy/entropy", -mean(&log_prob).double_value(&[]));
            log.scalar("policy/std", mean(&dist.std()).double_value(&[]));
            log.scalar("q/mean", mean(&value.mean(&q[0])).double_value(&[]));
            log.scalar("q/target", mean(&value.target_mean(&y)).double_value(&[]));
            if let Some(mass) = value.boundary_mass(&y) {
                log.scalar("q/boundary_mass", mass);
            }
        }
        Ok(())
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
        Box::new(SacPolicy { net, dim: self.action_dim, log_std: self.config.log_std })
    }

    fn snapshot(&self, version: u64) -> Snapshot {
        Snapshot { version, policy: self.actor.params.to_flat(), obs: None }
    }

    fn save(&self, out: &mut StateDict) {
        self.actor.save(out);
        self.critic.save(out);
        self.target.params.save("target", out);
        self.temperature.save(out);
    }

    fn load(&mut self, from: &StateDict) -> Result<(), LoadError> {
        self.actor.load(from)?;
        self.critic.load(from)?;
        self.target.params.load("target", from)?;
        self.temperature.load(from)
    }

    fn first_non_finite(&self) -> Option<String> {
        let models = [("actor", &self.actor.params), ("critic", &self.critic.params)];
        models.iter().find_map(|(m, p)| p.first_non_finite().map(|n| format!("{m}/{n}")))
    }
}

/// Outputs are mean and raw log standard deviation.
fn dist(outputs: &[Tensor], log_std: LogStd) -> SquashedGaussian {
    SquashedGaussian::new(outputs[0].shallow_clone(), log_std.apply(&outputs[1]))
}

/// `[B, D], [B, A] -> [B, D + A]`
fn critic_input(obs: &Tensor, action: &Tensor) -> Tensor {
    Tensor::cat(&[obs, action], 1)
}

fn normal_like(action: &Tensor, rng: &mut Rng) -> Tensor {
    random::normal(&action.size(), rng).to_kind(action.kind()).to_device(action.device())
}

fn mean(t: &Tensor) -> Tensor {
    t.mean(None::<Kind>)
}

#[cfg(test)]
mod tests;
