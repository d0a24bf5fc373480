//! The algorithms, and the table of those that a configuration can name.

pub mod dqn;
pub mod network;
pub mod range;
pub mod sac;

use envs::EnvSpec;
use networks::{optim::OptimConfig, random::Rng};
use serde::{Deserialize, Serialize};
use tch::Device;

use crate::{
    agent::Agent,
    algorithms::{
        dqn::{Dqn, DqnConfig},
        network::NetworkConfig,
        sac::{Sac, SacConfig},
    },
};

/// `[agent]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "there is one of it")]
pub enum AgentConfig {
    /// Soft actor-critic, for continuous actions.
    Sac(SacConfig),
    /// Deep Q-network, for discrete actions.
    Dqn(DqnConfig),
}

impl AgentConfig {
    /// Builds the agent for an environment.
    ///
    /// # Errors
    /// One sentence when it cannot act there.
    pub fn build(
        &self,
        spec: &EnvSpec,
        device: Device,
        rng: &mut Rng,
    ) -> Result<Box<dyn Agent>, String> {
        Ok(match self {
            AgentConfig::Sac(c) => Box::new(Sac::new(c, spec, device, rng)?),
            AgentConfig::Dqn(c) => Box::new(Dqn::new(c, spec, device, rng)?),
        })
    }

    /// Discount per environment step.
    pub fn gamma(&self) -> f64 {
        match self {
            AgentConfig::Sac(c) => c.gamma,
            AgentConfig::Dqn(c) => c.gamma,
        }
    }

    /// Whether the agent's value counts more than rewards at the steps inside an n-step transition.
    pub fn counts_between(&self) -> bool {
        matches!(self, AgentConfig::Sac(_)) // entropy
    }

    /// The configuration of every network of the agent.
    pub fn networks_mut(&mut self) -> Vec<&mut NetworkConfig> {
        match self {
            AgentConfig::Sac(c) => vec![&mut c.actor, &mut c.critic],
            AgentConfig::Dqn(c) => vec![&mut c.network],
        }
    }

    /// The same with their keys.
    pub fn networks(&self) -> Vec<(&'static str, &NetworkConfig)> {
        match self {
            AgentConfig::Sac(c) => {
                vec![("agent.actor", &c.actor), ("agent.critic", &c.critic)]
            }
            AgentConfig::Dqn(c) => vec![("agent.network", &c.network)],
        }
    }

    /// Every optimiser of the agent.
    pub(crate) fn optimisers(&mut self) -> Vec<&mut OptimConfig> {
        match self {
            AgentConfig::Sac(c) => {
                vec![&mut c.actor.optim, &mut c.critic.optim, &mut c.alpha_optim]
            }
            AgentConfig::Dqn(c) => vec![&mut c.network.optim],
        }
    }
}

/// The discount that SimbaV2's code (and TD-MPC2's, where it comes from) gives episodes of
/// `steps` agent steps: `(T - 1) / T` with `T = steps / 5`, at least 0.95 and at most 0.995.
pub fn gamma_heuristic(steps: f64) -> f64 {
    let fifth = steps / 5.0;
    ((fifth - 1.0) / fifth).clamp(0.95, 0.995)
}
