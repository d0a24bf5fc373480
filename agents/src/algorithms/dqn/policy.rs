//! The actor's side of DQN.

use envs::Actions;
use networks::{model::FrozenNetwork, random::Rng};
use rand::RngExt;
use tch::no_grad_guard;

use super::{config::EpsilonConfig, heads::per_action};
use crate::{
    agent::{ActMode, Policy, Snapshot, obs_tensor},
    value::ValueConfig,
};

/// The actor's side: epsilon-greedy per environment.
pub(super) struct DqnPolicy {
    pub(super) net: FrozenNetwork,
    pub(super) epsilon: EpsilonConfig,
    pub(super) actions: usize,
    pub(super) value: ValueConfig,
}

impl Policy for DqnPolicy {
    fn load(&mut self, snapshot: &Snapshot) {
        self.net.params.load_flat(&snapshot.policy);
    }

    fn act(&mut self, obs: &[f32], n: usize, mode: ActMode, rng: &mut Rng) -> Actions {
        let _guard = no_grad_guard();
        let q = per_action(&self.net.forward(&obs_tensor(obs, n)), self.value.width());
        let best = self.value.mean(&q).argmax(1, false); // [n]
        let mut greedy = vec![0i64; n];
        best.copy_data(&mut greedy, n);
        let choose = |best: i64| match mode {
            ActMode::Train { env_step } if rng.random::<f64>() < self.epsilon.at(env_step) => {
                rng.random_range(0..self.actions)
            }
            _ => best as usize,
        };
        Actions::Discrete(greedy.into_iter().map(choose).collect())
    }
}
