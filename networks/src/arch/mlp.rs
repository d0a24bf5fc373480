//! Multi-layer perceptron: `hidden` affine layers with a nonlinearity each, then linear heads.
//!
//! With a `norm` each hidden layer is linear, norm, nonlinearity (the order of Ba et al. 2016,
//! arXiv 1607.06450, section 3).

use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::{
    arch,
    forward::Forward,
    init::Init,
    layers::{
        Linear, Norm, NormConfig,
        reparam::{ReparamConfig, Stored, WeightLayers},
    },
    network::Network,
    neurons::NeuronGroup,
    params::{Params, Role},
    random::Rng,
    trace::Activity,
};

/// Nonlinearity of hidden layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(x, 0)`
    Relu,
    /// Hyperbolic tangent.
    Tanh,
    /// `x * sigmoid(x)` (SiLU).
    Silu,
}

impl Activation {
    /// Elementwise.
    pub fn apply(self, x: &Tensor) -> Tensor {
        match self {
            Activation::Relu => x.relu(),
            Activation::Tanh => x.tanh(),
            Activation::Silu => x.silu(),
        }
    }

    fn activity(self) -> Activity {
        match self {
            Activation::Relu => Activity::Relu,
            Activation::Tanh => Activity::Tanh,
            Activation::Silu => Activity::Silu,
        }
    }
}

/// How a configuration spells the distribution of the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InitKind {
    /// Uniform in `1 / sqrt(fan_in)`, biases too: `torch.nn.Linear`'s default.
    TorchDefault,
    /// Orthogonal with gain `sqrt(2)` in hidden layers and 1 in heads; biases zero.
    Orthogonal,
    /// He normal in hidden layers, LeCun normal in heads; biases zero.
    He,
}

impl InitKind {
    /// `(weight, bias)` distributions of a layer.
    fn distributions(self, role: Role, fan_in: i64) -> (Init, Init) {
        let head = role == Role::Output;
        match self {
            InitKind::TorchDefault => {
                (Init::TorchDefault, Init::Uniform((fan_in as f64).sqrt().recip()))
            }
            InitKind::Orthogonal => {
                (Init::Orthogonal(if head { 1.0 } else { 2f64.sqrt() }), Init::Constant(0.0))
            }
            InitKind::He => (if head { Init::Lecun } else { Init::He }, Init::Constant(0.0)),
        }
    }
}

/// `[agent.*.arch]` with `kind = "mlp"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MlpConfig {
    /// Units of each hidden layer.
    pub hidden: Vec<i64>,
    /// Nonlinearity after each hidden layer.
    pub activation: Activation,
    /// Normalisation before each nonlinearity.
    pub norm: NormConfig,
    /// Whether hidden layers have a bias. Heads always have one.
    pub bias: bool,
    /// Law of the initial weights.
    pub init: InitKind,
    /// What layers multiply with in place of their weights.
    pub weight: ReparamConfig,
}

impl Default for MlpConfig {
    /// Two layers of 256 ReLU units: the SAC paper's Table 1 (arXiv 1812.05905, appendix D).
    fn default() -> Self {
        MlpConfig {
            hidden: vec![256, 256],
            activation: Activation::Relu,
            norm: NormConfig::None {},
            bias: true,
            init: InitKind::TorchDefault,
            weight: Stored {}.into(),
        }
    }
}

impl MlpConfig {
    pub(crate) fn validate(&self) -> Result<(), String> {
        if let Some(width) = self.hidden.iter().find(|&&width| !(1..=65_536).contains(&width)) {
            return Err(format!(
                "hidden has a layer of {width} units; give 1 to 65536 units a layer"
            ));
        }
        self.norm.validate().map_err(|e| format!("norm.{e}"))?;
        self.weight.validate().map_err(|e| format!("weight.{e}"))?;
        let only_heads = |layers: WeightLayers| layers == WeightLayers::Heads;
        if self.norm != (NormConfig::None {})
            && self.weight.layers().is_some_and(|l| !only_heads(l))
        {
            return Err(format!(
                "weight.kind = \"{}\" does nothing on hidden layers with a norm, which takes the scale of their weights \
                 away; leave out arch.norm, or give weight.layers = \"heads\"",
                self.weight.kind()
            ));
        }
        if let Some(layers) = self.weight.layers() {
            let least = match layers {
                WeightLayers::Penultimate | WeightLayers::Hidden => 1,
                WeightLayers::Intermediate => 2,
                WeightLayers::Heads | WeightLayers::All => 0,
            };
            if self.hidden.len() < least {
                return Err(format!(
                    "weight.layers chooses none of {} hidden layers; give `hidden` more, or take another choice",
                    self.hidden.len()
                ));
            }
        }
        arch::check_weights("hidden", self.hidden.windows(2).map(|w| w[0] * w[1]).sum())
    }
}

/// PyTorch's default for layer normalisation.
const NORM_EPS: f64 = 1e-5;

struct Hidden {
    name: String,
    dense: Linear,
    norm: Option<Norm>,
}

/// The network described in the module header.
pub struct Mlp {
    hidden: Vec<Hidden>,
    activation: Activation,
    heads: Vec<Linear>,
}

impl Mlp {
    /// Parameters are `prefix/hidden_I/{weight,bias}`, `prefix/norm_I/{gain,offset}` and
    /// `prefix/HEAD/{weight,bias}`.
    pub fn new(
        config: &MlpConfig,
        p: &mut Params,
        prefix: &str,
        input: i64,
        outputs: &[(&str, i64)],
        rng: &mut Rng,
    ) -> Self {
        let mut width = input;
        let mut hidden = Vec::new();
        for (i, &units) in config.hidden.iter().enumerate() {
            let name = format!("{prefix}/hidden_{i}");
            let (weight, bias) = config.init.distributions(Role::Hidden, width);
            let scale_invariant = config.norm != (NormConfig::None {});
            let role = if scale_invariant { Role::ScaleInvariant } else { Role::Hidden };
            let bias = config.bias.then_some(bias);
            let mut dense = Linear::new(p, &name, role, width, units, weight, bias, rng);
            if config.weight.layers().is_some_and(|l| l.has_hidden(i, config.hidden.len())) {
                dense = dense.reparametrised(&config.weight, p);
            }
            let norm = format!("{prefix}/norm_{i}");
            let norm = Norm::new(p, &norm, config.norm, units, NORM_EPS, rng);
            hidden.push(Hidden { name, dense, norm });
            width = units;
        }
        p.in_heads(true);
        let heads: Vec<Linear> = outputs
            .iter()
            .map(|(name, output)| {
                let (weight, bias) = config.init.distributions(Role::Output, width);
                let name = format!("{prefix}/{name}");
                let head =
                    Linear::new(p, &name, Role::Output, width, *output, weight, Some(bias), rng);
                if config.weight.layers().is_some_and(WeightLayers::has_heads) {
                    head.reparametrised(&config.weight, p)
                } else {
                    head
                }
            })
            .collect();
        p.in_heads(false);
        for (i, layer) in hidden.iter().enumerate() {
            let outgoing = match hidden.get(i + 1) {
                Some(next) => vec![next.dense.outgoing()],
                None => heads.iter().map(Linear::outgoing).collect(),
            };
            let fed = layer.dense.outgoing();
            let own = fed.bias.into_iter().chain(layer.norm.iter().flat_map(Norm::learned));
            p.add_neurons(NeuronGroup::new(&layer.name, fed.weight, own, outgoing));
        }
        Mlp { hidden, activation: config.activation, heads }
    }
}

impl Network for Mlp {
    fn forward(&self, fw: &mut Forward<'_>, x: &Tensor) -> Vec<Tensor> {
        debug_assert_eq!(x.dim(), 2, "input is [B, D], not {:?}", x.size());
        let mut x = x.shallow_clone(); // [B, D]
        let p = fw.params;
        for layer in &self.hidden {
            x = layer.dense.forward(p, &x); // [B, units]
            if let Some(norm) = &layer.norm {
                x = norm.forward(p, &x);
            }
            x = self.activation.apply(&x);
            fw.record(&layer.name, self.activation.activity(), &x);
        }
        self.heads.iter().map(|head| head.forward(p, &x)).collect()
    }
}
