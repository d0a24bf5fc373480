//! The learners: one hidden layer of ReLU units or none, a gradient step per example.

use std::sync::Arc;

use networks::{
    diagnostics,
    forward::Forward,
    init::Init,
    interventions::{Clock, InterventionConfig},
    layers::Linear,
    model::Model,
    network::Network,
    neurons::NeuronGroup,
    optim::{OptimConfig, Sgd},
    params::{Params, Role},
    random::{self, Rng},
    trace::{Activity, Trace},
};
use tch::{Device, Reduction, Tensor};

use super::{Stream, StreamConfig};

/// Examples whose errors [`run`] averages (the released figure's).
pub const BIN: usize = 20_000;

/// Who follows the stream, by stochastic gradient descent on `(f(x) - y)^2`, one example at a time.
#[derive(Clone, Debug)]
pub struct LearnerConfig {
    /// ReLU units of its one hidden layer; 0 makes it linear.
    pub hidden: i64,
    /// Step size.
    pub lr: f64,
    /// What else happens to the weights.
    pub methods: Vec<InterventionConfig>,
}

/// The paper's backpropagation with its largest step size, which loses most.
impl Default for LearnerConfig {
    fn default() -> Self {
        LearnerConfig { hidden: 5, lr: 0.01, methods: Vec::new() }
    }
}

impl LearnerConfig {
    /// The learner with its first weights.
    ///
    /// # Errors
    /// When a method cannot work here.
    pub fn build(&self, inputs: u32, rng: &mut Rng) -> Result<Model, String> {
        let optim = OptimConfig::new(Sgd::default(), self.lr);
        self.build_with(inputs, &optim, rng)
    }

    /// The same with another optimiser, whatever `lr` is.
    ///
    /// # Errors
    /// As [`LearnerConfig::build`].
    pub fn build_with(
        &self,
        inputs: u32,
        optim: &OptimConfig,
        rng: &mut Rng,
    ) -> Result<Model, String> {
        let mut params = Params::default();
        let net = Regressor::new(&mut params, i64::from(inputs), self.hidden, rng);
        Model::new("regressor", Arc::new(net), params, optim, &self.methods, Device::Cpu)
    }
}

/// `[B, m] -> [B, 1]`, with one hidden layer of ReLU units or none.
struct Regressor {
    hidden: Option<Linear>,
    output: Linear,
}

impl Regressor {
    /// Kaiming uniform, bound `gain * sqrt(3 / fan_in)` with gain `sqrt(2)` before a ReLU; biases 0.
    fn new(p: &mut Params, inputs: i64, hidden: i64, rng: &mut Rng) -> Self {
        let uniform = |gain2: f64, fan_in: i64| Init::Uniform((gain2 * 3.0 / fan_in as f64).sqrt());
        let zero = Some(Init::Constant(0.0));
        let (layer, features) = if hidden > 0 {
            let init = uniform(2.0, inputs);
            let layer =
                Linear::new(p, "hidden", Role::Hidden, inputs, hidden, init, zero.clone(), rng);
            (Some(layer), hidden)
        } else {
            (None, inputs)
        };
        let init = uniform(1.0, features);
        let output = Linear::new(p, "output", Role::Output, features, 1, init, zero, rng);
        if let Some(fed) = layer.as_ref().map(Linear::outgoing) {
            p.add_neurons(NeuronGroup::new(
                "hidden",
                fed.weight,
                fed.bias,
                vec![output.outgoing()],
            ));
        }
        Regressor { hidden: layer, output }
    }
}

impl Network for Regressor {
    fn forward(&self, fw: &mut Forward<'_>, x: &Tensor) -> Vec<Tensor> {
        let p = fw.params;
        let Some(hidden) = &self.hidden else { return vec![self.output.forward(p, x)] };
        let h = hidden.forward(p, x).relu();
        fw.record("hidden", Activity::Relu, &h);
        vec![self.output.forward(p, &h)]
    }
}

/// What became of a learner.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Mean over each [`BIN`] (the last may be shorter) of the squared error before the update.
    pub errors: Vec<f64>,
    /// Hidden units that in the end are on for at most 1 % of the last bin's inputs, as a fraction of
    /// all; 0 without any.
    pub idle: f64,
}

/// Follows the first `examples` of the stream of `seed`: the same for all learners, since their
/// weights are drawn apart from it.
///
/// Runs can share a process, one on each thread. libtorch's own threads gain nothing on tensors this
/// small: call `tch::set_num_threads(1)` on the thread of each run if anything else shares the machine.
///
/// # Errors
/// When the stream or a method cannot be built, or the loss is no longer finite.
pub fn run(
    seed: u64,
    examples: usize,
    stream: &StreamConfig,
    learner: &LearnerConfig,
) -> Result<Outcome, String> {
    let mut rng = random::stream(seed, 1);
    let mut model = learner.build(stream.inputs, &mut rng)?;
    let mut data = Stream::new(stream.clone(), random::stream(seed, 0))?;
    let mut outcome = Outcome { errors: Vec::new(), idle: 0.0 };
    let mut seen = 0;
    while seen < examples {
        // A bin at a time, so that an example costs two views instead of two copies.
        let n = BIN.min(examples - seen);
        let (xs, ys) = tensors(&mut data, n, stream.inputs);
        let mut sum = 0.0;
        for i in 0..n {
            let (x, y) = (xs.narrow(0, i as i64, 1), ys.narrow(0, i as i64, 1));
            let mut trace = if learner.methods.is_empty() { Trace::off() } else { Trace::on() };
            let f = &model.forward_train(&x, &mut trace)[0];
            let loss = f.mse_loss(&y, Reduction::Sum);
            let update = (seen + i) as u64;
            let task = (update / stream.flip_after) as usize;
            let clock = Clock { env_step: update, update, task, log: false, look: false };
            let step = model.minimize(&loss, &trace, &[("x", &x)], clock, &mut rng);
            sum += step.map_err(|e| e.to_string())?.loss;
        }
        outcome.errors.push(sum / n as f64);
        seen += n;
        if seen == examples {
            let trace = model.trace(&xs);
            let hidden = trace.entries().first();
            outcome.idle =
                hidden.map_or(0.0, |h| diagnostics::rarely_active_fraction(&h.values, 0.01));
        }
    }
    Ok(outcome)
}

/// The next `n` examples as `[n, m]` and `[n, 1]`.
fn tensors(data: &mut Stream<Rng>, n: usize, m: u32) -> (Tensor, Tensor) {
    let (mut xs, mut ys) = (Vec::with_capacity(n * m as usize), Vec::with_capacity(n));
    for (x, y) in data.take(n) {
        xs.extend((0..m).map(|j| (x >> j & 1) as f32));
        ys.push(y as f32);
    }
    let x = Tensor::from_slice(&xs).view([n as i64, i64::from(m)]);
    (x, Tensor::from_slice(&ys).view([n as i64, 1]))
}
