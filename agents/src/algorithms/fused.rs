//! What fused updates of all algorithms share: when their buffers are made, and how a step of one model ends.
//!
//! An algorithm's `update.rs` is the readable update. Its `fused.rs` computes the same on preallocated buffers, with
//! gradients by hand, and leaves what follows them (interventions, optimiser, targets) to the same code.

use networks::{
    exec::fused_cpu::{Plan, Real, Team},
    interventions::Clock,
    model::{FrozenNetwork, Model, NonFinite, StepStats},
    params::Params,
    random::Rng,
    trace::Trace,
};
use tch::Tensor;

use crate::{experience::Batch, logging::record::Scalars, replay::draws::Sampler};

/// How an agent computes updates.
pub(crate) enum Exec<A: FusedAgent> {
    /// With autograd.
    Autograd,
    /// Fused, on at most so many threads, from the next batch on.
    Ready(usize),
    /// Fused, with buffers for batches as the last one.
    Fused(usize, Box<dyn Fused<A>>),
}

/// An agent whose updates can be fused.
pub(crate) trait FusedAgent: Sized {
    /// The random numbers of an update.
    type Noise;
    /// How it computes updates now.
    fn exec(&mut self) -> &mut Exec<Self>;
    /// Buffers for such batches. That the networks have programs was checked before.
    fn buffers(&self, b: &Batch, threads: usize) -> Box<dyn Fused<Self>>;
}

/// Fused updates of an agent in one precision.
pub(crate) trait Fused<A: FusedAgent>: Send {
    /// One update, as with autograd.
    fn update(&mut self, agent: &mut A, with: &mut Update<'_, A::Noise>) -> Result<(), NonFinite>;
    /// Whether the buffers hold such a batch.
    fn fits(&self, b: &Batch) -> bool;
}

/// What an update is given.
pub(crate) struct Update<'a, N> {
    pub(crate) batch: &'a Batch,
    pub(crate) noise: &'a N,
    pub(crate) replay: &'a mut dyn Sampler,
    pub(crate) clock: Clock,
    pub(crate) rng: &'a mut Rng,
    pub(crate) log: &'a mut Scalars,
}

/// The update, if the agent's are fused.
pub(crate) fn update<A: FusedAgent>(
    agent: &mut A,
    mut with: Update<'_, A::Noise>,
) -> Option<Result<(), NonFinite>> {
    let (threads, mut fused) = match std::mem::replace(agent.exec(), Exec::Autograd) {
        Exec::Autograd => return None,
        Exec::Fused(threads, fused) if fused.fits(with.batch) => (threads, fused),
        Exec::Fused(threads, _) | Exec::Ready(threads) => {
            (threads, agent.buffers(with.batch, threads))
        }
    };
    let result = fused.update(agent, &mut with);
    *agent.exec() = Exec::Fused(threads, fused);
    Some(result)
}

/// Floating-point operations of an update below which threads wait for each other longer than they compute: about a
/// millisecond of one.
const SMALL: usize = 4_000_000;

/// Threads for updates of so many weights with such a batch, at most `most`. Results do not depend on how many.
pub(crate) fn team(weights: usize, batch: usize, most: usize) -> Team {
    // Forward, backward and gradients are two operations each for every weight and row.
    let threads = if 6 * weights * batch < SMALL { 1 } else { most };
    // A system without more threads has slower updates with the same results.
    Team::new(threads).unwrap_or_else(|_| Team::alone())
}

/// Where the gradients of learned parameters go.
pub(crate) fn zeros_like(params: &Params) -> Vec<Tensor> {
    params.trainable().map(|p| p.value.detach().zeros_like()).collect()
}

/// A target network that follows its model by an average.
pub(crate) struct Follower<'a, T> {
    pub(crate) target: &'a mut FrozenNetwork,
    pub(crate) tau: f64,
    pub(crate) plan: &'a mut Plan<T>,
}

/// The end of a model's update: from activations and their gradients, which `plan` has, to new weights, and to those of
/// a target that follows them.
pub(crate) fn step<T: Real, N>(
    plan: &mut Plan<T>,
    grads: &[Tensor],
    model: &mut Model,
    loss: f64,
    team: &mut Team,
    with: &mut Update<'_, N>,
    follower: Option<Follower<'_, T>>,
) -> Result<StepStats, NonFinite> {
    let (batch, clock) = (with.batch.reward.size()[0] as usize, with.clock);
    let target = follower.as_ref().map(|f| (&*f.target, f.tau));
    if loss.is_finite()
        && plan.covers_all()
        && let Some(step) = model.plain_step(grads, clock, target)
    {
        let copies = follower.as_ref().map(|f| &*f.plan);
        let shared = &*plan;
        team.tasks(plan.tasks(), |task| shared.gradients_and_step(batch, task, &step, copies));
        let stats = model.stepped(loss, grads, clock, follower.as_ref().map(|f| &*f.target));
        plan.is_packed(&model.params);
        if let Some(follower) = follower {
            follower.plan.is_packed(&follower.target.params);
        }
        return Ok(stats);
    }
    if loss.is_finite() {
        let shared = &*plan;
        team.tasks(plan.tasks(), |task| shared.gradients(batch, task));
    }
    // Interventions read activations, and so does the search for what is not finite.
    let trace = if model.reads_activations() || !loss.is_finite() {
        plan.trace(batch)
    } else {
        Trace::off()
    };
    // Interventions may put other tensors in their place.
    let mut grads: Vec<Tensor> = grads.iter().map(Tensor::shallow_clone).collect();
    let watched = if loss.is_finite() { Vec::new() } else { with.batch.fields() };
    let stats = model.apply(loss, &mut grads, &trace, &watched, clock, with.rng)?;
    if let Some(follower) = follower {
        model.polyak_update(follower.target, follower.tau);
    }
    Ok(stats)
}
