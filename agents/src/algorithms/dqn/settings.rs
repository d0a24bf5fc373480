//! DQN as one of the algorithms that a configuration can name.

use envs::EnvSpec;
use networks::{optim::OptimConfig, random::Rng, registry::Part};
use tch::Device;

use super::{
    agent::Dqn,
    config::{DqnConfig, TargetRule},
};
use crate::{
    agent::Agent,
    algorithms::{
        network::NetworkConfig,
        settings::{AgentConfig, AlgorithmSettings},
    },
};

impl Part for DqnConfig {
    type Family = dyn AlgorithmSettings;

    const KIND: &'static str = "dqn";
    const SUMMARY: &'static str = "deep Q-network, for discrete actions";
    const SOURCE: &'static str = "Mnih et al. 2015, Nature 518";
}

impl AlgorithmSettings for DqnConfig {
    fn validate(&self) -> Result<(), String> {
        DqnConfig::validate(self)
    }

    fn build(
        &self,
        spec: &EnvSpec,
        device: Device,
        rng: &mut Rng,
    ) -> Result<Box<dyn Agent>, String> {
        Ok(Box::new(Dqn::new(self, spec, device, rng)?))
    }

    fn gamma(&self) -> f64 {
        self.gamma
    }

    fn gamma_mut(&mut self) -> (&mut f64, &mut bool) {
        (&mut self.gamma, &mut self.gamma_heuristic)
    }

    fn networks(&self) -> Vec<(&'static str, &NetworkConfig)> {
        vec![("agent.network", &self.network)]
    }

    fn networks_mut(&mut self) -> Vec<&mut NetworkConfig> {
        vec![&mut self.network]
    }

    fn optims_mut(&mut self) -> Vec<(u64, &mut OptimConfig)> {
        vec![(1, &mut self.network.optim)]
    }

    fn notes(&self, learning_starts: u64, updates: u64) -> Vec<String> {
        exploration(self, learning_starts).into_iter().chain(target(self, updates)).collect()
    }

    fn changed(&self, change: &mut dyn FnMut(&mut dyn AlgorithmSettings)) -> AgentConfig {
        let mut copy = self.clone();
        change(&mut copy);
        copy.into()
    }
}

/// Actions are random before learning starts, whatever epsilon is.
fn exploration(c: &DqnConfig, learning_starts: u64) -> Option<String> {
    let (schedule, unused) = (&c.epsilon, c.epsilon.steps <= learning_starts);
    (unused && schedule.start != schedule.end).then(|| {
        format!(
            "agent.epsilon has come down to its end, {}, after {} steps, and until replay.learning_starts, {learning_starts}, \
             actions are random anyway; raise agent.epsilon.steps",
            schedule.end, schedule.steps
        )
    })
}

fn target(c: &DqnConfig, updates: u64) -> Option<String> {
    match c.target {
        TargetRule::Polyak { tau: 0.0 } => Some(
            "agent.target.tau is 0, so the target network stays as it begins; set it above 0"
                .to_owned(),
        ),
        TargetRule::Hard { every_updates } if every_updates > updates && updates > 0 => {
            Some(format!(
                "agent.target.every_updates is {every_updates} and the run makes {updates} updates, so the target network \
             stays as it begins; lower it"
            ))
        }
        _ => None,
    }
}
