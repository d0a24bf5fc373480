//! Adam and AdamW, where weights have ages: the bias corrections of each weight count the steps since it was
//! last drawn, not since the start.
//!
//! Zeroed moments under an old step count would make the first steps after a reset up to 6.6 times
//! as long as they should be (betas 0.9 and 0.999): the corrections that shrink them are long gone.
//!
//! On the CPU this is the only Adam, on kernels of our own: their results do not depend on the processor.

use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use super::{OptimSettings, StepAt, settings::check_averages};
use crate::{
    fused::{self, AdamStep},
    params::{Param, Params},
    registry::Part,
};

/// `kind = "adam"`. Names and defaults are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adam {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// L2 in the gradient.
    pub weight_decay: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 }
    }
}

/// `kind = "adamw"`: Adam with decoupled weight decay. PyTorch's defaults but for the decay, which is 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamW {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// `theta <- (1 - lr weight_decay) theta` before each step.
    pub weight_decay: f64,
}

impl Default for AdamW {
    fn default() -> Self {
        let Adam { beta1, beta2, eps, weight_decay } = Adam::default();
        AdamW { beta1, beta2, eps, weight_decay }
    }
}

impl Part for Adam {
    type Family = dyn OptimSettings;

    const KIND: &'static str = "adam";
    const SUMMARY: &'static str =
        "steps by running means of gradients over the roots of those of their squares";
    const SOURCE: &'static str = "Kingma & Ba 2015, arXiv 1412.6980, Algorithm 1";
}

impl Part for AdamW {
    type Family = dyn OptimSettings;

    const KIND: &'static str = "adamw";
    const SUMMARY: &'static str =
        "Adam with decoupled weight decay, `theta <- (1 - lr weight_decay) theta`";
    const SOURCE: &'static str = "Loshchilov & Hutter 2019, arXiv 1711.05101, Algorithm 2";
}

impl OptimSettings for Adam {
    fn validate(&self) -> Result<(), String> {
        check_averages(self.beta1, self.beta2, self.eps, self.weight_decay)
    }

    fn moments(&self, value: &Tensor) -> Vec<Tensor> {
        vec![value.zeros_like(), value.zeros_like()]
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn as_adam(&self) -> Option<Adam> {
        Some(*self)
    }

    fn step(&self, params: &mut Params, grads: &[Tensor], at: &StepAt<'_>) {
        any_device(params, grads, at, self.kernel(at.lr, false));
    }
}

impl OptimSettings for AdamW {
    fn validate(&self) -> Result<(), String> {
        self.adam().validate()
    }

    fn moments(&self, value: &Tensor) -> Vec<Tensor> {
        self.adam().moments(value)
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn as_adam(&self) -> Option<Adam> {
        Some(self.adam())
    }

    fn decay_is_decoupled(&self) -> bool {
        true
    }

    fn step(&self, params: &mut Params, grads: &[Tensor], at: &StepAt<'_>) {
        any_device(params, grads, at, self.adam().kernel(at.lr, true));
    }
}

impl AdamW {
    fn adam(self) -> Adam {
        let AdamW { beta1, beta2, eps, weight_decay } = self;
        Adam { beta1, beta2, eps, weight_decay }
    }
}

impl Adam {
    /// What kernels read.
    pub(super) fn kernel(self, lr: f64, decoupled: bool) -> AdamStep {
        let Adam { beta1, beta2, eps, weight_decay } = self;
        AdamStep { lr, beta1, beta2, eps, weight_decay, decoupled }
    }
}

fn any_device(params: &mut Params, grads: &[Tensor], at: &StepAt<'_>, h: AdamStep) {
    // Parameters in groups are stepped one by one too.
    let alike = |p: &Param| p.lr_factor == 1.0 && p.decays;
    if at.step_tensor.device() == Device::Cpu || has_ages(params) || !params.trainable().all(alike)
    {
        return step(params, grads, at.steps, h);
    }
    // f32 counts exactly to 2^24; beyond that both bias corrections are 1 to the last bit.
    let mut step_tensor = at.step_tensor.shallow_clone();
    let _ = step_tensor.fill_(at.steps as f64);
    let grads: Vec<&Tensor> = grads.iter().collect();
    let values: Vec<&Tensor> = params.trainable().map(|p| &p.value).collect();
    let first: Vec<&Tensor> = params.trainable().map(|p| &p.moments[0]).collect();
    let second: Vec<&Tensor> = params.trainable().map(|p| &p.moments[1]).collect();
    fused::adam_(&values, &grads, &first, &second, &step_tensor, h);
}

/// Whether any weight may be younger than the run.
pub(super) fn has_ages(params: &Params) -> bool {
    params.neurons().iter().any(|u| u.history.is_some()) || params.trainable().any(|p| p.birth > 0)
}

/// Step number `steps` of all trainable parameters. An element between two units is as young as the
/// younger of them.
fn step(params: &mut Params, grads: &[Tensor], steps: u64, h: AdamStep) {
    let corrections: Vec<Option<Corrections>> = (0..params.neurons().len())
        .map(|i| {
            params.neurons()[i].history?;
            Some(Corrections::of(params.births(i), steps, h))
        })
        .collect();
    // The last group that lists a parameter has it: a unit vector belongs to one group only.
    let mut rows = vec![None; params.iter().count()];
    let mut columns = rows.clone();
    for (group, units) in corrections.iter().zip(params.neurons()) {
        let group = group.as_ref();
        rows[units.incoming.0] = group;
        for outgoing in &units.outgoing {
            columns[outgoing.weight.0] = group;
        }
        for id in &units.per_neuron {
            columns[id.0] = group;
        }
    }
    let mut grads = grads.iter();
    for (id, p) in params.iter().filter(|(_, p)| p.value.requires_grad()) {
        let grad = grads.next().expect("a gradient per trainable parameter");
        let size = p.value.size();
        let height = if size.len() == 1 { 1 } else { size.first().copied().unwrap_or(1) };
        let whole;
        let of_rows = if let Some(units) = rows[id.0] {
            units // reset as a whole, all of them are new
        } else {
            whole = Corrections::of(&[p.birth as i64], steps, h).repeat(height as usize);
            &whole
        };
        let of_columns = columns[id.0].map(|c: &Corrections| c.0.as_slice());
        let moments = (&p.moments[0], &p.moments[1]);
        let h = p.adam_step(h);
        if p.value.device() == Device::Cpu {
            fused::adam_by_age_(&p.value, grad, moments, h, &of_rows.0, of_columns);
        } else {
            by_operations(&p.value, grad, moments, h, &of_rows.0, of_columns);
        }
    }
}

impl Param {
    /// A step as this parameter takes it.
    pub(super) fn adam_step(&self, h: AdamStep) -> AdamStep {
        AdamStep { lr: self.lr(h.lr), weight_decay: self.decay(h.weight_decay), ..h }
    }
}

/// Both of an element as old as the run.
pub(super) fn corrections(steps: u64, h: AdamStep) -> [f64; 2] {
    let both = Corrections::of(&[0], steps, h).0;
    [both[0], both[1]]
}

/// `1 / (1 - beta1^t)` of every age `t`, then `1 / sqrt(1 - beta2^t)` of every age.
#[derive(Clone, Debug, PartialEq)]
struct Corrections(Vec<f64>);

impl Corrections {
    fn of(births: &[i64], steps: u64, h: AdamStep) -> Self {
        let n = births.len();
        let mut out = vec![0.0; 2 * n];
        let mut last = (i64::MIN, 0.0, 0.0);
        for (i, &birth) in births.iter().enumerate() {
            // Most neighbours are born together.
            if birth != last.0 {
                let t = (steps as i64 - birth) as f64;
                let (c1, c2) = (1.0 - h.beta1.powf(t), 1.0 - h.beta2.powf(t));
                last = (birth, c1.recip(), c2.sqrt().recip());
            }
            (out[i], out[n + i]) = (last.1, last.2);
        }
        Corrections(out)
    }

    fn repeat(&self, n: usize) -> Self {
        Corrections([vec![self.0[0]; n], vec![self.0[1]; n]].concat())
    }
}

/// [`fused::adam_by_age_`] in libtorch operations, for other devices than the CPU.
fn by_operations(
    p: &Tensor,
    grad: &Tensor,
    (m, v): (&Tensor, &Tensor),
    h: AdamStep,
    rows: &[f64],
    columns: Option<&[f64]>,
) {
    let height = (rows.len() / 2) as i64;
    let matrix = |t: &Tensor| t.view([height, -1]);
    let (mut p, grad) = (matrix(&p.detach()), grad.reshape([height, -1]));
    let (mut m, mut v) = (matrix(m), matrix(v));
    let on = |c: &[f64], shape: [i64; 2]| {
        Tensor::from_slice(c).to_kind(p.kind()).to_device(p.device()).view(shape)
    };
    let mut c1 = on(&rows[..rows.len() / 2], [-1, 1]);
    let mut c2 = on(&rows[rows.len() / 2..], [-1, 1]);
    if let Some(columns) = columns {
        let (first, second) = columns.split_at(columns.len() / 2);
        (c1, c2) = (c1.maximum(&on(first, [1, -1])), c2.maximum(&on(second, [1, -1])));
    }
    let grad = if h.decoupled { grad } else { grad + &p * h.weight_decay };
    let _ = m.g_mul_scalar_(h.beta1).g_add_(&(&grad * (1.0 - h.beta1)));
    let _ = v.g_mul_scalar_(h.beta2).g_add_(&(grad.square() * (1.0 - h.beta2)));
    let step = c1 * &m / (v.sqrt() * c2 + h.eps) * h.lr;
    if h.decoupled {
        let _ = p.g_mul_scalar_(1.0 - h.lr * h.weight_decay);
    }
    let _ = p.g_sub_(&step);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;
    use tch::Kind;

    /// Both ways of computing one step agree, for either weight decay and with or without columns.
    #[test]
    fn the_kernel_is_its_operations() {
        let mut rng = random::stream(1, 0);
        for (decoupled, columns) in [(false, true), (true, true), (true, false)] {
            let mut draw = || random::normal(&[3, 5], &mut rng).to_kind(Kind::Double);
            let (p, grad, m, v) = (draw(), draw(), draw(), draw().square());
            let h = AdamStep {
                lr: 0.1,
                beta1: 0.9,
                beta2: 0.99,
                eps: 1e-3,
                weight_decay: 0.02,
                decoupled,
            };
            let rows = Corrections::of(&[0, 4, 9], 10, h);
            let columns = columns.then(|| Corrections::of(&[9, 0, 7, 7, 2], 10, h));
            let columns = columns.as_ref().map(|c| c.0.as_slice());
            let copy = [&p, &m, &v].map(Tensor::copy);
            fused::adam_by_age_(&p, &grad, (&m, &v), h, &rows.0, columns);
            by_operations(&copy[0], &grad, (&copy[1], &copy[2]), h, &rows.0, columns);
            for (got, want) in [&p, &m, &v].into_iter().zip(&copy) {
                let gap = (got - want).abs().max().double_value(&[]);
                assert!(gap < 1e-12, "{gap:e}");
            }
        }
    }
}
