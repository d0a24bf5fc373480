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

use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::{
    arch,
    forward::Forward,
    init::Init,
    layers::{Linear, Norm, NormConfig},
    network::Network,
    neurons::NeuronGroup,
    params::{Params, Role},
    random::Rng,
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
}

impl Default for SimbaConfig {
    /// The critic of the paper's Table 5.
    fn default() -> Self {
        SimbaConfig { width: 512, blocks: 2, expansion: 4 }
    }
}

impl SimbaConfig {
    pub(crate) fn validate(&self) -> Result<(), String> {
        arch::check_trunk(self.width, self.blocks, self.expansion)
    }
}

struct Block {
    name: String,
    norm: Norm,
    up: Linear,
    down: Linear,
}

/// The network described in the module header.
pub struct Simba {
    embed: Linear,
    blocks: Vec<Block>,
    norm: Norm,
    norm_name: String,
    heads: Vec<Linear>,
}

impl Simba {
    /// Parameters are `prefix/embed/{weight,bias}`, `prefix/block_I/{norm/{gain,offset},
    /// up/{weight,bias},down/{weight,bias}}`, `prefix/norm/{gain,offset}` and
    /// `prefix/HEAD/{weight,bias}`.
    pub fn new(
        config: &SimbaConfig,
        p: &mut Params,
        prefix: &str,
        input: i64,
        outputs: &[(&str, i64)],
        rng: &mut Rng,
    ) -> Self {
        let (d, wide) = (config.width, config.expansion * config.width);
        let dense = |p: &mut Params, name: &str, role, from, to, init, rng: &mut Rng| {
            let name = format!("{prefix}/{name}");
            Linear::new(p, &name, role, from, to, init, Some(Init::Constant(0.0)), rng)
        };
        let flat = Init::Orthogonal(1.0);
        let embed = dense(p, "embed", Role::Hidden, input, d, flat, rng);
        let mut blocks = Vec::new();
        for i in 0..config.blocks {
            let part = |part: &str| format!("block_{i}/{part}");
            let name = format!("{prefix}/{}", part("norm"));
            let norm = layer_norm(p, &name, d, rng);
            let up = dense(p, &part("up"), Role::Hidden, d, wide, Init::He, rng);
            let down = dense(p, &part("down"), Role::Hidden, wide, d, Init::He, rng);
            let fed = up.outgoing();
            let layer = format!("{prefix}/{}", part("up"));
            p.add_neurons(NeuronGroup::new(&layer, fed.weight, fed.bias, vec![down.outgoing()]));
            blocks.push(Block { name: format!("{prefix}/block_{i}"), norm, up, down });
        }
        let norm_name = format!("{prefix}/norm");
        let norm = layer_norm(p, &norm_name, d, rng);
        p.in_heads(true);
        let heads = outputs
            .iter()
            .map(|(name, width)| dense(p, name, Role::Output, d, *width, flat, rng))
            .collect();
        p.in_heads(false);
        Simba { embed, blocks, norm, norm_name, heads }
    }
}

fn layer_norm(p: &mut Params, name: &str, width: i64, rng: &mut Rng) -> Norm {
    let config = NormConfig::LayerNorm { affine: true };
    Norm::new(p, name, config, width, NORM_EPS, rng).expect("a norm was asked for")
}

impl Network for Simba {
    fn forward(&self, fw: &mut Forward<'_>, x: &Tensor) -> Vec<Tensor> {
        debug_assert_eq!(x.dim(), 2, "input is [B, D], not {:?}", x.size());
        let p = fw.params;
        let mut h = self.embed.forward(p, x); // [B, d]
        for block in &self.blocks {
            let u = block.up.forward(p, &block.norm.forward(p, &h)).relu(); // [B, expansion * d]
            fw.record(&format!("{}/up", block.name), Activity::Relu, &u);
            h = block.down.forward(p, &u) + h;
        }
        let h = self.norm.forward(p, &h);
        fw.record(&self.norm_name, Activity::Linear, &h);
        self.heads.iter().map(|head| head.forward(p, &h)).collect()
    }
}
