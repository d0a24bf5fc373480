//! `[agent]` with `kind = "sac"`.

use networks::{optim::OptimConfig, squashed_gaussian::LogStd, unread::unread};
use serde::{Deserialize, Serialize};

use crate::{
    algorithms::{
        network::{NetworkConfig, validate_network},
        range::{at_least, at_most, between},
    },
    value::ValueConfig,
};

/// `[agent]` with `kind = "sac"`. Defaults: arXiv 1812.05905, Table 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SacConfig {
    /// Discount per environment step.
    pub gamma: f64,
    /// Take [`gamma_heuristic`](crate::algorithms::gamma_heuristic) of the environment's time limit
    /// instead; the run folder holds the number.
    pub gamma_heuristic: bool,
    /// Polyak rate of the target critics.
    pub tau: f64,
    /// Whether targets come from slowly following copies of the critics. Without them the critics see this and the
    /// next state in one batch and their own values there, through which no gradient flows, are the targets (Bhatt et
    /// al. 2024, arXiv 1902.05605).
    pub target_networks: bool,
    /// Updates of the critics for one of the actor and the temperature.
    pub policy_delay: u64,
    /// Number of critics; the target is the minimum over them.
    pub critics: usize,
    /// What a critic's outputs mean.
    pub value: ValueConfig,
    /// What the policy's second output means.
    pub log_std: LogStd,
    /// Initial temperature.
    pub alpha: f64,
    /// Whether the temperature is learned (equation 18) or stays `alpha`.
    pub learn_alpha: bool,
    /// Target entropy per action dimension; the target is this times the number of dimensions.
    pub target_entropy_per_dim: f64,
    /// The policy network.
    pub actor: NetworkConfig,
    /// Each critic.
    pub critic: NetworkConfig,
    /// Optimiser of the temperature's logarithm.
    pub alpha_optim: OptimConfig,
}

impl Default for SacConfig {
    fn default() -> Self {
        SacConfig {
            gamma: 0.99,
            gamma_heuristic: false,
            tau: 0.005,
            target_networks: true,
            policy_delay: 1,
            critics: 2,
            value: ValueConfig::default(),
            log_std: LogStd::default(),
            alpha: 1.0,
            learn_alpha: true,
            target_entropy_per_dim: -1.0,
            actor: NetworkConfig::default(),
            critic: NetworkConfig::default(),
            alpha_optim: OptimConfig::default(),
        }
    }
}

const HEURISTIC: &str = "agent.gamma_heuristic = true";

impl SacConfig {
    /// Checks every number against what can work; keys begin with `agent`.
    ///
    /// # Errors
    /// One sentence about the first that cannot.
    pub fn validate(&self) -> Result<(), String> {
        let c = self;
        between("agent.gamma", c.gamma, 0.0, 1.0)?;
        between("agent.tau", c.tau, 0.0, 1.0)?;
        between("agent.alpha", c.alpha, 1e-12, 1e12)?;
        c.alpha_optim.validate().map_err(|e| format!("agent.alpha_{e}"))?;
        c.value.validate().map_err(|e| format!("agent.value: {e}"))?;
        c.log_std.validate().map_err(|e| format!("agent.log_std: {e}"))?;
        between("agent.target_entropy_per_dim", c.target_entropy_per_dim, -1e6, 1e6)?;
        at_least("agent.critics", c.critics as u64, 1)?;
        at_most("agent.critics", c.critics as u64, 100)?;
        at_least("agent.policy_delay", c.policy_delay, 1)?;
        at_most("agent.policy_delay", c.policy_delay, 1_000)?;
        let other = SacConfig::default();
        if c.gamma_heuristic {
            unread("agent.gamma", &c.gamma, &other.gamma, HEURISTIC)?;
        }
        if !c.target_networks {
            unread("agent.tau", &c.tau, &other.tau, "agent.target_networks = false")?;
        }
        if !c.learn_alpha {
            let beside = "agent.learn_alpha = false";
            let (mine, default) = (c.target_entropy_per_dim, other.target_entropy_per_dim);
            unread("agent.target_entropy_per_dim", &mine, &default, beside)?;
            if c.alpha_optim != other.alpha_optim {
                return Err(format!("agent.alpha_optim does nothing with {beside}; leave it out"));
            }
        }
        validate_network("agent.actor", &c.actor)?;
        validate_network("agent.critic", &c.critic)
    }
}
