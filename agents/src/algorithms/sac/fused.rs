//! The update of `update.rs` without autograd: the same formulas on preallocated buffers, with gradients by hand.
//! Threads first share rows (`rows.rs`), then parameters.

use networks::{
    exec::fused_cpu::{GaussianRows, Isa, Matrix, Plan, Program, Purpose, Real, Team, exp_of},
    model::{NonFinite, StepStats},
    trace::Trace,
};
use tch::{Kind, Tensor};

use super::{
    agent::Sac,
    noise::Noise,
    rows::{Entropy, Parts},
};
use crate::{
    algorithms::{
        fused::{self, Exec, Follower, Fused, FusedAgent, Update},
        value_rows::ValueRows,
    },
    experience::Batch,
};

/// Buffers and threads, kept from update to update.
pub(super) struct FusedSac<T> {
    team: Team,
    /// Rows that there is room for.
    room: usize,
    actor_grads: Vec<Tensor>,
    critic_grads: Vec<Tensor>,
    parts: Parts<T>,
}

impl Sac {
    /// The two networks as programs.
    pub(super) fn programs(&self) -> Result<(Program, Program), String> {
        let critic = self.obs_dim as usize + self.action_dim;
        let actor = self.actor.program(self.obs_dim as usize);
        let actor = actor.map_err(|e| format!("agent.actor: {e}"))?;
        let critic = self.critic.program(critic).map_err(|e| format!("agent.critic: {e}"))?;
        Ok((actor, critic))
    }
}

impl FusedAgent for Sac {
    type Noise = Noise;

    fn exec(&mut self) -> &mut Exec<Sac> {
        &mut self.exec
    }

    fn buffers(&self, b: &Batch, threads: usize) -> Box<dyn Fused<Sac>> {
        match b.obs.kind() {
            Kind::Double => Box::new(FusedSac::<f64>::new(self, b, threads)),
            _ => Box::new(FusedSac::<f32>::new(self, b, threads)),
        }
    }
}

/// [`Sac::alpha`] in the same bits on every processor.
fn alpha<T: Real>(sac: &Sac) -> T {
    exp_of(T::of(sac.temperature.params.get(sac.log_alpha).double_value(&[])))
}

/// The most rows that a network sees at once in an update with this batch.
fn rows_of(b: &Batch) -> usize {
    let batch = b.reward.size()[0];
    let between = b.between.as_ref().map_or(0, |between| between.discount.numel() as i64);
    batch.max(between) as usize
}

impl<T: Real> FusedSac<T> {
    fn new(sac: &Sac, b: &Batch, threads: usize) -> Self {
        let isa = Isa::best();
        let programs = || sac.programs().expect("`fuse` made them once");
        let ((actor, critic), (_, copy)) = (programs(), programs());
        let (room, obs) = (rows_of(b), sac.obs_dim as usize);
        let width = obs + sac.action_dim;
        let learn = |columns| Purpose::Learn { input_columns: columns };
        let value = ValueRows::new(sac.config.value, isa);
        let critics = sac.config.critics;
        let matrix = |width| Matrix::new(room, width);
        let target = sac.target.as_ref();
        let parts = Parts {
            actor: Plan::new(actor, isa, room, learn(0..0), &sac.actor.params),
            critic: Plan::new(critic, isa, room, learn(obs..width), &sac.critic.params),
            target: target.map(|t| Plan::new(copy, isa, room, Purpose::Evaluate, &t.params)),
            gaussian: GaussianRows::new(isa, room, sac.action_dim, sac.config.log_std),
            probs: (0..critics).map(|_| matrix(value.width())).collect(),
            y: matrix(value.width()),
            extra: matrix(1),
            losses: matrix(critics),
            value,
        };
        let weights = sac.actor.params.count() + sac.critic.params.count();
        let team = fused::team(weights, room, threads);
        let actor_grads = fused::zeros_like(&sac.actor.params);
        let critic_grads = fused::zeros_like(&sac.critic.params);
        FusedSac { team, room, actor_grads, critic_grads, parts }
    }
}

impl<T: Real> FusedSac<T> {
    /// One step of the actor and of the temperature. SAC equations 9 and 18.
    fn update_actor(
        &mut self,
        sac: &mut Sac,
        with: &mut Update<'_, Noise>,
    ) -> Result<(StepStats, Entropy), NonFinite> {
        let FusedSac { team, actor_grads, critic_grads, parts, .. } = self;
        let alpha = alpha(sac);
        parts.actor.bind(&sac.actor.params, actor_grads);
        parts.critic.bind(&sac.critic.params, critic_grads);
        let (loss, entropy) = parts.actor(with.batch, with.noise, alpha, team);
        let actor =
            fused::step(&mut parts.actor, actor_grads, &mut sac.actor, loss, team, with, None)?;

        if sac.config.learn_alpha {
            // J = -alpha (log pi + H_target) and alpha = exp(log_alpha), so the gradient is J.
            let loss = -alpha.wide() * (entropy.log_prob + sac.target_entropy);
            let mut grad = [sac.temperature.params.get(sac.log_alpha).detach().full_like(loss)];
            let (clock, rng) = (with.clock, &mut *with.rng);
            sac.temperature.apply(loss, &mut grad, &Trace::off(), &[], clock, rng)?;
        }
        Ok((actor, entropy))
    }
}

impl<T: Real> Fused<Sac> for FusedSac<T> {
    fn update(&mut self, sac: &mut Sac, with: &mut Update<'_, Noise>) -> Result<(), NonFinite> {
        let (b, clock) = (with.batch, with.clock);
        let batch = b.reward.size()[0] as usize;
        let actor = if (sac.critic.steps() + 1).is_multiple_of(sac.config.policy_delay) {
            Some(self.update_actor(sac, with)?)
        } else {
            None
        };

        let FusedSac { team, critic_grads, parts, .. } = self;
        let alpha = alpha(sac);
        parts.actor.bind(&sac.actor.params, &[]);
        parts.critic.bind(&sac.critic.params, critic_grads);
        if let (Some(plan), Some(target)) = (&mut parts.target, &sac.target) {
            plan.bind(&target.params, &[]);
        }
        let loss = parts.critics(b, with.noise, alpha, team);
        let tau = sac.config.tau;
        let follower = sac.target.as_mut().zip(parts.target.as_mut());
        let follower = follower.map(|(target, plan)| Follower { target, tau, plan });
        let (plan, model) = (&mut parts.critic, &mut sac.critic);
        let critic = fused::step(plan, critic_grads, model, loss, team, with, follower)?;
        if b.weights.is_some() {
            with.replay.report(&b.rows, &parts.errors(batch, team));
        }

        let log = &mut *with.log;
        if let Some((actor, entropy)) = &actor {
            log.layers("actor", actor);
            if clock.log {
                log.step("actor", actor, sac.actor.lr());
                log.scalar("policy/entropy", -entropy.log_prob);
                log.scalar("policy/std", entropy.std);
            }
        }
        log.layers("critic", &critic);
        if clock.log {
            log.step("critic", &critic, sac.critic.lr());
            log.scalar("policy/alpha", sac.alpha().double_value(&[]));
            parts.log_values(batch, team, log);
        }
        Ok(())
    }

    fn fits(&self, b: &Batch) -> bool {
        rows_of(b) <= self.room && b.obs.kind() == T::KIND
    }
}
