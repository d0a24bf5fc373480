//! One network of an agent as a configuration describes it.

use std::sync::Arc;

use networks::{
    arch::mlp::MlpConfig,
    interventions::{self, InterventionConfig},
    model::Model,
    network::ArchConfig,
    network::Network,
    optim::OptimConfig,
    params::Params,
};
use serde::{Deserialize, Serialize};
use tch::Device;

use crate::algorithms::range::check_floats;

/// `[agent.network]`, `[agent.actor]`, `[agent.critic]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkConfig {
    /// Architecture.
    pub arch: ArchConfig,
    /// Optimiser.
    pub optim: OptimConfig,
    /// Interventions, in the order of application.
    pub interventions: Vec<InterventionConfig>,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        NetworkConfig {
            arch: ArchConfig::from(MlpConfig::default()),
            optim: OptimConfig::default(),
            interventions: Vec::new(),
        }
    }
}

impl NetworkConfig {
    pub(crate) fn model(
        &self,
        name: &str,
        net: Arc<dyn Network>,
        params: Params,
        device: Device,
    ) -> Result<Model, String> {
        Model::new(name, net, params, &self.optim, &self.interventions, device)
    }
}

/// Checks the numbers of a network whose key is `key`.
///
/// # Errors
/// One sentence about the first that cannot work.
pub fn validate_network(key: &str, c: &NetworkConfig) -> Result<(), String> {
    let table =
        toml::Value::try_from(c).map_err(|e| format!("{key} cannot be written as TOML: {e}"))?;
    check_floats(key, &table)?;
    c.arch.validate().map_err(|e| format!("{key}.arch.{e}"))?;
    OptimConfig::validate(&c.optim).map_err(|e| format!("{key}.{e}"))?;
    interventions::validate(&c.interventions).map_err(|e| format!("{key}.interventions: {e}"))
}
