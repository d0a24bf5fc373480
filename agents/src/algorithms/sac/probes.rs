//! What SAC shows of itself, for diagnostics: nothing here is part of an update.

use networks::{model::Model, random::Rng};
use tch::{Device, Kind, Tensor, no_grad_guard};

use super::{agent::Sac, noise::Noise, update::critic_input};
use crate::{
    diagnostics::probe::{BatchView, Choices, NetworkProbe},
    experience::Batch,
    losses,
    value::sampled_number_nll,
};

impl Sac {
    /// For [`Agent::probe`](crate::agent::Agent::probe).
    pub(super) fn network_probe(&self, b: &Batch, rng: &mut Rng) -> Vec<NetworkProbe<'_>> {
        let value = self.config.value;
        let trace = |model: &Model, x: &Tensor| {
            let _guard = no_grad_guard();
            model.trace(x)
        };
        let obs = b.obs.shallow_clone();
        let noise = Noise::of(b, rng);
        let y = self.targets(b, &noise);
        let actor_loss = move |from, count| {
            let obs = obs.narrow(0, from, count);
            let dist = self.dist(&self.actor.forward(&obs));
            self.actor_loss(&obs, &dist.sample_with(&noise.obs.narrow(0, from, count)))
        };
        let row = |x: &Tensor, i| x.narrow(0, i, 1);
        let (x1, x2) = (b.obs.shallow_clone(), b.obs.shallow_clone());
        let actor = NetworkProbe {
            net: "actor",
            model: &self.actor,
            target: None,
            input: b.obs.shallow_clone(),
            trace: trace(&self.actor, &b.obs),
            loss: Box::new(actor_loss),
            floor: None,
            output: Box::new(move |i| self.actor.forward(&row(&x1, i))[0].sum(None::<Kind>)),
            sampled_label_nll: Box::new(move |i, rng| {
                sampled_number_nll(&self.actor.forward(&row(&x2, i))[0], rng)
            }),
        };
        let input = critic_input(&b.obs, &b.action);
        let critics = self.config.critics as f64;
        let y2 = y.shallow_clone();
        let [x1, x2, x3] = std::array::from_fn(|_| input.shallow_clone());
        let critic = NetworkProbe {
            net: "critic",
            model: &self.critic,
            target: self.target.as_ref().map(|target| &target.params),
            trace: trace(&self.critic, &input),
            input,
            loss: Box::new(move |from, count| {
                let q = self.critic.forward(&x1.narrow(0, from, count));
                losses::sac_critic_loss(value, &q, &y.narrow(0, from, count), None)
            }),
            floor: Some(Box::new(move |from, count| {
                critics * losses::loss_floor(value, &y2.narrow(0, from, count))
            })),
            output: Box::new(move |i| {
                let q = self.critic.forward(&row(&x2, i));
                q.iter().map(|q| value.mean(q).sum(None::<Kind>)).sum()
            }),
            sampled_label_nll: Box::new(move |i, rng| {
                let q = self.critic.forward(&row(&x3, i));
                // No two share a weight: squared norms of their gradients add up.
                q.iter().map(|q| value.sampled_label_nll(q, rng)).sum::<Tensor>() / critics.sqrt()
            }),
        };
        vec![actor, critic]
    }

    /// For [`Agent::batch_view`](crate::agent::Agent::batch_view).
    pub(super) fn view(&self, b: &Batch) -> BatchView {
        let _guard = no_grad_guard();
        let outputs = self.actor.forward(&b.obs);
        let (mean, log_std) = (outputs[0].copy(), self.config.log_std.apply(&outputs[1]));
        let input = critic_input(&b.obs, &b.action);
        let values = |q: Vec<Tensor>| q.iter().map(|q| self.config.value.mean(q)).collect();
        BatchView {
            policy: ("actor", Choices::Gaussian { mean, log_std }),
            values: ("critic", values(self.critic.forward(&input))),
            target_values: self
                .target
                .as_ref()
                .map_or_else(Vec::new, |t| values(t.forward(&input))),
        }
    }

    /// For [`Agent::value`](crate::agent::Agent::value).
    pub(super) fn estimates(&self, obs: &[f32], rng: &mut Rng) -> Option<(Vec<f64>, f64)> {
        let _guard = no_grad_guard();
        let device = self.alpha().device();
        let obs = Tensor::from_slice(obs).view([-1, self.obs_dim]).to_device(device);
        let dist = self.dist(&self.actor.forward(&obs));
        let q = self.critic.forward(&critic_input(&obs, &dist.mode()));
        let q = self.config.value.min_q(&q).to_kind(Kind::Double);
        let bonus =
            -(self.alpha() * dist.sample(rng).log_prob.mean(None::<Kind>)).double_value(&[]);
        Some((Vec::try_from(&q.to_device(Device::Cpu)).ok()?, bonus))
    }
}
