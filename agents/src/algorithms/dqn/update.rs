//! One update of DQN: the Q-network, then its target network.

use networks::{
    interventions::Clock,
    model::{NonFinite, StepStats},
    random::Rng,
    trace::Trace,
};
use tch::{Kind, Tensor, no_grad_guard};

use super::{agent::Dqn, config::TargetRule, heads::per_action};
use crate::{
    algorithms::fused::{self, Update},
    experience::Batch,
    logging::record::Scalars,
    losses::{self, TdLoss},
    replay::draws::Sampler,
    value::gather_actions,
};

impl Dqn {
    /// For [`Agent::update`](crate::agent::Agent::update).
    pub(super) fn update_step(
        &mut self,
        b: &Batch,
        replay: &mut dyn Sampler,
        clock: Clock,
        rng: &mut Rng,
        log: &mut Scalars,
    ) -> Result<(), NonFinite> {
        let with = Update { batch: b, noise: &(), replay, clock, rng, log };
        if let Some(result) = fused::update(self, with) {
            return result;
        }
        let value = self.config.value;
        let y = self.targets(b);
        let mut trace = Trace::on();
        let q = per_action(&self.online.forward_train(&b.obs, &mut trace), value.width());
        let q = gather_actions(&q, &b.action); // [B, W]
        let loss = self.loss(&q, &y, b.weights.as_ref());
        let step = self.online.minimize(&loss, &trace, &b.fields(), clock, rng)?;
        if b.weights.is_some() {
            replay.report(&b.rows, &losses::errors(value, &[q.shallow_clone()], &y));
        }

        self.update_target(clock);
        self.log_step(&step, clock, log);
        if clock.log {
            log.scalar("q/mean", value.mean(&q).mean(None::<Kind>).double_value(&[]));
            log.scalar("q/target", value.target_mean(&y).mean(None::<Kind>).double_value(&[]));
            if let Some(mass) = value.boundary_mass(&y) {
                log.scalar("q/boundary_mass", mass);
            }
        }
        Ok(())
    }

    /// The target network follows, as its rule says.
    pub(super) fn update_target(&mut self, clock: Clock) {
        match self.config.target {
            TargetRule::Polyak { tau } => self.online.polyak_update(&mut self.target, tau),
            TargetRule::Hard { every_updates }
                if (clock.update + 1).is_multiple_of(every_updates) =>
            {
                self.online.polyak_update(&mut self.target, 1.0);
            }
            TargetRule::Hard { .. } => self.online.sync_resets(&mut self.target),
        }
    }

    /// What does not depend on how the step was computed.
    pub(super) fn log_step(&self, step: &StepStats, clock: Clock, log: &mut Scalars) {
        log.layers("q", step);
        if clock.log {
            log.step("q", step, self.online.lr());
            log.scalar("policy/epsilon", self.config.epsilon.at(clock.env_step));
        }
    }

    /// Target: `y = r + discount * Q'(s', argmax_a Q(s', a))`, `[B]` or `[B, N]`   double DQN eq. 4
    pub(super) fn targets(&self, b: &Batch) -> Tensor {
        let _guard = no_grad_guard();
        let value = self.config.value;
        let next = per_action(&self.target.forward(&b.next_obs), value.width()); // [B, A, W]
        let chooser = if self.config.double {
            self.values(&self.online.forward(&b.next_obs))
        } else {
            value.mean(&next)
        }; // [B, A]
        losses::q_target(value, &next, &chooser, &b.reward, &b.discount)
    }

    /// Loss: Huber(Q(s, a) - y), or the cross-entropy of distributions
    pub(super) fn loss(&self, q: &Tensor, y: &Tensor, weights: Option<&Tensor>) -> Tensor {
        let huber = TdLoss::Huber { delta: self.config.huber_delta };
        losses::value_loss(self.config.value, q, y, weights, huber)
    }

    /// Expected values `[B, A]` of network outputs.
    pub(super) fn values(&self, outputs: &[Tensor]) -> Tensor {
        self.config.value.mean(&per_action(outputs, self.config.value.width()))
    }
}
