//! What numbers of a configuration can work, key by key.

use networks::{interventions::InterventionConfig, optim::OptimConfig, unread::unread};
use toml::Table;

use super::tables;
use crate::{
    config::{AgentConfig, Config, NetworkConfig},
    dqn::{DqnConfig, TargetRule},
    sac::SacConfig,
    value::ValueConfig,
};

impl Config {
    /// Checks every number against what can work.
    ///
    /// # Errors
    /// One sentence about the first that cannot.
    pub fn validate(&self) -> Result<(), String> {
        let (r, p) = (&self.runtime, &self.replay);
        at_least("total_steps", self.total_steps, 1)?;
        at_least("log_every_updates", self.log_every_updates, 1)?;
        at_least("runtime.actors", r.actors as u64, 1)?;
        at_least("runtime.envs_per_actor", r.envs_per_actor as u64, 1)?;
        at_least("runtime.sync_every", r.sync_every, 1)?;
        at_least("runtime.queue", r.queue as u64, 1)?;
        at_least("replay.batch_size", p.batch_size as u64, 1)?;
        at_least("replay.n_step", p.n_step as u64, 1)?;
        at_least("checkpoint.keep", self.checkpoint.keep as u64, 1)?;
        at_most("runtime.actors", r.actors as u64, 1_024)?;
        at_most("runtime.envs_per_actor", r.envs_per_actor as u64, 4_096)?;
        at_most("runtime.queue", r.queue as u64, 65_536)?;
        at_most("runtime.torch_threads", r.torch_threads as u64, 1_024)?;
        at_most("replay.batch_size", p.batch_size as u64, 1 << 20)?;
        at_most("replay.n_step", p.n_step as u64, 10_000)?;
        at_most("eval.episodes", self.eval.episodes as u64, 1_000_000)?;
        at_most("env.step_offset", self.env.step_offset, OLDEST)?;
        for offset in &self.eval.step_offsets {
            at_most("eval.step_offsets", *offset, OLDEST)?;
        }
        between("runtime.update_to_data", r.update_to_data, 0.0, 1_000.0)?;
        let row = p.n_step as u64 + 3;
        let least = row * r.envs() as u64;
        if p.learning_starts < least {
            return Err(format!(
                "replay.learning_starts is {}; with {} environments and n_step {} it must be at \
                 least {least}, so that every environment has whole transitions to sample",
                p.learning_starts,
                r.envs(),
                p.n_step
            ));
        }
        if (p.capacity as u64) < least {
            return Err(format!("replay.capacity is {}; it must be at least {least}", p.capacity));
        }
        let table =
            Table::try_from(self).map_err(|e| format!("it cannot be written as TOML: {e}"))?;
        for key in ["agent", "normalize"] {
            table.get(key).map_or(Ok(()), |value| tables::check_floats(key, value))?;
        }
        between("diagnostics.probe_size", self.diagnostics.probe_size as f64, 2.0, 65_536.0)?;
        self.normalize.validate().map_err(|e| format!("normalize.{e}"))?;
        match &self.agent {
            AgentConfig::Sac(c) => c.validate(),
            AgentConfig::Dqn(c) => c.validate(),
        }
    }
}

/// A random walk takes seconds to such an offset.
const OLDEST: u64 = 1_000_000_000;

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
        let other = SacConfig::default();
        if c.gamma_heuristic {
            unread("agent.gamma", &c.gamma, &other.gamma, HEURISTIC)?;
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

/// Checks the numbers of a network whose key is `key`.
///
/// # Errors
/// One sentence about the first that cannot work.
pub fn validate_network(key: &str, c: &NetworkConfig) -> Result<(), String> {
    let table =
        toml::Value::try_from(c).map_err(|e| format!("{key} cannot be written as TOML: {e}"))?;
    tables::check_floats(key, &table)?;
    c.arch.validate().map_err(|e| format!("{key}.arch.{e}"))?;
    OptimConfig::validate(&c.optim).map_err(|e| format!("{key}.{e}"))?;
    c.interventions
        .iter()
        .try_for_each(InterventionConfig::validate)
        .map_err(|e| format!("{key}.interventions: {e}"))
}

fn at_least(key: &str, value: u64, least: u64) -> Result<(), String> {
    if value >= least {
        Ok(())
    } else {
        Err(format!("{key} is {value}; it must be at least {least}"))
    }
}

fn at_most(key: &str, value: u64, most: u64) -> Result<(), String> {
    if value <= most { Ok(()) } else { Err(format!("{key} is {value}; it must be at most {most}")) }
}

fn between(key: &str, value: f64, low: f64, high: f64) -> Result<(), String> {
    if (low..=high).contains(&value) {
        Ok(())
    } else {
        Err(format!("{key} is {value}; it must be between {low} and {high}"))
    }
}
