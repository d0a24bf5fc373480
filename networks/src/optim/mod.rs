//! Optimisers: how gradients change weights.
//!
//! One paper per file, with its keys, their defaults and what it refuses. What an optimiser remembers of a
//! parameter lies beside that parameter, so that resets reach it and checkpoints hold it.

mod adam;
mod config;
mod group;
mod novograd;
pub mod schedule;
mod settings;
mod sgd;

pub use adam::{Adam, AdamW};
pub use config::OptimConfig;
pub use group::{Group, GroupRole};
pub use novograd::NovoGrad;
pub use schedule::{Restart, Schedule};
pub use settings::{OptimSettings, StepAt};
pub use sgd::Sgd;

use tch::{Device, Kind, Tensor, no_grad_guard};

use crate::{
    exec::fused_cpu::{AdamNumbers, Real},
    fused,
    params::{LoadError, Param, Params, StateDict, copy_from},
    registry::{Family, Open},
};

/// One line each.
impl Open for dyn OptimSettings {
    const KEY: &'static str = "optim";

    fn builtin() -> Family<Self> {
        let mut family = Family::default();
        family.add::<Adam>();
        family.add::<AdamW>();
        family.add::<NovoGrad>();
        family.add::<Sgd>();
        family
    }
}

/// An optimiser for one [`Params`].
#[derive(Debug)]
pub struct Optim {
    config: OptimConfig,
    /// Steps taken so far.
    steps: u64,
    /// Of these, when the schedule's cycle began.
    cycle: u64,
    /// The task of the last step, if there was one.
    task: Option<usize>,
    /// `steps` as a device scalar, for fused kernels.
    step_tensor: Tensor,
}

/// Saved in place of a task before the first step.
const NO_TASK: i64 = -1;

impl Optim {
    /// Gives every trainable parameter its zeroed moments.
    pub fn new(config: OptimConfig, params: &mut Params, device: Device) -> Self {
        for p in params.trainable_mut() {
            p.moments = config.rule.moments(&p.value.detach());
            if let Some(group) = Group::find(&config.groups, p) {
                (p.lr_factor, p.decays) = (group.lr_factor, group.weight_decay);
            }
        }
        let step_tensor = Tensor::zeros([], (Kind::Float, device));
        Optim { config, steps: 0, cycle: 0, task: None, step_tensor }
    }

    /// The learning rate of the next step.
    pub fn lr(&self) -> f64 {
        self.config.lr * self.config.schedule.factor(self.steps - self.cycle)
    }

    /// What it was made with.
    pub fn config(&self) -> &OptimConfig {
        &self.config
    }

    /// Steps taken so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Whether a step on data of `task` is the first after a task change. The task of the first step
    /// is no change: a run may begin in a later task, or see its first one end before it learns.
    pub fn is_new_task(&self, task: usize) -> bool {
        self.task.is_some_and(|last| last != task)
    }

    /// Scales gradients to a joint norm of at most `clip_grad_norm`, if there is one, by the factor
    /// `min(1, clip_grad_norm / (norm + 1e-6))` of PyTorch's `clip_grad_norm_` (Pascanu et al. 2013, arXiv 1211.5063).
    pub fn clip(&self, grads: &mut [Tensor]) {
        let Some(largest) = self.config.clip_grad_norm else { return };
        let _guard = no_grad_guard();
        let norm = fused::global_norm(&grads.iter().collect::<Vec<_>>());
        // Stays a tensor: no round trip to the host.
        let factor = ((norm + 1e-6).reciprocal() * largest).clamp_max(1.0);
        for grad in grads {
            let _ = grad.g_mul_(&factor);
        }
    }

    /// One step in place, on data of `task`; `grads` in the order of [`Params::trainable`].
    pub fn step(&mut self, params: &mut Params, grads: &[Tensor], task: usize) {
        let _guard = no_grad_guard();
        let lr = self.advance(task);
        let at = StepAt { lr, steps: self.steps, step_tensor: &self.step_tensor };
        self.config.rule.step(params, grads, &at);
    }

    /// Counts a step on data of `task`; its learning rate.
    fn advance(&mut self, task: usize) -> f64 {
        if self.is_new_task(task)
            && let Schedule::CosineRestarts { restart: Restart::Task, .. } = self.config.schedule
        {
            self.cycle = self.steps;
        }
        self.task = Some(task);
        let lr = self.lr();
        self.steps += 1;
        lr
    }

    /// The numbers of the next step, counted as made, of every parameter, and both bias corrections, if it is Adam's and
    /// the same for all elements.
    pub(crate) fn plain_step<T: Real>(
        &mut self,
        params: &Params,
        task: usize,
    ) -> Option<(impl Fn(&Param) -> AdamNumbers<T> + use<T>, [f64; 2])> {
        let rule = self.config.rule.as_adam()?;
        if self.config.clip_grad_norm.is_some() || adam::has_ages(params) {
            return None;
        }
        let decoupled = self.config.rule.decay_is_decoupled();
        let step = rule.kernel(self.advance(task), decoupled);
        let numbers = move |p: &Param| AdamNumbers::of(p.adam_step(step));
        Some((numbers, adam::corrections(self.steps, step)))
    }

    /// Adds the counts to `out`; the moments are saved with the parameters.
    pub fn save(&self, prefix: &str, out: &mut StateDict) {
        let task = self.task.map_or(NO_TASK, |task| task as i64);
        let counts = [self.steps as i64, self.cycle as i64, task];
        out.insert(format!("{prefix}/optim#steps"), Tensor::from_slice(&counts));
    }

    /// Reverse of [`Optim::save`].
    ///
    /// # Errors
    /// When the count is missing.
    pub fn load(&mut self, prefix: &str, from: &StateDict) -> Result<(), LoadError> {
        let mut counts = Tensor::from_slice(&[0i64; 3]);
        copy_from(&mut counts, &format!("{prefix}/optim#steps"), from)?;
        self.steps = counts.int64_value(&[0]) as u64;
        self.cycle = counts.int64_value(&[1]) as u64;
        self.task = usize::try_from(counts.int64_value(&[2])).ok(); // NO_TASK is negative
        Ok(())
    }
}
