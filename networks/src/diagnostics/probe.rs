//! The trainability probe: how well, and how fast, a copy of a network fits targets it never saw.
//!
//! After the target-fitting capacity of Lyle et al. 2022 (arXiv 2204.09560), and Lyle et
//! al. 2023 (arXiv 2303.01486), who average the loss after a fixed budget over draws of targets. Theirs
//! are outputs of random networks; ours are normal numbers, independent for every input, so that no
//! architecture has them for free. Compare with a fresh copy of the same network, and several draws.

use rand::RngExt;
use tch::{Kind, Tensor};

use crate::{
    forward::Forward,
    network::Network,
    optim::{Optim, OptimConfig},
    params::Params,
    random::{self, Rng},
    trace::Trace,
};

/// The budget of a probe.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeConfig {
    /// Gradient steps.
    pub steps: usize,
    /// Inputs of each step, drawn with replacement; all, in order, if there are no more.
    pub batch: i64,
    /// Optimiser; its moments start fresh.
    pub optim: OptimConfig,
}

/// What a probe found. Losses are mean squared errors.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeFit {
    /// Of each step's batch, before the step.
    pub losses: Vec<f64>,
    /// Over all inputs, after the last step.
    pub last: f64,
    /// Area under `losses` over the number of steps: low for what learns early.
    pub auc: f64,
}

impl ProbeFit {
    /// The remaining loss beside a fresh network's: 1 if nothing is lost, more if something is.
    pub fn against(&self, fresh: &ProbeFit) -> f64 {
        self.last / fresh.last
    }
}

/// Normal targets `[n, k]` with standard deviation `scale`, f32 on the CPU.
pub fn random_targets(n: i64, k: i64, scale: f64, rng: &mut Rng) -> Tensor {
    random::normal(&[n, k], rng) * scale
}

/// Trains `params`, a copy that is used up, so that the outputs of `net` on `inputs` `[N, D]`, beside
/// each other, become `targets` `[N, K]` with `K` the sum of their widths. Inputs, targets and
/// parameters share kind and device. A diverging fit returns losses that are not finite.
///
/// # Panics
/// If the targets do not fit the outputs.
pub fn fit_random_targets(
    net: &dyn Network,
    mut params: Params,
    inputs: &Tensor,
    targets: &Tensor,
    config: &ProbeConfig,
    rng: &mut Rng,
) -> ProbeFit {
    for p in params.trainable_mut() {
        p.value = p.value.detach().set_requires_grad(true);
    }
    let mut optim = Optim::new(config.optim.clone(), &mut params, inputs.device());
    let n = inputs.size()[0];
    let mut losses = Vec::with_capacity(config.steps);
    for _ in 0..config.steps {
        let loss = if config.batch >= n {
            error(net, &params, inputs, targets)
        } else {
            let drawn: Vec<i64> = (0..config.batch).map(|_| rng.random_range(0..n)).collect();
            let drawn = Tensor::from_slice(&drawn).to_device(inputs.device());
            error(net, &params, &inputs.index_select(0, &drawn), &targets.index_select(0, &drawn))
        };
        losses.push(loss.double_value(&[]));
        let values: Vec<&Tensor> = params.trainable().map(|p| &p.value).collect();
        let grads = Tensor::run_backward(&[&loss], &values, false, false);
        drop(values);
        optim.step(&mut params, &grads, 0);
        params.project_to_hypersphere();
        params.advance_reparams(false);
    }
    let last = whole(net, &params, inputs, targets);
    let auc = losses.iter().sum::<f64>() / losses.len() as f64;
    ProbeFit { losses, last, auc }
}

/// Mean squared error.
fn error(net: &dyn Network, params: &Params, inputs: &Tensor, targets: &Tensor) -> Tensor {
    let outputs =
        Tensor::cat(&net.forward(&mut Forward::eval(params, &mut Trace::off()), inputs), 1);
    assert_eq!(outputs.size(), targets.size(), "targets are [N, sum of the outputs' widths]");
    (outputs - targets).square().mean(targets.kind())
}

fn whole(net: &dyn Network, params: &Params, inputs: &Tensor, targets: &Tensor) -> f64 {
    let _guard = tch::no_grad_guard();
    error(net, params, inputs, targets).to_kind(Kind::Double).double_value(&[])
}
