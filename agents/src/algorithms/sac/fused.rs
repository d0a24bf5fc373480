//! The update of `update.rs` without autograd: the same formulas on preallocated buffers, with gradients by hand.
//!
//! Rows of a batch do not depend on each other until losses and gradients of parameters are summed over them. So each
//! thread takes its rows through everything up to there, and then the threads share the parameters.

use networks::{
    exec::fused_cpu::{GaussianRows, Host, Isa, Matrix, Plan, Program, Purpose, Real, Rows, Team},
    model::{NonFinite, StepStats},
    trace::Trace,
};
use tch::{Kind, Tensor};

use super::{agent::Sac, noise::Noise};
use crate::{
    algorithms::{
        fused::{self, Exec, Follower, Fused, FusedAgent, Update},
        value_rows::ValueRows,
    },
    experience::Batch,
    logging::record::Scalars,
    losses::TdLoss,
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

/// What threads share.
struct Parts<T> {
    actor: Plan<T>,
    critic: Plan<T>,
    target: Option<Plan<T>>,
    gaussian: GaussianRows<T>,
    value: ValueRows<T>,
    /// Per row, of each critic: what [`ValueRows::mean`] fills.
    probs: Vec<Matrix<T>>,
    /// `[rows, W]`
    y: Matrix<T>,
    /// `[rows, 1]`: the lowest critic's value at the policy's actions; then entropy terms of n-step returns.
    extra: Matrix<T>,
    /// `[rows, critics]`: losses of each row.
    losses: Matrix<T>,
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

impl<T: Real> Parts<T> {
    /// Draws actions for `rows` of `obs` and leaves them in `to`, an input of critics, behind the observations.
    fn act(&self, rows: &Rows, obs: &Host<'_, T>, noise: &Host<'_, T>, to: Option<&Matrix<T>>) {
        self.actor.input().load(rows, 0, obs);
        self.actor.forward(rows);
        self.gaussian.sample(rows, self.actor.output(0), self.actor.output(1), noise);
        let Some(to) = to else { return };
        to.load(rows, 0, obs);
        let column = self.actor.input().width();
        for r in rows.range() {
            let draw = self.gaussian.draw().row(rows, r);
            for (to, a) in to.row(rows, r)[column..].iter().zip(draw) {
                to.set(a.get());
            }
        }
    }

    /// The critic with the lowest value of row `r`, the first of equals, and its value.
    fn lowest(&self, plan: &Plan<T>, rows: &Rows, r: usize) -> (usize, T) {
        let mean =
            |i: usize| self.value.mean(plan.output(i).row(rows, r), self.probs[i].row(rows, r));
        let mut lowest = (0, mean(0));
        for i in 1..plan.outputs() {
            let value = mean(i);
            // NaN is the lowest of all, as in a minimum of tensors.
            if value < lowest.1 || value.wide().is_nan() {
                lowest = (i, value);
            }
        }
        lowest
    }

    /// The actor's loss and its gradient at the network's outputs, and what the policy is like. SAC equation 9.
    fn actor(&self, b: &Batch, noise: &Noise, alpha: T, team: &mut Team) -> (f64, Entropy) {
        let batch = b.reward.size()[0] as usize;
        let (obs, z) = (Host::of(&b.obs), Host::of(&noise.obs));
        let each = T::of(1.0 / batch as f64);
        let (actor, critic) = (&self.actor, &self.critic);
        team.rows(batch, |rows| {
            self.act(rows, &obs, &z, Some(critic.input()));
            critic.forward(rows);
            for r in rows.range() {
                let (lowest, q) = self.lowest(critic, rows, r);
                self.extra.row(rows, r)[0].set(q);
                for i in 0..critic.outputs() {
                    let grad = critic.output_grad(i).row(rows, r);
                    let factor = if i == lowest { T::of(0.0) - each } else { T::of(0.0) };
                    self.value.mean_grad(self.probs[i].row(rows, r), q, factor, grad);
                }
            }
            critic.backward_to_input(rows);
            self.gaussian.backward(
                rows,
                actor.output(1),
                &z,
                critic.input_grad(),
                actor.input().width(),
                alpha * each,
                actor.output_grad(0),
                actor.output_grad(1),
            );
            actor.backward(rows);
        });
        // Sums over rows in their order, on one thread.
        let (mut loss, mut entropy) = (0.0, Entropy::default());
        team.whole(batch, |rows| {
            for r in rows.range() {
                let log_prob = self.gaussian.log_prob().row(rows, r)[0].get().wide();
                loss += alpha.wide() * log_prob - self.extra.row(rows, r)[0].get().wide();
                let std = self.gaussian.std().row(rows, r);
                entropy.log_prob += log_prob;
                entropy.std += std.iter().map(|s| s.get().wide()).sum::<f64>() / std.len() as f64;
            }
        });
        entropy.log_prob /= batch as f64;
        entropy.std /= batch as f64;
        (loss / batch as f64, entropy)
    }

    /// Targets, losses and gradients of critics at the batch. SAC equations 3 and 5.
    fn critics(&self, b: &Batch, noise: &Noise, alpha: T, team: &mut Team) -> f64 {
        let batch = b.reward.size()[0] as usize;
        let data = Data::of(b, noise);
        let each = T::of(1.0 / batch as f64);
        team.rows(batch, |rows| {
            self.targets(&data, alpha, rows);
            self.critic_rows(&data, each, rows);
        });
        let mut sum = 0.0;
        team.whole(batch, |rows| {
            for r in rows.range() {
                let losses = self.losses.row(rows, r).iter().map(|loss| loss.get().wide());
                sum += data.weight(r).wide() * losses.sum::<f64>();
            }
        });
        sum / batch as f64
    }

    /// Targets of some rows, in `y`: [`Sac::targets`].
    fn targets(&self, data: &Data<'_, T>, alpha: T, rows: &Rows) {
        self.entropy_between(data, alpha, rows);
        let target = self.target.as_ref().unwrap_or(&self.critic);
        self.act(rows, &data.next_obs, &data.next_noise, Some(target.input()));
        target.forward(rows);
        for r in rows.range() {
            let (lowest, _) = self.lowest(target, rows, r);
            let next = (target.output(lowest).row(rows, r), self.probs[lowest].row(rows, r));
            let cost = alpha * self.gaussian.log_prob().row(rows, r)[0].get();
            let reward = data.reward[r] + self.extra.row(rows, r)[0].get();
            self.value.target(next, reward, data.discount[r], cost, self.y.row(rows, r));
        }
    }

    /// The discounted entropy of the steps inside n-step transitions, in `extra`; 0 without such steps.
    fn entropy_between(&self, data: &Data<'_, T>, alpha: T, rows: &Rows) {
        let Some([obs, noise, discount]) = &data.between else {
            for r in rows.range() {
                self.extra.row(rows, r)[0].set(T::of(0.0));
            }
            return;
        };
        let steps = discount.row(0).len();
        let inside = rows.times(steps);
        self.act(&inside, obs, noise, None);
        for r in rows.range() {
            let mut sum = T::of(0.0);
            for (k, discount) in discount.row(r).iter().enumerate() {
                let log_prob = self.gaussian.log_prob().row(&inside, r * steps + k)[0].get();
                sum = sum + log_prob * *discount;
            }
            self.extra.row(rows, r)[0].set(T::of(0.0) - alpha * sum);
        }
    }

    /// Losses of some rows, and gradients of all that critics' parameters produce there.
    fn critic_rows(&self, data: &Data<'_, T>, each: T, rows: &Rows) {
        let critic = &self.critic;
        critic.input().load(rows, 0, &data.obs);
        critic.input().load(rows, self.actor.input().width(), &data.action);
        critic.forward(rows);
        for r in rows.range() {
            for i in 0..critic.outputs() {
                let loss = self.value.loss(
                    critic.output(i).row(rows, r),
                    self.y.row(rows, r),
                    TdLoss::Squared,
                    data.weight(r) * each,
                    critic.output_grad(i).row(rows, r),
                    self.probs[i].row(rows, r),
                );
                self.losses.row(rows, r)[i].set(loss);
            }
        }
        critic.backward(rows);
    }

    /// [`losses::errors`](crate::losses::errors)
    fn errors(&self, batch: usize, team: &mut Team) -> Tensor {
        let mut errors: Vec<f64> = Vec::with_capacity(batch);
        team.whole(batch, |rows| {
            for r in rows.range() {
                let (y, losses) = (self.y.row(rows, r), self.losses.row(rows, r));
                let of = |i: usize| -> f64 {
                    self.value.error(self.critic.output(i).row(rows, r), y, losses[i].get())
                };
                let count = self.critic.outputs();
                errors.push((0..count).map(of).sum::<f64>() / (count as f64));
            }
        });
        Tensor::from_slice(&errors).to_kind(T::KIND)
    }

    /// Means over the batch: of the first critic's values, of targets, and of their mass at the support's ends.
    fn log_values(&self, batch: usize, team: &mut Team, log: &mut Scalars) {
        let (mut q, mut target, mut mass) = (0.0, 0.0, None);
        team.whole(batch, |rows| {
            for r in rows.range() {
                let (outputs, y) = (self.critic.output(0).row(rows, r), self.y.row(rows, r));
                q += self.value.mean(outputs, self.probs[0].row(rows, r)).wide();
                target += self.value.target_mean(y);
                if let Some(m) = self.value.boundary_mass(y) {
                    mass = Some(mass.unwrap_or(0.0) + m);
                }
            }
        });
        log.scalar("q/mean", q / batch as f64);
        log.scalar("q/target", target / batch as f64);
        if let Some(mass) = mass {
            log.scalar("q/boundary_mass", mass / batch as f64);
        }
    }
}

/// A batch and its noise, for threads to read.
struct Data<'a, T> {
    obs: Host<'a, T>,
    action: Host<'a, T>,
    reward: &'a [T],
    discount: &'a [T],
    next_obs: Host<'a, T>,
    next_noise: Host<'a, T>,
    weights: Option<&'a [T]>,
    /// Observations, noise and discounts of the steps between.
    between: Option<[Host<'a, T>; 3]>,
}

impl<'a, T: Real> Data<'a, T> {
    fn of(b: &'a Batch, noise: &'a Noise) -> Self {
        let between = b.between.as_ref().zip(noise.between.as_ref());
        Data {
            obs: Host::of(&b.obs),
            action: Host::of(&b.action),
            reward: Host::of(&b.reward).all(),
            discount: Host::of(&b.discount).all(),
            next_obs: Host::of(&b.next_obs),
            next_noise: Host::of(&noise.next_obs),
            weights: b.weights.as_ref().map(|weights| Host::of(weights).all()),
            between: between.map(|(b, z)| [&b.obs, z, &b.discount].map(Host::of)),
        }
    }

    fn weight(&self, r: usize) -> T {
        self.weights.map_or(T::of(1.0), |weights| weights[r])
    }
}

/// Of the policy at a batch.
#[derive(Default)]
struct Entropy {
    log_prob: f64,
    std: f64,
}

impl<T: Real> FusedSac<T> {
    /// One step of the actor and of the temperature. SAC equations 9 and 18.
    fn update_actor(
        &mut self,
        sac: &mut Sac,
        with: &mut Update<'_, Noise>,
    ) -> Result<(StepStats, Entropy), NonFinite> {
        let FusedSac { team, actor_grads, critic_grads, parts, .. } = self;
        let alpha = T::of(sac.alpha().double_value(&[]));
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
        let alpha = T::of(sac.alpha().double_value(&[]));
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
