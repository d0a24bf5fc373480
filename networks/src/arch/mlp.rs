//! Multi-layer perceptron: `hidden` affine layers with a nonlinearity each, then linear heads.
//!
//! With a `norm` each hidden layer is linear, norm, nonlinearity (the order of Ba et al. 2016,
//! arXiv 1607.06450, section 3); with `norm_after_activation` linear, nonlinearity, norm; with `norm_input` the input goes
//! through one too. CrossQ's networks have both (Bhatt et al. 2024, arXiv 1902.05605).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::{
    exec::fused_cpu::{ProgramBuilder, Slot},
    forward::Forward,
    init::{InitConfig, Place, Position, TorchDefault},
    layers::{
        Linear,
        activation::{ActivationConfig, Relu},
        norm::{NoNorm, Norm, NormConfig},
        reparam::{ReparamConfig, Stored, WeightLayers},
    },
    network::{ArchSettings, Network, check_weights},
    neurons::NeuronGroup,
    params::{Params, Role},
    random::Rng,
    registry::Part,
};

/// `[agent.*.arch]` with `kind = "mlp"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MlpConfig {
    /// Units of each hidden layer.
    pub hidden: Vec<i64>,
    /// Nonlinearity after each hidden layer.
    pub activation: ActivationConfig,
    /// Normalisation before each nonlinearity.
    pub norm: NormConfig,
    /// Whether it stands behind each nonlinearity instead.
    pub norm_after_activation: bool,
    /// Whether the input is normalised too, by its own layer of the same kind.
    pub norm_input: bool,
    /// Whether hidden layers have a bias. Heads always have one.
    pub bias: bool,
    /// Distribution of the initial weights and biases.
    pub init: InitConfig,
    /// What layers multiply with in place of their weights.
    pub weight: ReparamConfig,
}

impl Default for MlpConfig {
    /// Two layers of 256 ReLU units: the SAC paper's Table 1 (arXiv 1812.05905, appendix D).
    fn default() -> Self {
        MlpConfig {
            hidden: vec![256, 256],
            activation: Relu {}.into(),
            norm: NoNorm {}.into(),
            norm_after_activation: false,
            norm_input: false,
            bias: true,
            init: TorchDefault {}.into(),
            weight: Stored {}.into(),
        }
    }
}

impl Part for MlpConfig {
    type Family = dyn ArchSettings;

    const KIND: &'static str = "mlp";
    const SUMMARY: &'static str = "hidden layers one after the other, then linear heads";
    const SOURCE: &'static str = "SAC, arXiv 1812.05905, Table 1";
}

impl MlpConfig {
    /// Where hidden layers have no effect of the scale of their weights.
    fn scale_invariant(&self) -> bool {
        !self.norm.is_none() && !self.norm_after_activation
    }

    fn check_norm(&self) -> Result<(), String> {
        self.norm.validate().map_err(|e| format!("norm.{e}"))?;
        let places = [
            ("norm_after_activation", self.norm_after_activation),
            ("norm_input", self.norm_input),
        ];
        match places.into_iter().find(|(_, set)| *set && self.norm.is_none()) {
            Some((key, _)) => {
                Err(format!("{key} does nothing without a norm; leave it out, or give norm.kind"))
            }
            None => Ok(()),
        }
    }

    fn check_weight(&self) -> Result<(), String> {
        self.weight.validate().map_err(|e| format!("weight.{e}"))?;
        let Some(layers) = self.weight.layers() else { return Ok(()) };
        if self.scale_invariant() && layers != WeightLayers::Heads {
            return Err(format!(
                "weight.kind = \"{}\" does nothing on hidden layers with a norm, which takes the scale of their weights \
                 away; leave out arch.norm, or give weight.layers = \"heads\"",
                self.weight.kind()
            ));
        }
        layers.check(self.hidden.len(), true).map_err(|e| format!("weight.{e}"))
    }
}

/// PyTorch's default for layer normalisation.
const NORM_EPS: f64 = 1e-5;

impl ArchSettings for MlpConfig {
    fn validate(&self) -> Result<(), String> {
        if let Some(width) = self.hidden.iter().find(|&&width| !(1..=65_536).contains(&width)) {
            return Err(format!(
                "hidden has a layer of {width} units; give 1 to 65536 units a layer"
            ));
        }
        self.activation.validate().map_err(|e| format!("activation.{e}"))?;
        self.check_norm()?;
        self.init.validate().map_err(|e| format!("init.{e}"))?;
        self.check_weight()?;
        let outputs = self.activation.outputs_per_unit();
        check_weights("hidden", self.hidden.windows(2).map(|w| w[0] * outputs * w[1]).sum())
    }

    /// Parameters are `prefix/norm_input/{gain,offset}`, `prefix/hidden_I/{weight,bias}`,
    /// `prefix/norm_I/{gain,offset}` and `prefix/HEAD/{weight,bias}`.
    fn assemble(
        &self,
        p: &mut Params,
        prefix: &str,
        input: &[i64],
        outputs: &[(&str, i64)],
        rng: &mut Rng,
    ) -> Result<Arc<dyn Network>, String> {
        let mut width: i64 = input.iter().product();
        let norm = |p: &mut Params, name: &str, width, rng: &mut Rng| {
            self.norm.build(p, &format!("{prefix}/{name}"), width, NORM_EPS, rng)
        };
        let norm_input = if self.norm_input { norm(p, "norm_input", width, rng) } else { None };
        let per_unit = self.activation.outputs_per_unit();
        let mut hidden = Vec::new();
        for (i, &units) in self.hidden.iter().enumerate() {
            let name = format!("{prefix}/hidden_{i}");
            let (weight, bias) = self.init.layer(Place {
                position: Position::Hidden,
                fan_in: width,
                fan_out: units,
                network: p.network(),
            });
            let role = if self.scale_invariant() { Role::ScaleInvariant } else { Role::Hidden };
            let bias = self.bias.then_some(bias);
            let mut dense = Linear::new(p, &name, role, width, units, weight, bias, rng);
            if self.weight.layers().is_some_and(|l| l.has_hidden(i, self.hidden.len())) {
                dense = dense.reparametrised(&self.weight, p);
            }
            let normed = if self.norm_after_activation { units * per_unit } else { units };
            let norm = norm(p, &format!("norm_{i}"), normed, rng);
            hidden.push(Hidden { name, dense, norm });
            width = units * per_unit;
        }
        p.in_heads(true);
        let heads: Vec<Linear> = outputs
            .iter()
            .map(|&(name, output)| {
                let (weight, bias) = self.init.layer(Place {
                    position: Position::Output,
                    fan_in: width,
                    fan_out: output,
                    network: p.network(),
                });
                let name = format!("{prefix}/{name}");
                let role = Role::Output;
                let head = Linear::new(p, &name, role, width, output, weight, Some(bias), rng);
                if self.weight.layers().is_some_and(WeightLayers::has_heads) {
                    head.reparametrised(&self.weight, p)
                } else {
                    head
                }
            })
            .collect();
        p.in_heads(false);
        let net = Mlp {
            norm_input,
            hidden,
            activation: self.activation.clone(),
            norm_after_activation: self.norm_after_activation,
            heads,
        };
        net.add_neurons(p);
        Ok(Arc::new(net))
    }

    fn ends(&self) -> (Option<i64>, Option<i64>) {
        let outputs = self.activation.outputs_per_unit();
        (self.hidden.first().copied(), self.hidden.last().map(|width| width * outputs))
    }
}

/// An activation as an operation on buffers.
///
/// # Errors
/// If it is none.
pub(super) fn pointwise(
    b: &mut ProgramBuilder<'_>,
    activation: &ActivationConfig,
    x: Slot,
) -> Result<Slot, String> {
    let none = || format!("the activation \"{}\" has no fused form", activation.kind());
    Ok(b.pointwise(x, activation.pointwise().ok_or_else(none)?))
}

struct Hidden {
    name: String,
    dense: Linear,
    norm: Option<Arc<dyn Norm>>,
}

/// The network described in the module header.
struct Mlp {
    norm_input: Option<Arc<dyn Norm>>,
    hidden: Vec<Hidden>,
    activation: ActivationConfig,
    norm_after_activation: bool,
    heads: Vec<Linear>,
}

impl Mlp {
    /// Units can be replaced where what the next layer reads of one is what its activation was: not two outputs, and not a
    /// normalised one.
    fn add_neurons(&self, p: &mut Params) {
        if self.norm_after_activation || self.activation.outputs_per_unit() > 1 {
            return;
        }
        for (i, layer) in self.hidden.iter().enumerate() {
            let outgoing = match self.hidden.get(i + 1) {
                Some(next) => vec![next.dense.outgoing()],
                None => self.heads.iter().map(Linear::outgoing).collect(),
            };
            let fed = layer.dense.outgoing();
            let of_norm = layer.norm.iter().flat_map(|norm| norm.per_unit());
            let own = fed.bias.into_iter().chain(of_norm);
            p.add_neurons(NeuronGroup::new(&layer.name, fed.weight, own, outgoing));
        }
    }
}

impl Network for Mlp {
    fn forward(&self, fw: &mut Forward<'_>, x: &Tensor) -> Vec<Tensor> {
        debug_assert_eq!(x.dim(), 2, "input is [B, D], not {:?}", x.size());
        let mut x = match &self.norm_input {
            Some(norm) => norm.forward(fw, x),
            None => x.shallow_clone(),
        }; // [B, D]
        for layer in &self.hidden {
            x = layer.dense.forward(fw.params, &x); // [B, units]
            if let Some(norm) = layer.norm.as_ref().filter(|_| !self.norm_after_activation) {
                x = norm.forward(fw, &x);
            }
            x = self.activation.apply(&x);
            fw.record(&layer.name, self.activation.activity(), &x);
            if let Some(norm) = layer.norm.as_ref().filter(|_| self.norm_after_activation) {
                x = norm.forward(fw, &x);
            }
        }
        self.heads.iter().map(|head| head.forward(fw.params, &x)).collect()
    }

    fn program(&self, b: &mut ProgramBuilder<'_>, x: Slot) -> Result<Vec<Slot>, String> {
        let mut x = match &self.norm_input {
            Some(norm) => norm.program(b, x)?,
            None => x,
        };
        for layer in &self.hidden {
            x = layer.dense.program(b, x)?;
            if let Some(norm) = layer.norm.as_ref().filter(|_| !self.norm_after_activation) {
                x = norm.program(b, x)?;
            }
            x = pointwise(b, &self.activation, x)?;
            b.record(&layer.name, self.activation.activity(), x);
            if let Some(norm) = layer.norm.as_ref().filter(|_| self.norm_after_activation) {
                x = norm.program(b, x)?;
            }
        }
        self.heads.iter().map(|head| head.program(b, x)).collect()
    }
}
