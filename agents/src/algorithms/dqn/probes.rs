//! What DQN shows of itself, for diagnostics: nothing here is part of an update.

use tch::{Device, Kind, Tensor, no_grad_guard};

use super::{agent::Dqn, heads::per_action};
use crate::{
    diagnostics::probe::{BatchView, Choices, NetworkProbe},
    experience::Batch,
    losses,
    value::gather_actions,
};

impl Dqn {
    /// For [`Agent::probe`](crate::agent::Agent::probe).
    pub(super) fn network_probe(&self, b: &Batch) -> NetworkProbe<'_> {
        let value = self.config.value;
        let trace = {
            let _guard = no_grad_guard();
            self.online.trace(&b.obs)
        };
        let y = self.targets(b);
        let y2 = y.shallow_clone();
        let rows = || {
            let (obs, action) = (b.obs.shallow_clone(), b.action.shallow_clone());
            move |from, count| self.outputs(&obs, &action, from, count)
        };
        let (q1, q2, q3) = (rows(), rows(), rows());
        NetworkProbe {
            net: "q",
            model: &self.online,
            target: Some(&self.target.params),
            input: b.obs.shallow_clone(),
            trace,
            loss: Box::new(move |from, count| {
                self.loss(&q1(from, count), &y.narrow(0, from, count), None)
            }),
            floor: Some(Box::new(move |from, count| {
                losses::loss_floor(value, &y2.narrow(0, from, count))
            })),
            output: Box::new(move |i| value.mean(&q2(i, 1)).sum(None::<Kind>)),
            sampled_label_nll: Box::new(move |i, rng| value.sampled_label_nll(&q3(i, 1), rng)),
        }
    }

    /// For [`Agent::batch_view`](crate::agent::Agent::batch_view).
    pub(super) fn view(&self, b: &Batch) -> BatchView {
        let _guard = no_grad_guard();
        let q = self.values(&self.online.forward(&b.obs));
        BatchView {
            policy: ("q", Choices::Greedy(q.copy())),
            values: ("q", vec![q]),
            target_values: vec![self.values(&self.target.forward(&b.obs))],
        }
    }

    /// For [`Agent::value`](crate::agent::Agent::value).
    pub(super) fn estimates(&self, obs: &[f32]) -> Option<Vec<f64>> {
        let _guard = no_grad_guard();
        let device = self.online.params.trainable().next()?.value.device();
        let obs = Tensor::from_slice(obs).view([-1, self.obs_dim]).to_device(device);
        let q = self.values(&self.online.forward(&obs)).amax([1i64].as_slice(), false);
        let q = q.to_kind(Kind::Double).to_device(Device::Cpu);
        Vec::try_from(&q).ok()
    }

    /// Outputs of the actions taken in rows of a batch, `[count, W]`.
    fn outputs(&self, obs: &Tensor, action: &Tensor, from: i64, count: i64) -> Tensor {
        let q = self.online.forward(&obs.narrow(0, from, count));
        gather_actions(&per_action(&q, self.config.value.width()), &action.narrow(0, from, count))
    }
}
