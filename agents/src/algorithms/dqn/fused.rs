//! The update of `update.rs` without autograd: the same formulas on preallocated buffers, with gradients by hand.

use networks::{
    exec::fused_cpu::{Host, Isa, Matrix, Plan, Program, Purpose, Real, Rows, Team},
    model::NonFinite,
};
use tch::{Kind, Tensor};

use super::{
    agent::Dqn,
    config::TargetRule,
    heads::{best_action, per_action_row},
};
use crate::{
    algorithms::{
        fused::{self, Exec, Follower, Fused, FusedAgent, Update},
        value_rows::{ValueRows, mean},
    },
    experience::Batch,
    logging::record::Scalars,
    losses::TdLoss,
};

/// Buffers and threads, kept from update to update.
pub(super) struct FusedDqn<T> {
    team: Team,
    /// Rows that there is room for.
    room: usize,
    grads: Vec<Tensor>,
    /// Of the batch.
    action: Vec<i64>,
    parts: Parts<T>,
}

/// What threads share.
struct Parts<T> {
    online: Plan<T>,
    target: Plan<T>,
    value: ValueRows<T>,
    double: bool,
    loss: TdLoss,
    /// `[rows, A W]`: of the target network at the next state, then of the online network at this one.
    q: Matrix<T>,
    /// `[rows, A W]`: of whoever chooses the next action.
    chooser: Matrix<T>,
    /// `[rows, W]`
    probs: Matrix<T>,
    /// `[rows, W]`: a gradient.
    slope: Matrix<T>,
    /// `[rows, W]`
    y: Matrix<T>,
    /// `[rows, 1]`
    losses: Matrix<T>,
}

impl Dqn {
    /// The network as a program.
    pub(super) fn program(&self) -> Result<Program, String> {
        let program = self.online.program(self.obs_dim as usize);
        program.map_err(|e| format!("agent.network: {e}"))
    }
}

impl FusedAgent for Dqn {
    type Noise = ();

    fn exec(&mut self) -> &mut Exec<Dqn> {
        &mut self.exec
    }

    fn buffers(&self, b: &Batch, threads: usize) -> Box<dyn Fused<Dqn>> {
        match b.obs.kind() {
            Kind::Double => Box::new(FusedDqn::<f64>::new(self, b, threads)),
            _ => Box::new(FusedDqn::<f32>::new(self, b, threads)),
        }
    }
}

impl<T: Real> FusedDqn<T> {
    fn new(dqn: &Dqn, b: &Batch, threads: usize) -> Self {
        let isa = Isa::best();
        let room = b.reward.size()[0] as usize;
        let value = ValueRows::new(dqn.config.value, isa);
        let matrix = |width| Matrix::new(room, width);
        let learn = Purpose::Learn { input_columns: 0..0 };
        let width = value.width();
        let params = &dqn.online.params;
        let program = || dqn.program().expect("`fuse` made it once");
        let parts = Parts {
            online: Plan::new(program(), isa, room, learn, params),
            target: Plan::new(program(), isa, room, Purpose::Evaluate, &dqn.target.params),
            double: dqn.config.double,
            loss: TdLoss::Huber { delta: dqn.config.huber_delta },
            q: matrix(dqn.actions * width),
            chooser: matrix(dqn.actions * width),
            probs: matrix(width),
            slope: matrix(width),
            y: matrix(width),
            losses: matrix(1),
            value,
        };
        let team = fused::team(params.count(), room, threads);
        let grads = fused::zeros_like(params);
        FusedDqn { team, room, grads, action: vec![0; room], parts }
    }
}

impl<T: Real> Parts<T> {
    /// The gradient of one action's outputs, in `slope`, at the network's heads.
    fn spread(&self, rows: &Rows, r: usize, action: usize) {
        let slope = self.slope.row(rows, r);
        let (first, width) = (self.online.output_grad(0).row(rows, r), self.value.width());
        let zero = T::of(0.0);
        let dueling = self.online.outputs() > 1;
        let share = T::of(if dueling { width as f64 / first.len() as f64 } else { 0.0 });
        for (a, advantage) in first.chunks_exact(width).enumerate() {
            for (to, slope) in advantage.iter().zip(slope) {
                let own = if a == action { slope.get() } else { zero };
                to.set(own - slope.get() * share);
            }
        }
        if dueling {
            for (to, slope) in self.online.output_grad(1).row(rows, r).iter().zip(slope) {
                to.set(slope.get());
            }
        }
    }

    /// The batch's mean loss, with gradients of everything that the network's parameters produce.
    fn learn(&self, b: &Batch, action: &[i64], team: &mut Team) -> f64 {
        let batch = b.reward.size()[0] as usize;
        let (obs, next_obs) = (Host::of(&b.obs), Host::of(&b.next_obs));
        let [reward, discount] = [&b.reward, &b.discount].map(Host::<T>::of);
        let weights = b.weights.as_ref().map(Host::of);
        let weight = |r: usize| weights.map_or(T::of(1.0), |weights: Host<'_, T>| weights.all()[r]);
        let (each, width) = (T::of(1.0 / batch as f64), self.value.width());
        team.rows(batch, |rows| {
            self.target.input().load(rows, 0, &next_obs);
            self.target.forward(rows);
            let chooser = if self.double { &self.online } else { &self.target };
            if self.double {
                chooser.input().load(rows, 0, &next_obs);
                chooser.forward(rows);
            }
            for r in rows.range() {
                let (q, probs) = (self.q.row(rows, r), self.probs.row(rows, r));
                let choices = self.chooser.row(rows, r);
                per_action_row(&self.value, &self.target, rows, r, q);
                per_action_row(&self.value, chooser, rows, r, choices);
                let best = best_action(&self.value, choices, probs);
                let next = &q[best * width..][..width];
                self.value.mean(next, probs); // for its probabilities
                let (reward, discount) = (reward.all()[r], discount.all()[r]);
                let y = self.y.row(rows, r);
                self.value.target((next, probs), reward, discount, T::of(0.0), y);
            }
            self.online.input().load(rows, 0, &obs);
            self.online.forward(rows);
            for r in rows.range() {
                let (q, action) = (self.q.row(rows, r), action[r] as usize);
                per_action_row(&self.value, &self.online, rows, r, q);
                let loss = self.value.loss(
                    &q[action * width..][..width],
                    self.y.row(rows, r),
                    self.loss,
                    weight(r) * each,
                    self.slope.row(rows, r),
                    self.probs.row(rows, r),
                );
                self.losses.row(rows, r)[0].set(loss);
                self.spread(rows, r, action);
            }
            self.online.backward(rows);
        });
        let mut sum = 0.0;
        team.whole(batch, |rows| {
            for r in rows.range() {
                sum += weight(r).wide() * self.losses.row(rows, r)[0].get().wide();
            }
        });
        mean(T::of(sum), batch)
    }

    /// [`losses::errors`](crate::losses::errors)
    fn errors(&self, action: &[i64], team: &mut Team) -> Tensor {
        let width = self.value.width();
        let mut errors: Vec<f64> = Vec::with_capacity(action.len());
        team.whole(action.len(), |rows| {
            for r in rows.range() {
                let q = &self.q.row(rows, r)[action[r] as usize * width..][..width];
                let loss = self.losses.row(rows, r)[0].get();
                errors.push(self.value.error(q, self.y.row(rows, r), loss));
            }
        });
        Tensor::from_slice(&errors).to_kind(T::KIND)
    }

    /// Means over the batch: of the chosen actions' values, of targets, and of their mass at the support's ends.
    fn log_values(&self, action: &[i64], team: &mut Team, log: &mut Scalars) {
        let (batch, width) = (action.len(), self.value.width());
        let (mut q, mut target, mut mass) = (0.0, 0.0, None);
        team.whole(batch, |rows| {
            for r in rows.range() {
                let outputs = &self.q.row(rows, r)[action[r] as usize * width..][..width];
                q += self.value.mean(outputs, self.probs.row(rows, r)).wide();
                let y = self.y.row(rows, r);
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

impl<T: Real> Fused<Dqn> for FusedDqn<T> {
    fn update(&mut self, dqn: &mut Dqn, with: &mut Update<'_, ()>) -> Result<(), NonFinite> {
        let FusedDqn { team, grads, action, parts, .. } = self;
        let (b, clock) = (with.batch, with.clock);
        let batch = b.reward.size()[0] as usize;
        let action = &mut action[..batch];
        b.action.copy_data(action, batch);
        parts.online.bind(&dqn.online.params, grads);
        parts.target.bind(&dqn.target.params, &[]);
        let loss = parts.learn(b, action, team);
        let follower = match dqn.config.target {
            TargetRule::Polyak { tau } => {
                Some(Follower { target: &mut dqn.target, tau, plan: &mut parts.target })
            }
            TargetRule::Hard { .. } => None,
        };
        let follows = follower.is_some();
        let (plan, model) = (&mut parts.online, &mut dqn.online);
        let step = fused::step(plan, grads, model, loss, team, with, follower)?;
        if b.weights.is_some() {
            with.replay.report(&b.rows, &parts.errors(action, team));
        }
        if !follows {
            dqn.update_target(clock);
        }
        dqn.log_step(&step, clock, with.log);
        if clock.log {
            parts.log_values(action, team, with.log);
        }
        Ok(())
    }

    fn fits(&self, b: &Batch) -> bool {
        b.reward.size()[0] as usize <= self.room && b.obs.kind() == T::KIND
    }
}
