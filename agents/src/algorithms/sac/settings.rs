//! SAC as one of the algorithms that a configuration can name.

use envs::EnvSpec;
use networks::{optim::OptimConfig, random::Rng, registry::Part};
use tch::Device;

use super::{agent::Sac, config::SacConfig};
use crate::{
    agent::Agent,
    algorithms::{
        network::NetworkConfig,
        settings::{AgentConfig, AlgorithmSettings},
    },
};

impl Part for SacConfig {
    type Family = dyn AlgorithmSettings;

    const KIND: &'static str = "sac";
    const SUMMARY: &'static str = "soft actor-critic, for continuous actions";
    const SOURCE: &'static str = "Haarnoja et al. 2018b, arXiv 1812.05905";
}

impl AlgorithmSettings for SacConfig {
    fn validate(&self) -> Result<(), String> {
        SacConfig::validate(self)
    }

    fn build(
        &self,
        spec: &EnvSpec,
        device: Device,
        rng: &mut Rng,
    ) -> Result<Box<dyn Agent>, String> {
        Ok(Box::new(Sac::new(self, spec, device, rng)?))
    }

    fn gamma(&self) -> f64 {
        self.gamma
    }

    fn gamma_mut(&mut self) -> (&mut f64, &mut bool) {
        (&mut self.gamma, &mut self.gamma_heuristic)
    }

    /// Entropy does.
    fn counts_between(&self) -> bool {
        true
    }

    fn networks(&self) -> Vec<(&'static str, &NetworkConfig)> {
        vec![("agent.actor", &self.actor), ("agent.critic", &self.critic)]
    }

    fn networks_mut(&mut self) -> Vec<&mut NetworkConfig> {
        vec![&mut self.actor, &mut self.critic]
    }

    fn optims_mut(&mut self) -> Vec<(u64, &mut OptimConfig)> {
        let delay = self.policy_delay.max(1);
        let (actor, critic) = (&mut self.actor.optim, &mut self.critic.optim);
        vec![(delay, actor), (1, critic), (delay, &mut self.alpha_optim)]
    }

    fn notes(&self, _learning_starts: u64, _updates: u64) -> Vec<String> {
        let stays = self.tau == 0.0 && self.target_networks;
        let note = "agent.tau is 0, so the target critics stay as they begin; set it above 0";
        stays.then(|| note.to_owned()).into_iter().collect()
    }

    fn changed(&self, change: &mut dyn FnMut(&mut dyn AlgorithmSettings)) -> AgentConfig {
        let mut copy = self.clone();
        change(&mut copy);
        copy.into()
    }
}
