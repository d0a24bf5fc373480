//! `[agent]` with `kind = "dqn"`.

use networks::unread::unread;
use serde::{Deserialize, Serialize};

use crate::{
    algorithms::{
        network::{NetworkConfig, validate_network},
        range::{at_least, between},
    },
    value::ValueConfig,
};

/// How the target network follows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum TargetRule {
    /// A copy every `every_updates` updates (Mnih et al. 2015).
    Hard {
        /// Period in updates.
        every_updates: u64,
    },
    /// Polyak average after every update.
    Polyak {
        /// Rate: 1 copies at once.
        tau: f64,
    },
}

/// Linear schedule of the exploration rate over environment steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EpsilonConfig {
    /// Rate at step 0.
    pub start: f64,
    /// Rate from step `steps` on.
    pub end: f64,
    /// Length of the line, in environment steps over all actors.
    pub steps: u64,
}

impl Default for EpsilonConfig {
    /// Mnih et al. 2015, Extended Data Table 1, with a shorter line: their 10^6 frames suit Atari.
    fn default() -> Self {
        EpsilonConfig { start: 1.0, end: 0.05, steps: 10_000 }
    }
}

impl EpsilonConfig {
    pub(super) fn at(&self, env_step: u64) -> f64 {
        let progress = (env_step as f64 / self.steps.max(1) as f64).min(1.0);
        self.start + (self.end - self.start) * progress
    }
}

/// `[agent]` with `kind = "dqn"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DqnConfig {
    /// Discount per environment step.
    pub gamma: f64,
    /// Take [`gamma_heuristic`](crate::algorithms::gamma_heuristic) of the environment's time limit
    /// instead; the run folder holds the number.
    pub gamma_heuristic: bool,
    /// Choose the next action with the online network, value it with the target network.
    pub double: bool,
    /// Separate heads for state value and advantages.
    pub dueling: bool,
    /// What the network's outputs mean.
    pub value: ValueConfig,
    /// How the target network follows.
    pub target: TargetRule,
    /// Exploration.
    pub epsilon: EpsilonConfig,
    /// Where the Huber loss of scalar values turns from quadratic to linear (Mnih et al. clip the
    /// error at 1).
    pub huber_delta: f64,
    /// The Q-network.
    pub network: NetworkConfig,
}

impl Default for DqnConfig {
    fn default() -> Self {
        DqnConfig {
            gamma: 0.99,
            gamma_heuristic: false,
            double: true,
            dueling: false,
            value: ValueConfig::default(),
            target: TargetRule::Hard { every_updates: 500 },
            epsilon: EpsilonConfig::default(),
            huber_delta: 1.0,
            network: NetworkConfig::default(),
        }
    }
}

const HEURISTIC: &str = "agent.gamma_heuristic = true";

impl DqnConfig {
    /// Checks every number against what can work; keys begin with `agent`.
    ///
    /// # Errors
    /// One sentence about the first that cannot.
    pub fn validate(&self) -> Result<(), String> {
        let c = self;
        between("agent.gamma", c.gamma, 0.0, 1.0)?;
        between("agent.epsilon.start", c.epsilon.start, 0.0, 1.0)?;
        between("agent.epsilon.end", c.epsilon.end, 0.0, 1.0)?;
        between("agent.huber_delta", c.huber_delta, 1e-12, 1e12)?;
        c.value.validate().map_err(|e| format!("agent.value: {e}"))?;
        match c.target {
            TargetRule::Hard { every_updates } => {
                at_least("agent.target.every_updates", every_updates, 1)?;
            }
            TargetRule::Polyak { tau } => between("agent.target.tau", tau, 0.0, 1.0)?,
        }
        let other = DqnConfig::default();
        if c.gamma_heuristic {
            unread("agent.gamma", &c.gamma, &other.gamma, HEURISTIC)?;
        }
        if let ValueConfig::Categorical(_) = c.value {
            let beside = "agent.value.kind = \"categorical\"";
            unread("agent.huber_delta", &c.huber_delta, &other.huber_delta, beside)?;
        }
        validate_network("agent.network", &c.network)
    }
}
