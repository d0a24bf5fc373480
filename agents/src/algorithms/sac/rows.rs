//! SAC's losses and their gradients on buffers, row by row.
//!
//! Rows of a batch do not depend on each other until losses and gradients of parameters are summed over them. So each
//! thread takes its rows through everything up to there.

use networks::exec::fused_cpu::{GaussianRows, Host, Matrix, Plan, Real, Rows, Team};
use tch::Tensor;

use super::noise::Noise;
use crate::{
    algorithms::value_rows::{ValueRows, mean},
    experience::Batch,
    logging::record::Scalars,
    losses::TdLoss,
};

/// What threads share.
pub(super) struct Parts<T> {
    pub(super) actor: Plan<T>,
    pub(super) critic: Plan<T>,
    pub(super) target: Option<Plan<T>>,
    pub(super) gaussian: GaussianRows<T>,
    pub(super) value: ValueRows<T>,
    /// Per row, of each critic: what [`ValueRows::mean`] fills.
    pub(super) probs: Vec<Matrix<T>>,
    /// `[rows, W]`
    pub(super) y: Matrix<T>,
    /// `[rows, 1]`: the lowest critic's value at the policy's actions; then entropy terms of n-step returns.
    pub(super) extra: Matrix<T>,
    /// `[rows, critics]`: losses of each row.
    pub(super) losses: Matrix<T>,
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
    pub(super) fn actor(
        &self,
        b: &Batch,
        noise: &Noise,
        alpha: T,
        team: &mut Team,
    ) -> (f64, Entropy) {
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
        (mean(T::of(loss), batch), entropy)
    }

    /// Targets, losses and gradients of critics at the batch. SAC equations 3 and 5.
    pub(super) fn critics(&self, b: &Batch, noise: &Noise, alpha: T, team: &mut Team) -> f64 {
        let batch = b.reward.size()[0] as usize;
        let data = Data::of(b, noise);
        let each = T::of(1.0 / batch as f64);
        // Not together with the rest: it has several rows of the actor's buffers for each of the batch.
        if let Some(between) = &data.between {
            team.rows(batch, |rows| self.entropy_between(between, alpha, rows));
        }
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
        mean(T::of(sum), batch)
    }

    /// Targets of some rows, in `y`: [`Sac::targets`].
    fn targets(&self, data: &Data<'_, T>, alpha: T, rows: &Rows) {
        let target = self.target.as_ref().unwrap_or(&self.critic);
        self.act(rows, &data.next_obs, &data.next_noise, Some(target.input()));
        target.forward(rows);
        for r in rows.range() {
            let (lowest, _) = self.lowest(target, rows, r);
            let next = (target.output(lowest).row(rows, r), self.probs[lowest].row(rows, r));
            let cost = alpha * self.gaussian.log_prob().row(rows, r)[0].get();
            let more = data.between.as_ref().map(|_| self.extra.row(rows, r)[0].get());
            let reward = more.map_or(data.reward[r], |more| data.reward[r] + more);
            self.value.target(next, reward, data.discount[r], cost, self.y.row(rows, r));
        }
    }

    /// The discounted entropy of the steps inside n-step transitions, in `extra`.
    fn entropy_between(&self, between: &[Host<'_, T>; 3], alpha: T, rows: &Rows) {
        let [obs, noise, discount] = between;
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
    pub(super) fn errors(&self, batch: usize, team: &mut Team) -> Tensor {
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
    pub(super) fn log_values(&self, batch: usize, team: &mut Team, log: &mut Scalars) {
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
pub(super) struct Entropy {
    pub(super) log_prob: f64,
    pub(super) std: f64,
}
