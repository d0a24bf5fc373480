//! One update of SAC: actor, temperature, critics, target critics.

use networks::{
    interventions::Clock,
    model::{NonFinite, StepStats},
    random::Rng,
    squashed_gaussian::{Sample, SquashedGaussian},
    trace::Trace,
};
use tch::{Kind, Tensor, no_grad_guard};

use super::{agent::Sac, noise::Noise};
use crate::{
    algorithms::fused::{self, Update},
    experience::{Batch, Between},
    logging::record::Scalars,
    losses,
    replay::draws::Sampler,
};

impl Sac {
    /// [`Agent::update`](crate::agent::Agent::update) with given noise; `rng` is for interventions only. A batch's weights are those of
    /// the critics' errors, so the actor and the temperature do not have them.
    ///
    /// # Errors
    /// As [`Agent::update`](crate::agent::Agent::update).
    pub fn update_with(
        &mut self,
        b: &Batch,
        noise: &Noise,
        replay: &mut dyn Sampler,
        clock: Clock,
        rng: &mut Rng,
        log: &mut Scalars,
    ) -> Result<(), NonFinite> {
        let with = Update { batch: b, noise, replay, clock, rng, log };
        if let Some(result) = fused::update(self, with) {
            return result;
        }
        let (batch, value) = (b.fields(), self.config.value);

        let actor = if (self.critic.steps() + 1).is_multiple_of(self.config.policy_delay) {
            Some(self.update_actor(b, noise, clock, rng)?)
        } else {
            None
        };

        // Critic: (Q_i(s, a) - y)^2                                                 SAC eq. 5
        let mut trace = Trace::on();
        let (q, y) = self.values_and_targets(b, noise, &mut trace);
        let loss = losses::sac_critic_loss(value, &q, &y, b.weights.as_ref());
        let critic = self.critic.minimize(&loss, &trace, &batch, clock, rng)?;
        if b.weights.is_some() {
            replay.report(&b.rows, &losses::errors(value, &q, &y));
        }

        // Target: Polyak average; its rows are not projected to the sphere.
        if let Some(target) = &mut self.target {
            self.critic.polyak_update(target, self.config.tau);
        }

        if let Some((actor, dist, log_prob)) = &actor {
            log.layers("actor", actor);
            if clock.log {
                log.step("actor", actor, self.actor.lr());
                log.scalar("policy/entropy", -mean(log_prob).double_value(&[]));
                log.scalar("policy/std", mean(&dist.std()).double_value(&[]));
            }
        }
        log.layers("critic", &critic);
        if clock.log {
            log.step("critic", &critic, self.critic.lr());
            log.scalar("policy/alpha", self.alpha().double_value(&[]));
            log.scalar("q/mean", mean(&value.mean(&q[0])).double_value(&[]));
            log.scalar("q/target", mean(&value.target_mean(&y)).double_value(&[]));
            if let Some(mass) = value.boundary_mass(&y) {
                log.scalar("q/boundary_mass", mass);
            }
        }
        Ok(())
    }

    /// One step of the actor and, if it is learned, of the temperature; with what the actor was before.
    fn update_actor(
        &mut self,
        b: &Batch,
        noise: &Noise,
        clock: Clock,
        rng: &mut Rng,
    ) -> Result<(StepStats, SquashedGaussian, Tensor), NonFinite> {
        // Actor: J(pi) = E[ alpha log pi(a|s) - min_i Q_i(s, a) ]                   SAC eq. 9
        let mut trace = Trace::on();
        let dist = self.dist(&self.actor.forward_train(&b.obs, &mut trace));
        let pi = dist.sample_with(&noise.obs); // [B, A], [B]
        let loss = self.actor_loss(&b.obs, &pi);
        let actor = self.actor.minimize(&loss, &trace, &b.fields(), clock, rng)?;
        let log_prob = pi.log_prob.detach(); // [B]

        // Temperature: J(alpha) = E[ -alpha (log pi(a|s) + H_target) ]              SAC eq. 18
        if self.config.learn_alpha {
            let alpha = self.temperature.params.get(self.log_alpha).exp();
            let loss = losses::temperature_loss(&alpha, &log_prob, self.target_entropy);
            self.temperature.minimize(&loss, &Trace::off(), &[], clock, rng)?;
        }
        Ok((actor, dist, log_prob))
    }

    /// The actor's loss at actions `pi` drawn from it, by the current critics.
    pub(super) fn actor_loss(&self, obs: &Tensor, pi: &Sample) -> Tensor {
        let q = self.critic.forward(&critic_input(obs, &pi.action));
        let q = self.config.value.min_q(&q); // [B]
        losses::sac_actor_loss(&self.alpha(), &pi.log_prob, &q)
    }

    /// The critics' outputs at the batch, `[B, W]` each, for a loss, and their targets, `[B]` or `[B, N]`.
    fn values_and_targets(
        &self,
        b: &Batch,
        noise: &Noise,
        trace: &mut Trace,
    ) -> (Vec<Tensor>, Tensor) {
        let here = critic_input(&b.obs, &b.action);
        if self.target.is_some() {
            let y = self.targets(b, noise);
            return (self.critic.forward_train(&here, trace), y);
        }
        let next = self.next_actions(b, noise);
        let there = critic_input(&b.next_obs, &next.action);
        let both = self.critic.forward_train(&Tensor::cat(&[here, there], 0), trace); // [2 B, W]
        let (q, next_q): (Vec<_>, Vec<_>) = both
            .iter()
            .map(|both| {
                let [q, next_q] = <[Tensor; 2]>::try_from(both.chunk(2, 0)).expect("two halves");
                (q, next_q.detach())
            })
            .unzip();
        let y = self.soft_target(b, noise, &next, &next_q);
        (q, y)
    }

    /// Target: `y = r + discount * (min_i Q'_i(s', a') - alpha log pi(a'|s'))`        SAC eq. 3
    ///
    /// `[B]` or `[B, N]`. Without target critics `Q'` are the critics.
    pub(super) fn targets(&self, b: &Batch, noise: &Noise) -> Tensor {
        let _guard = no_grad_guard();
        let next = self.next_actions(b, noise);
        let input = critic_input(&b.next_obs, &next.action);
        let q = match &self.target {
            Some(target) => target.forward(&input),
            None => self.critic.forward(&input),
        };
        self.soft_target(b, noise, &next, &q)
    }

    /// Actions of the current policy at the next states.
    fn next_actions(&self, b: &Batch, noise: &Noise) -> Sample {
        let _guard = no_grad_guard();
        self.dist(&self.actor.forward(&b.next_obs)).sample_with(&noise.next_obs)
    }

    /// With `q`, outputs of critics at the next states and these actions.
    fn soft_target(&self, b: &Batch, noise: &Noise, next: &Sample, q: &[Tensor]) -> Tensor {
        let _guard = no_grad_guard();
        let alpha = self.alpha();
        let reward = match (&b.between, &noise.between) {
            (Some(between), Some(noise)) => &b.reward + self.entropy_between(between, noise),
            _ => b.reward.shallow_clone(),
        };
        losses::sac_target(self.config.value, q, &alpha, &next.log_prob, &reward, &b.discount)
    }

    /// The discounted entropy terms of the steps inside n-step transitions, `[B]`.
    ///
    /// The current policy samples these actions, like the one at the end, and nothing is stored: the expectation is
    /// its entropy at `s_k`. Log-probabilities of the stored actions, which another policy chose, have no bound. `s_k`
    /// remain the states that that policy led to, as in any uncorrected n-step return.
    fn entropy_between(&self, between: &Between, noise: &Tensor) -> Tensor {
        let actions = self.dist(&self.actor.forward(&between.obs.flatten(0, 1)));
        let log_prob = actions.sample_with(&noise.flatten(0, 1)).log_prob; // [B (n - 1)]
        let log_prob = log_prob.view_as(&between.discount);
        losses::entropy_bonus(&self.alpha(), &log_prob, &between.discount)
    }
}

/// `[B, D], [B, A] -> [B, D + A]`
pub(super) fn critic_input(obs: &Tensor, action: &Tensor) -> Tensor {
    Tensor::cat(&[obs, action], 1)
}

fn mean(t: &Tensor) -> Tensor {
    t.mean(None::<Kind>)
}
