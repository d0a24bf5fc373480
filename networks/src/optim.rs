//! Adam, AdamW and SGD on [`Params`], with the moments beside each parameter so that interventions can
//! reset them and checkpoints hold them.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor, no_grad_guard};

use crate::{
    adam,
    fused::{self, AdamStep},
    params::{LoadError, Params, StateDict, copy_from},
    unread::unread,
};

pub use crate::schedule::{Restart, Schedule};

/// Which update rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimKind {
    /// Kingma & Ba 2015 (arXiv 1412.6980, Algorithm 1); weight decay is L2 in the gradient.
    Adam,
    /// Loshchilov & Hutter 2019 (arXiv 1711.05101, Algorithm 2); decoupled weight decay.
    Adamw,
    /// Stochastic gradient descent with heavy-ball momentum, as `torch.optim.SGD`.
    Sgd,
}

/// `[agent.*.optim]`. Names and defaults are PyTorch's but for `lr`, which is 3e-4
/// (SAC, arXiv 1812.05905, Table 1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimConfig {
    /// Update rule.
    pub kind: OptimKind,
    /// Learning rate.
    pub lr: f64,
    /// Decay of the first moment (Adam).
    pub beta1: f64,
    /// Decay of the second moment (Adam).
    pub beta2: f64,
    /// Added to the root of the second moment (Adam).
    pub eps: f64,
    /// Weight decay: L2 in the gradient for `adam` and `sgd`, decoupled for `adamw`.
    pub weight_decay: f64,
    /// Momentum of `sgd`.
    pub momentum: f64,
    /// Learning-rate schedule.
    pub schedule: Schedule,
}

impl Default for OptimConfig {
    fn default() -> Self {
        OptimConfig {
            kind: OptimKind::Adam,
            lr: 3e-4,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
            momentum: 0.0,
            schedule: Schedule::Constant {},
        }
    }
}

impl OptimConfig {
    /// # Errors
    /// One sentence about the first value that cannot work.
    pub fn validate(&self) -> Result<(), String> {
        let checks = [
            ("lr", self.lr, self.lr > 0.0, "greater than 0"),
            ("beta1", self.beta1, (0.0..1.0).contains(&self.beta1), "in [0, 1)"),
            ("beta2", self.beta2, (0.0..1.0).contains(&self.beta2), "in [0, 1)"),
            ("eps", self.eps, self.eps > 0.0, "greater than 0"),
            ("weight_decay", self.weight_decay, self.weight_decay >= 0.0, "at least 0"),
            ("momentum", self.momentum, (0.0..1.0).contains(&self.momentum), "in [0, 1)"),
        ];
        for (key, value, ok, range) in checks {
            if !ok || !value.is_finite() {
                return Err(format!("optim.{key} is {value}; it must be {range}"));
            }
        }
        let other = OptimConfig::default();
        if self.kind == OptimKind::Sgd {
            for (key, value, default) in [
                ("beta1", self.beta1, other.beta1),
                ("beta2", self.beta2, other.beta2),
                ("eps", self.eps, other.eps),
            ] {
                unread(&format!("optim.{key}"), &value, &default, "kind = \"sgd\"")?;
            }
        } else {
            let kind = if self.kind == OptimKind::Adam { "adam" } else { "adamw" };
            let beside = format!("kind = \"{kind}\"");
            unread("optim.momentum", &self.momentum, &other.momentum, &beside)?;
        }
        self.schedule.validate().map_err(|e| format!("optim.schedule.{e}"))
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
    /// `steps` as a device scalar, for the fused kernel.
    step_tensor: Tensor,
}

/// Saved in place of a task before the first step.
const NO_TASK: i64 = -1;

impl Optim {
    /// Gives every trainable parameter its zeroed moments.
    pub fn new(config: OptimConfig, params: &mut Params, device: Device) -> Self {
        let moments = match config.kind {
            OptimKind::Adam | OptimKind::Adamw => 2,
            OptimKind::Sgd => usize::from(config.momentum > 0.0),
        };
        for p in params.trainable_mut() {
            p.moments = (0..moments).map(|_| p.value.detach().zeros_like()).collect();
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

    /// One step in place, on data of `task`; `grads` in the order of [`Params::trainable`].
    pub fn step(&mut self, params: &mut Params, grads: &[Tensor], task: usize) {
        let _guard = no_grad_guard();
        if self.is_new_task(task)
            && let Schedule::CosineRestarts { restart: Restart::Task, .. } = self.config.schedule
        {
            self.cycle = self.steps;
        }
        self.task = Some(task);
        let lr = self.lr();
        self.steps += 1;
        match self.config.kind {
            OptimKind::Adam | OptimKind::Adamw => self.adam(params, grads, lr),
            OptimKind::Sgd => self.sgd(params, grads, lr),
        }
    }

    fn adam(&mut self, params: &mut Params, grads: &[Tensor], lr: f64) {
        let c = &self.config;
        let h = AdamStep {
            lr,
            beta1: c.beta1,
            beta2: c.beta2,
            eps: c.eps,
            weight_decay: c.weight_decay,
            decoupled: c.kind == OptimKind::Adamw,
        };
        if self.step_tensor.device() == Device::Cpu || adam::has_ages(params) {
            return adam::step(params, grads, self.steps, h);
        }
        // f32 counts exactly to 2^24; beyond that both bias corrections are 1 to the last bit.
        let _ = self.step_tensor.fill_(self.steps as f64);
        let grads: Vec<&Tensor> = grads.iter().collect();
        let values: Vec<&Tensor> = params.trainable().map(|p| &p.value).collect();
        let first: Vec<&Tensor> = params.trainable().map(|p| &p.moments[0]).collect();
        let second: Vec<&Tensor> = params.trainable().map(|p| &p.moments[1]).collect();
        fused::adam_(&values, &grads, &first, &second, &self.step_tensor, h);
    }

    fn sgd(&self, params: &mut Params, grads: &[Tensor], lr: f64) {
        let c = &self.config;
        for (p, grad) in params.trainable_mut().zip(grads) {
            let grad =
                if c.weight_decay > 0.0 { grad + &p.value * c.weight_decay } else { grad.copy() };
            let direction = match p.moments.first_mut() {
                // Equals torch.optim.SGD, whose buffer starts as the first gradient: 0 * m + g.
                Some(m) => {
                    let _ = m.g_mul_scalar_(c.momentum).g_add_(&grad);
                    m.shallow_clone()
                }
                None => grad,
            };
            let _ = p.value.g_sub_(&(direction * lr));
        }
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
