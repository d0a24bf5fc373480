//! SimBa (Lee et al. 2024, arXiv 2410.09754, section 4): a linear embedding, residual blocks with
//! layer normalisation before them, a last layer normalisation, linear heads.
//!
//! ```text
//! h <- W x + b;   h <- h + W2 relu(W1 norm(h) + b1) + b2;   y <- W norm(h) + b
//! ```
//!
//! Input normalisation by running moments happens outside, before the network. Orthogonal initial
//! weights in embedding and heads, He normal ones in blocks, biases zero, and Flax's epsilon, as in
//! the official code; its He distribution is truncated at two standard deviations, ours is not.
//! Nonlinearity, norm, initial weights and the function of the weights can be others.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{mlp::pointwise, trunk::check_trunk};
use crate::{
    exec::fused_cpu::{ProgramBuilder, Slot},
    forward::Forward,
    init::{Init, InitConfig, Place, Position},
    layers::{
        Linear,
        activation::{ActivationConfig, Relu},
        norm::{LayerNorm, Norm, NormConfig},
        reparam::{ReparamConfig, Stored, WeightLayers},
    },
    network::{ArchSettings, Network},
    neurons::NeuronGroup,
    params::{Params, Role},
    random::Rng,
    registry::Part,
    trace::Activity,
};

/// Flax's default, which the official code takes.
const NORM_EPS: f64 = 1e-6;

/// `[agent.*.arch]` with `kind = "simba"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimbaConfig {
    /// Width of the features.
    pub width: i64,
    /// Residual blocks.
    pub blocks: i64,
    /// Hidden width of a block, in multiples of `width`.
    pub expansion: i64,
    /// Nonlinearity inside a block.
    pub activation: ActivationConfig,
    /// Normalisation before each block and before the heads.
    pub norm: NormConfig,
    /// Distribution of the initial weights and biases; `None` takes the official code's.
    pub init: Option<InitConfig>,
    /// What layers multiply with in place of their weights.
    pub weight: ReparamConfig,
}

impl Default for SimbaConfig {
    /// The critic of the paper's Table 5.
    fn default() -> Self {
        SimbaConfig {
            width: 512,
            blocks: 2,
            expansion: 4,
            activation: Relu {}.into(),
            norm: LayerNorm::default().into(),
            init: None,
            weight: Stored {}.into(),
        }
    }
}

impl Part for SimbaConfig {
    type Family = dyn ArchSettings;

    const KIND: &'static str = "simba";
    const SUMMARY: &'static str = "residual blocks with layer normalisation before them";
    const SOURCE: &'static str = "Lee et al. 2024, arXiv 2410.09754";
    const REFUSES: &'static [(&'static str, &'static str)] = &[
        ("norm_after_activation", "norms stand before the blocks, on the residual stream"),
        ("norm_input", "inputs are normalised by running moments, `normalize.obs`"),
        ("bias", "every layer has one"),
    ];
}

impl SimbaConfig {
    /// Embedding and two layers a block.
    fn hidden_layers(&self) -> usize {
        1 + 2 * self.blocks as usize
    }
}

impl ArchSettings for SimbaConfig {
    fn validate(&self) -> Result<(), String> {
        check_trunk(self.width, self.blocks, self.expansion)?;
        self.activation.validate().map_err(|e| format!("activation.{e}"))?;
        self.norm.validate().map_err(|e| format!("norm.{e}"))?;
        if let Some(init) = &self.init {
            init.validate().map_err(|e| format!("init.{e}"))?;
        }
        self.weight.validate().map_err(|e| format!("weight.{e}"))?;
        let layers = self.weight.layers();
        layers
            .map_or(Ok(()), |l| l.check(self.hidden_layers(), true))
            .map_err(|e| format!("weight.{e}"))
    }

    /// Parameters are `prefix/embed/{weight,bias}`, `prefix/block_I/{norm/{gain,offset},
    /// up/{weight,bias},down/{weight,bias}}`, `prefix/norm/{gain,offset}` and
    /// `prefix/HEAD/{weight,bias}`.
    fn assemble(
        &self,
        p: &mut Params,
        prefix: &str,
        input: &[i64],
        outputs: &[(&str, i64)],
        rng: &mut Rng,
    ) -> Result<Arc<dyn Network>, String> {
        let (d, wide) = (self.width, self.expansion * self.width);
        let read = wide * self.activation.outputs_per_unit();
        let mut recipe = Recipe { config: self, prefix, made: 0 };
        let flat = Init::Orthogonal(1.0);
        let embed =
            recipe.hidden(p, "embed", Position::Hidden, input.iter().product(), d, &flat, rng);
        let mut blocks = Vec::new();
        for i in 0..self.blocks {
            let part = |part: &str| format!("block_{i}/{part}");
            let norm = recipe.norm(p, &part("norm"), rng);
            let up = recipe.hidden(p, &part("up"), Position::Hidden, d, wide, &Init::He, rng);
            let down = recipe.hidden(p, &part("down"), Position::Branch, read, d, &Init::He, rng);
            if read == wide {
                let (layer, fed) = (format!("{prefix}/{}", part("up")), up.outgoing());
                let neurons = NeuronGroup::new(&layer, fed.weight, fed.bias, vec![down.outgoing()]);
                p.add_neurons(neurons);
            }
            blocks.push(Block { name: format!("{prefix}/block_{i}"), norm, up, down });
        }
        let norm = recipe.norm(p, "norm", rng);
        p.in_heads(true);
        let heads =
            outputs.iter().map(|(name, width)| recipe.head(p, name, *width, &flat, rng)).collect();
        p.in_heads(false);
        let norm_name = format!("{prefix}/norm");
        let activation = self.activation.clone();
        Ok(Arc::new(Simba { embed, blocks, activation, norm, norm_name, heads }))
    }

    fn ends(&self) -> (Option<i64>, Option<i64>) {
        (Some(self.width), Some(self.width))
    }
}

/// Makes layers one after the other.
struct Recipe<'a> {
    config: &'a SimbaConfig,
    prefix: &'a str,
    /// Hidden layers so far.
    made: usize,
}

impl Recipe<'_> {
    #[expect(clippy::too_many_arguments, reason = "a layer is its place, shape and distribution")]
    fn hidden(
        &mut self,
        p: &mut Params,
        name: &str,
        position: Position,
        from: i64,
        to: i64,
        usual: &Init,
        rng: &mut Rng,
    ) -> Linear {
        let (index, count) = (self.made, self.config.hidden_layers());
        self.made += 1;
        let chosen = self.config.weight.layers().is_some_and(|l| l.has_hidden(index, count));
        self.layer(p, name, Role::Hidden, position, (from, to), usual, chosen, rng)
    }

    fn head(&self, p: &mut Params, name: &str, to: i64, usual: &Init, rng: &mut Rng) -> Linear {
        let chosen = self.config.weight.layers().is_some_and(WeightLayers::has_heads);
        let shape = (self.config.width, to);
        self.layer(p, name, Role::Output, Position::Output, shape, usual, chosen, rng)
    }

    #[expect(clippy::too_many_arguments, reason = "a layer is its place, shape and distribution")]
    fn layer(
        &self,
        p: &mut Params,
        name: &str,
        role: Role,
        position: Position,
        (fan_in, fan_out): (i64, i64),
        usual: &Init,
        reparametrised: bool,
        rng: &mut Rng,
    ) -> Linear {
        let place = Place { position, fan_in, fan_out, network: p.network() };
        let (weight, bias) = match &self.config.init {
            Some(init) => init.layer(place),
            None => (usual.clone(), Init::Constant(0.0)),
        };
        let name = format!("{}/{name}", self.prefix);
        let layer = Linear::new(p, &name, role, fan_in, fan_out, weight, Some(bias), rng);
        if reparametrised { layer.reparametrised(&self.config.weight, p) } else { layer }
    }

    fn norm(&self, p: &mut Params, name: &str, rng: &mut Rng) -> Option<Arc<dyn Norm>> {
        let name = format!("{}/{name}", self.prefix);
        self.config.norm.build(p, &name, self.config.width, NORM_EPS, rng)
    }
}

struct Block {
    name: String,
    norm: Option<Arc<dyn Norm>>,
    up: Linear,
    down: Linear,
}

/// The network described in the module header.
struct Simba {
    embed: Linear,
    blocks: Vec<Block>,
    activation: ActivationConfig,
    norm: Option<Arc<dyn Norm>>,
    norm_name: String,
    heads: Vec<Linear>,
}

fn normalised(norm: Option<&Arc<dyn Norm>>, fw: &mut Forward<'_>, x: &Tensor) -> Tensor {
    norm.map_or_else(|| x.shallow_clone(), |norm| norm.forward(fw, x))
}

impl Network for Simba {
    fn forward(&self, fw: &mut Forward<'_>, x: &Tensor) -> Vec<Tensor> {
        debug_assert_eq!(x.dim(), 2, "input is [B, D], not {:?}", x.size());
        let mut h = self.embed.forward(fw.params, x); // [B, d]
        for block in &self.blocks {
            let u = normalised(block.norm.as_ref(), fw, &h);
            let u = self.activation.apply(&block.up.forward(fw.params, &u)); // [B, expansion * d]
            fw.record(&format!("{}/up", block.name), self.activation.activity(), &u);
            h = block.down.forward(fw.params, &u) + h;
        }
        let h = normalised(self.norm.as_ref(), fw, &h);
        fw.record(&self.norm_name, Activity::Linear, &h);
        self.heads.iter().map(|head| head.forward(fw.params, &h)).collect()
    }

    fn program(&self, b: &mut ProgramBuilder<'_>, x: Slot) -> Result<Vec<Slot>, String> {
        let mut h = self.embed.program(b, x)?;
        for block in &self.blocks {
            let u = block.norm.as_ref().map_or(Ok(h), |norm| norm.program(b, h))?;
            let u = block.up.program(b, u)?;
            let u = pointwise(b, &self.activation, u)?;
            b.record(&format!("{}/up", block.name), self.activation.activity(), u);
            let u = block.down.program(b, u)?;
            h = b.add(u, h);
        }
        let h = self.norm.as_ref().map_or(Ok(h), |norm| norm.program(b, h))?;
        b.record(&self.norm_name, Activity::Linear, h);
        self.heads.iter().map(|head| head.program(b, h)).collect()
    }
}
