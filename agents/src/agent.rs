//! The two traits an algorithm implements, and what passes between its halves.

use std::sync::Arc;

use envs::Actions;
use networks::{
    interventions::Clock,
    model::{Model, NonFinite},
    params::{LoadError, StateDict},
    random::Rng,
};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::{
    diagnostics::probe::{BatchView, NetworkProbe},
    experience::{Batch, Experience},
    logging::record::Scalars,
    normalize::moments::RunningMoments,
    replay::draws::Sampler,
};

/// What actors need of the learner: the policy's weights, flat, and how to read observations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Number of gradient updates behind these weights.
    pub version: u64,
    /// The policy's learned values, in the order of its parameters.
    pub policy: Arc<[f32]>,
    /// Moments by which the policy's observations are normalised, if they are.
    pub obs: Option<Arc<RunningMoments>>,
}

/// How an actor chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActMode {
    /// As in training, at this environment step.
    Train {
        /// Environment steps over all actors; epsilon schedules read it.
        env_step: u64,
    },
    /// The policy's best action.
    Eval,
}

/// The acting half: lives on an actor's thread, on the CPU.
pub trait Policy: Send {
    /// Takes the learner's weights.
    fn load(&mut self, snapshot: &Snapshot);
    /// One action per row of `obs`, which is `[n, D]` flat.
    fn act(&mut self, obs: &[f32], n: usize, mode: ActMode, rng: &mut Rng) -> Actions;
}

/// An intervention of one network, and how often it acted in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InterventionCount {
    /// `actor`, `critic`, `q`.
    pub net: String,
    /// As a configuration spells it.
    pub kind: &'static str,
    /// Units replaced, projections, gradients changed.
    pub count: u64,
}

impl InterventionCount {
    /// Of every intervention of a model.
    pub fn of(model: &Model) -> impl Iterator<Item = InterventionCount> {
        let net = model.name().to_owned();
        model.intervention_counts().map(move |(kind, count)| InterventionCount {
            net: net.clone(),
            kind,
            count,
        })
    }
}

/// The learning half.
pub trait Agent: Send {
    /// One gradient update, in the paper's order. `replay` has more data where the batch is not all it
    /// needs; where the batch has weights, they multiply the losses of values, and `replay` is told the
    /// errors.
    ///
    /// # Errors
    /// When a loss is not finite; the parameters it would have changed are unchanged.
    fn update(
        &mut self,
        batch: &Batch,
        replay: &mut dyn Sampler,
        clock: Clock,
        rng: &mut Rng,
        log: &mut Scalars,
    ) -> Result<(), NonFinite>;
    /// From now on computes updates with fused kernels, on at most so many threads, instead of with autograd: the same
    /// mathematics, faster, with other rounding.
    ///
    /// # Errors
    /// What cannot be computed so, in words that end a sentence; updates stay as they were.
    fn fuse(&mut self, _threads: usize) -> Result<(), String> {
        Err("the algorithm has no fused update".to_owned())
    }
    /// Whether updates are fused.
    fn is_fused(&self) -> bool {
        false
    }
    /// Told of every round before its updates, in order. One experience per actor.
    fn receive(&mut self, _round: &[Experience]) {}
    /// Told of every round after its updates, in order: for statistics of what is seen, such as
    /// those of `normalize`. One experience per actor.
    fn observe(&mut self, _round: &[Experience]) {}
    /// Every network on `batch`, for diagnostics; none if the agent has nothing to show. `rng` is for
    /// noise of their losses.
    fn probe(&self, _batch: &Batch, _rng: &mut Rng) -> Vec<NetworkProbe<'_>> {
        Vec::new()
    }
    /// What it makes of `batch`, for diagnostics.
    fn batch_view(&self, _batch: &Batch) -> Option<BatchView> {
        None
    }
    /// Its estimate of the discounted return from each row of `obs`, `[n, D]` flat, when acting
    /// greedily, and what each further step adds to that beside its reward (SAC's entropy bonus).
    fn value(&self, _obs: &[f32], _rng: &mut Rng) -> Option<(Vec<f64>, f64)> {
        None
    }
    /// How often each intervention acted so far.
    fn intervention_counts(&self) -> Vec<InterventionCount> {
        Vec::new()
    }
    /// A policy for an actor thread, with weights of its own.
    fn policy(&self) -> Box<dyn Policy>;
    /// The current weights for [`Policy::load`].
    fn snapshot(&self, version: u64) -> Snapshot;
    /// Everything that must survive: parameters, targets, moments, state of interventions.
    fn save(&self, out: &mut StateDict);
    /// Reverse of [`Agent::save`].
    ///
    /// # Errors
    /// When `from` was made by another configuration.
    fn load(&mut self, from: &StateDict) -> Result<(), LoadError>;
    /// Name of the first parameter that is not finite.
    fn first_non_finite(&self) -> Option<String>;
}

/// `[n, D]` flat host observations as a CPU tensor.
pub(crate) fn obs_tensor(obs: &[f32], n: usize) -> Tensor {
    Tensor::from_slice(obs).view([n as i64, -1])
}
