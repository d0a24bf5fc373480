//! What an algorithm is to the configuration that names it.

use std::{fmt::Debug, sync::Arc};

use envs::EnvSpec;
use networks::{
    optim::OptimConfig,
    random::Rng,
    registry::{Holds, Named, Part},
};
use tch::Device;

use super::network::NetworkConfig;
use crate::agent::Agent;

/// `[agent]`
pub type AgentConfig = Named<dyn AlgorithmSettings>;

/// The settings of one algorithm.
pub trait AlgorithmSettings: Debug + Send + Sync {
    /// Checks every number against what can work; keys begin with `agent`.
    ///
    /// # Errors
    /// One sentence about the first that cannot.
    fn validate(&self) -> Result<(), String>;

    /// Builds the agent for an environment.
    ///
    /// # Errors
    /// One sentence when it cannot act there.
    fn build(
        &self,
        spec: &EnvSpec,
        device: Device,
        rng: &mut Rng,
    ) -> Result<Box<dyn Agent>, String>;

    /// Discount per environment step.
    fn gamma(&self) -> f64;

    /// The discount, and whether it follows the time limit of the environment instead
    /// ([`gamma_heuristic`](crate::algorithms::gamma_heuristic)).
    fn gamma_mut(&mut self) -> (&mut f64, &mut bool);

    /// Whether the agent's value counts more than rewards at the steps inside an n-step transition.
    fn counts_between(&self) -> bool {
        false
    }

    /// The configuration of every network, with its key.
    fn networks(&self) -> Vec<(&'static str, &NetworkConfig)>;

    /// The same, to be changed.
    fn networks_mut(&mut self) -> Vec<&mut NetworkConfig>;

    /// Every optimiser, and in how many updates of the agent it makes one step.
    fn optims_mut(&mut self) -> Vec<(u64, &mut OptimConfig)>;

    /// What can work and is probably a mistake, one sentence each, about a run with so many random steps at the start
    /// and so many updates.
    fn notes(&self, _learning_starts: u64, _updates: u64) -> Vec<String> {
        Vec::new()
    }

    /// A changed copy: `let mut copy = self.clone(); change(&mut copy); copy.into()`.
    fn changed(&self, change: &mut dyn FnMut(&mut dyn AlgorithmSettings)) -> AgentConfig;
}

impl<P: Part + AlgorithmSettings> Holds<P> for dyn AlgorithmSettings {
    fn hold(part: Arc<P>) -> Arc<Self> {
        part
    }
}
