//! Deep Q-network (Mnih et al. 2015) with double Q-learning (van Hasselt et al. 2016,
//! arXiv 1509.06461, equation 4), dueling heads (Wang et al. 2016, arXiv 1511.06581, equation 9) and
//! n-step returns, each a switch.
//!
//! The dueling heads share the whole hidden trunk; with an MLP they are linear, where the paper
//! gives each stream a hidden layer of its own. Epsilon-greedy only: no noisy networks. Prioritised
//! replay is a setting of replay (`replay.sampler`).
//!
//! # SimbaV2 for discrete actions
//!
//! Nothing is published; the paper only writes its critic with `A * N` logits (arXiv 2502.15280,
//! eq. 14). The mapping here is ours. The network sees the normalised observation alone and its
//! head gives `N` logits for each action, each of the `A * N` weight rows on the unit sphere. With
//! dueling, value and advantages are *logits*: `V + Adv - mean_a Adv`, then a softmax over the bins
//! of each action (Rainbow, arXiv 1710.02298, section 3). Expected values choose actions; double
//! learning takes the target network's distribution of the online network's choice. No entropy
//! moves the target, and the loss is the cross-entropy of the action taken. Rewards are scaled by
//! the running scale of returns instead of being clipped; n-step sums are scaled as sampled.

mod config;
mod policy;
mod probes;

pub use config::{DqnConfig, EpsilonConfig, TargetRule};
use policy::DqnPolicy;

use envs::{ActionSpace, EnvSpec};
use networks::{
    interventions::Clock,
    model::{FrozenNetwork, Model, NonFinite},
    params::{LoadError, Params, StateDict},
    random::Rng,
    trace::Trace,
};
use tch::{Device, Kind, Tensor, no_grad_guard};

use crate::{
    agent::{Agent, InterventionCount, Policy, Snapshot},
    diagnostics::probe::{BatchView, NetworkProbe},
    experience::Batch,
    logging::record::Scalars,
    replay::draws::Sampler,
};

/// The learner's side.
pub struct Dqn {
    config: DqnConfig,
    online: Model,
    target: FrozenNetwork,
    obs_dim: i64,
    actions: usize,
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
        Ok(Dqn { config: config.clone(), online, target, obs_dim, actions })
    }
}

impl Dqn {
    /// Target: `y = r + discount * Q'(s', argmax_a Q(s', a))`, `[B]` or `[B, N]`   double DQN eq. 4
    fn targets(&self, b: &Batch) -> Tensor {
        let _guard = no_grad_guard();
        let value = self.config.value;
        let next = per_action(&self.target.forward(&b.next_obs), value.width()); // [B, A, W]
        let best = if self.config.double {
            value.mean(&per_action(&self.online.forward(&b.next_obs), value.width()))
        } else {
            value.mean(&next)
        };
        let next = gather_actions(&next, &best.argmax(1, true)); // [B, W]
        value.target(&next, &b.reward, &b.discount, None)
    }

    /// Loss: Huber(Q(s, a) - y), or the cross-entropy of distributions
    fn loss(&self, q: &Tensor, y: &Tensor, weights: Option<&Tensor>) -> Tensor {
        let delta = self.config.huber_delta;
        self.config.value.loss(q, y, weights, |q, y, reduce| q.huber_loss(y, reduce, delta))
    }

    /// Expected values `[B, A]` of network outputs.
    fn values(&self, outputs: &[Tensor]) -> Tensor {
        self.config.value.mean(&per_action(outputs, self.config.value.width()))
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
        let value = self.config.value;
        let y = self.targets(b);
        let mut trace = Trace::on();
        let q = per_action(&self.online.forward_train(&b.obs, &mut trace), value.width());
        let q = gather_actions(&q, &b.action); // [B, W]
        let loss = self.loss(&q, &y, b.weights.as_ref());
        let step = self.online.minimize(&loss, &trace, &b.fields(), clock, rng)?;
        if b.weights.is_some() {
            replay.report(&b.rows, &value.errors(&q, &y));
        }

        match self.config.target {
            TargetRule::Polyak { tau } => self.online.polyak_update(&mut self.target, tau),
            TargetRule::Hard { every_updates }
                if (clock.update + 1).is_multiple_of(every_updates) =>
            {
                self.online.polyak_update(&mut self.target, 1.0);
            }
            TargetRule::Hard { .. } => self.online.sync_resets(&mut self.target),
        }

        log.layers("q", &step);
        if clock.log {
            log.step("q", &step, self.online.lr());
            log.scalar("q/mean", value.mean(&q).mean(None::<Kind>).double_value(&[]));
            log.scalar("q/target", value.target_mean(&y).mean(None::<Kind>).double_value(&[]));
            if let Some(mass) = value.boundary_mass(&y) {
                log.scalar("q/boundary_mass", mass);
            }
            log.scalar("policy/epsilon", self.config.epsilon.at(clock.env_step));
        }
        Ok(())
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
        Box::new(DqnPolicy {
            net: self.online.target().to_device(Device::Cpu).folded(),
            epsilon: self.config.epsilon.clone(),
            actions: self.actions,
            value: self.config.value,
        })
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

/// Heads to outputs of each action, `[B, A, W]`; two heads are advantages and value (dueling eq. 9).
fn per_action(heads: &[Tensor], width: i64) -> Tensor {
    let split = |t: &Tensor| t.view([t.size()[0], -1, width]);
    match heads {
        [q] => split(q),
        [advantage, value] => {
            let (advantage, value) = (split(advantage), split(value));
            &value + &advantage - advantage.mean_dim(Some([1i64].as_slice()), true, None::<Kind>)
        }
        _ => unreachable!("DQN asks for one or two heads"),
    }
}

/// `[B, A, W]` and actions `[B, 1]` to the outputs of those, `[B, W]`.
fn gather_actions(outputs: &Tensor, action: &Tensor) -> Tensor {
    let width = outputs.size()[2];
    let index = action.unsqueeze(2).expand([-1, 1, width], false); // [B, 1, W]
    outputs.gather(1, &index, false).squeeze_dim(1)
}

#[cfg(test)]
mod tests;
