//! The actor's side of DQN.

use std::cell::Cell;

use envs::Actions;
use networks::{exec::fused_cpu::Isa, model::FrozenNetwork, random::Rng};
use rand::RngExt;
use tch::no_grad_guard;

use super::{
    config::EpsilonConfig,
    heads::{best_action, per_action, per_action_row},
};
use crate::{
    agent::{ActMode, Policy, Snapshot, obs_tensor},
    algorithms::{acting::Acting, value_rows::ValueRows},
    value::ValueConfig,
};

/// The actor's side: epsilon-greedy per environment.
pub(super) struct DqnPolicy {
    net: FrozenNetwork,
    epsilon: EpsilonConfig,
    actions: usize,
    value: ValueConfig,
    /// Where updates are fused.
    acting: Option<(Acting, ValueRows<f32>)>,
}

impl DqnPolicy {
    pub(super) fn new(
        net: FrozenNetwork,
        epsilon: EpsilonConfig,
        actions: usize,
        value: ValueConfig,
    ) -> Self {
        DqnPolicy { net, epsilon, actions, value, acting: None }
    }

    /// The same on kernels of our own, where there are such, for observations of so many numbers.
    pub(super) fn fused(self, obs_dim: usize) -> Self {
        let acting = Acting::new(&self.net, obs_dim, 1);
        let acting = acting.map(|acting| (acting, ValueRows::new(self.value, Isa::best())));
        DqnPolicy { acting, ..self }
    }

    /// The best action of each observation.
    fn greedy(&mut self, obs: &[f32], n: usize) -> Vec<usize> {
        if let Some((acting, value)) = &mut self.acting {
            acting.renew(&self.net, n);
            let mut q = vec![0.0; self.actions * value.width()];
            let mut probs = vec![0.0; value.width()];
            let (q, probs) = (cells(&mut q), cells(&mut probs));
            return acting.apply(obs, n, |plan, rows| {
                let best = |r| {
                    per_action_row(value, plan, rows, r, q);
                    best_action(value, q, probs)
                };
                rows.range().map(best).collect()
            });
        }
        let _guard = no_grad_guard();
        let q = per_action(&self.net.forward(&obs_tensor(obs, n)), self.value.width());
        let best = self.value.mean(&q).argmax(1, false); // [n]
        let mut greedy = vec![0i64; n];
        best.copy_data(&mut greedy, n);
        greedy.into_iter().map(|best| best as usize).collect()
    }
}

fn cells(x: &mut [f32]) -> &[Cell<f32>] {
    Cell::from_mut(x).as_slice_of_cells()
}

impl Policy for DqnPolicy {
    fn load(&mut self, snapshot: &Snapshot) {
        self.net.params.load_flat(&snapshot.policy);
    }

    fn act(&mut self, obs: &[f32], n: usize, mode: ActMode, rng: &mut Rng) -> Actions {
        let greedy = self.greedy(obs, n);
        let choose = |best: usize| match mode {
            ActMode::Train { env_step } if rng.random::<f64>() < self.epsilon.at(env_step) => {
                rng.random_range(0..self.actions)
            }
            _ => best,
        };
        Actions::Discrete(greedy.into_iter().map(choose).collect())
    }
}
