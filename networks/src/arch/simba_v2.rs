//! SimbaV2 (Lee et al. 2025, arXiv 2502.15280, section 4): features and weights live on unit
//! spheres.
//!
//! ```text
//! embed    x <- l2([x, shift]);  h <- l2(scaler(W x))
//! block    u <- relu(scaler(W1 h)) + relu_eps;  u <- l2(W2 u);  h <- l2(h + alpha * (u - h))
//! head     y <- W2 scaler(W1 h) + b
//! ```
//!
//! Every `W` is a [`HypersphericalLinear`]: rows of unit norm, put back after every optimiser step. Scalers and
//! `alpha` are [`Scaler`]s and free. Input normalisation by running moments happens outside, before
//! the network. Constants are those of the official code; where the paper's text differs there is a
//! key for it, and `docs/simba_v2.md` has the table.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::trunk::check_trunk;
use crate::{
    exec::fused_cpu::{Pointwise, ProgramBuilder, Slot},
    forward::Forward,
    layers::{HypersphericalLinear, Scaler, l2_normalize, l2_program},
    network::{ArchSettings, Network},
    neurons::NeuronGroup,
    params::Params,
    random::Rng,
    registry::Part,
    trace::Activity,
};

/// `[agent.*.arch]` with `kind = "simba_v2"`. `None` takes the paper's formula of `width` and
/// `blocks`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimbaV2Config {
    /// Width `d` of the features.
    pub width: i64,
    /// Residual blocks `L`.
    pub blocks: i64,
    /// Hidden width of a block, in multiples of `width`.
    pub expansion: i64,
    /// The constant appended to the input before it is normalised, which keeps its magnitude.
    pub shift: f64,
    /// Starting value of the embedder's and the blocks' scalers; `sqrt(2 / width)`. Blocks divide
    /// it, and `scaler_scale`, by `sqrt(expansion)`.
    pub scaler_init: Option<f64>,
    /// Stored starting value of the same scalers: `init / scale` multiplies their learning rate;
    /// `sqrt(2 / width)`.
    pub scaler_scale: Option<f64>,
    /// Starting weight of a block against its input; `1 / (blocks + 1)`.
    pub alpha_init: Option<f64>,
    /// Stored starting value of that weight; `1 / sqrt(width)`.
    pub alpha_scale: Option<f64>,
    /// Starting value of the heads' scalers.
    pub head_init: f64,
    /// Stored starting value of the heads' scalers.
    pub head_scale: f64,
    /// Added after a block's ReLU, so that a sample with no active unit has a direction.
    pub relu_eps: f64,
}

impl Default for SimbaV2Config {
    /// The critic of Table 3.
    fn default() -> Self {
        SimbaV2Config {
            width: 512,
            blocks: 2,
            expansion: 4,
            shift: 3.0,
            scaler_init: None,
            scaler_scale: None,
            alpha_init: None,
            alpha_scale: None,
            head_init: 1.0,
            head_scale: 1.0,
            relu_eps: 1e-8,
        }
    }
}

impl Part for SimbaV2Config {
    type Family = dyn ArchSettings;

    const KIND: &'static str = "simba_v2";
    const SUMMARY: &'static str = "residual blocks with features and weights on unit spheres";
    const SOURCE: &'static str = "Lee et al. 2025, arXiv 2502.15280";
    const REFUSES: &'static [(&'static str, &'static str)] = &[
        ("activation", "the blocks' scalers and `relu_eps` are made for ReLU"),
        ("norm", "features are normalised already, to unit length"),
        ("norm_after_activation", "features are normalised already, to unit length"),
        ("norm_input", "the input is normalised already, to unit length"),
        ("init", "rows of weights start on the unit sphere"),
        (
            "weight",
            "rows of weights have unit length, and any function of them would leave the sphere",
        ),
        ("bias", "its layers have none but the heads"),
    ];
}

impl ArchSettings for SimbaV2Config {
    fn validate(&self) -> Result<(), String> {
        check_trunk(self.width, self.blocks, self.expansion)?;
        for (key, value) in [
            ("scaler_init", self.scaler_init),
            ("scaler_scale", self.scaler_scale),
            ("alpha_init", self.alpha_init),
            ("alpha_scale", self.alpha_scale),
            ("head_init", Some(self.head_init)),
            ("head_scale", Some(self.head_scale)),
        ] {
            if let Some(value) = value.filter(|v| !(*v > 0.0 && v.is_finite())) {
                return Err(format!("{key} is {value}; it must be greater than 0"));
            }
        }
        for (key, value) in [("shift", self.shift), ("relu_eps", self.relu_eps)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(format!("{key} is {value}; it must be at least 0"));
            }
        }
        Ok(())
    }

    fn assemble(
        &self,
        p: &mut Params,
        prefix: &str,
        input: &[i64],
        outputs: &[(&str, i64)],
        rng: &mut Rng,
    ) -> Result<Arc<dyn Network>, String> {
        Ok(Arc::new(SimbaV2::new(self, p, prefix, input.iter().product(), outputs, rng)))
    }

    fn ends(&self) -> (Option<i64>, Option<i64>) {
        (Some(self.width), Some(self.width))
    }
}

/// `d -> expansion * d -> d`, and the step of size `alpha` towards the result.
struct Block {
    name: String,
    up: HypersphericalLinear,
    scaler: Scaler,
    down: HypersphericalLinear,
    alpha: Scaler,
}

struct Head {
    hidden: HypersphericalLinear,
    scaler: Scaler,
    out: HypersphericalLinear,
}

/// The network described in the module header.
struct SimbaV2 {
    name: String,
    shift: f64,
    relu_eps: f64,
    embed: HypersphericalLinear,
    embed_scaler: Scaler,
    blocks: Vec<Block>,
    heads: Vec<Head>,
}

impl SimbaV2 {
    /// Parameters are `prefix/embed/{weight,scaler}`, `prefix/block_I/{up/weight,scaler,down/weight,
    /// alpha}` and `prefix/HEAD/{hidden/weight,scaler,out/weight,out/bias}`.
    fn new(
        config: &SimbaV2Config,
        p: &mut Params,
        prefix: &str,
        input: i64,
        outputs: &[(&str, i64)],
        rng: &mut Rng,
    ) -> Self {
        let (c, d) = (config, config.width);
        let sphere = (2.0 / d as f64).sqrt();
        let (init, scale) = (c.scaler_init.unwrap_or(sphere), c.scaler_scale.unwrap_or(sphere));
        let alpha_init = c.alpha_init.unwrap_or(1.0 / (c.blocks + 1) as f64);
        let alpha_scale = c.alpha_scale.unwrap_or(1.0 / (d as f64).sqrt());
        let (wide, root) = (c.expansion * d, (c.expansion as f64).sqrt());

        let name = format!("{prefix}/embed");
        let embed = HypersphericalLinear::new(p, &name, input + 1, d, false, rng);
        let embed_scaler = Scaler::new(p, &format!("{name}/scaler"), d, init, scale, rng);
        let blocks = (0..c.blocks)
            .map(|i| {
                let name = format!("{prefix}/block_{i}");
                let part = |part: &str| format!("{name}/{part}");
                let up = HypersphericalLinear::new(p, &part("up"), d, wide, false, rng);
                let scaler = &part("scaler");
                let scaler = Scaler::new(p, scaler, wide, init / root, scale / root, rng);
                let down = HypersphericalLinear::new(p, &part("down"), wide, d, false, rng);
                let alpha = Scaler::new(p, &part("alpha"), d, alpha_init, alpha_scale, rng);
                let (layer, fed) = (part("up"), up.outgoing().weight);
                p.add_neurons(NeuronGroup::new(&layer, fed, [scaler.id()], vec![down.outgoing()]));
                Block { name, up, scaler, down, alpha }
            })
            .collect();
        p.in_heads(true);
        let heads = outputs
            .iter()
            .map(|(head, width)| {
                let part = |part: &str| format!("{prefix}/{head}/{part}");
                Head {
                    hidden: HypersphericalLinear::new(p, &part("hidden"), d, d, false, rng),
                    scaler: Scaler::new(p, &part("scaler"), d, c.head_init, c.head_scale, rng),
                    out: HypersphericalLinear::new(p, &part("out"), d, *width, true, rng),
                }
            })
            .collect();
        p.in_heads(false);
        let (shift, relu_eps) = (c.shift, c.relu_eps);
        SimbaV2 { name, shift, relu_eps, embed, embed_scaler, blocks, heads }
    }

    /// `[B, input] -> [B, d]`, rows on the unit sphere.
    fn embed(&self, fw: &mut Forward<'_>, x: &Tensor) -> Tensor {
        let p = fw.params;
        let shift = Tensor::full([x.size()[0], 1], self.shift, (x.kind(), x.device()));
        let x = l2_normalize(&Tensor::cat(&[x, &shift], 1)); // [B, input + 1]
        let h = l2_normalize(&self.embed_scaler.forward(p, &self.embed.forward(p, &x)));
        fw.record(&self.name, Activity::Linear, &h);
        h
    }

    /// `[B, d] -> [B, d]`, rows on the unit sphere.
    fn block(&self, block: &Block, fw: &mut Forward<'_>, x: &Tensor) -> Tensor {
        let p = fw.params;
        let u = block.scaler.forward(p, &block.up.forward(p, x)); // [B, expansion * d]
        let u = u.relu();
        fw.record(&format!("{}/up", block.name), Activity::Relu, &u);
        let u = l2_normalize(&block.down.forward(p, &(u + self.relu_eps))); // [B, d]
        let y = l2_normalize(&(x + block.alpha.forward(p, &(u - x))));
        fw.record(&block.name, Activity::Linear, &y);
        y
    }
}

impl Network for SimbaV2 {
    fn forward(&self, fw: &mut Forward<'_>, x: &Tensor) -> Vec<Tensor> {
        debug_assert_eq!(x.dim(), 2, "input is [B, D], not {:?}", x.size());
        let mut h = self.embed(fw, x);
        for block in &self.blocks {
            h = self.block(block, fw, &h);
        }
        let p = fw.params;
        let head =
            |head: &Head| head.out.forward(p, &head.scaler.forward(p, &head.hidden.forward(p, &h)));
        self.heads.iter().map(head).collect()
    }

    fn program(&self, b: &mut ProgramBuilder<'_>, x: Slot) -> Result<Vec<Slot>, String> {
        let x = b.append(x, self.shift);
        let x = l2_program(b, x);
        let x = self.embed.program(b, x);
        let x = self.embed_scaler.program(b, x);
        let mut h = l2_program(b, x);
        b.record(&self.name, Activity::Linear, h);
        for block in &self.blocks {
            let u = block.up.program(b, h);
            let u = block.scaler.program(b, u);
            let u = b.pointwise(u, Pointwise::Relu);
            b.record(&format!("{}/up", block.name), Activity::Relu, u);
            let u = b.pointwise(u, Pointwise::Plus(self.relu_eps));
            let u = block.down.program(b, u);
            let u = l2_program(b, u);
            let y = block.alpha.program_between(b, h, u);
            h = l2_program(b, y);
            b.record(&block.name, Activity::Linear, h);
        }
        let head = |head: &Head| {
            let y = head.hidden.program(b, h);
            let y = head.scaler.program(b, y);
            head.out.program(b, y)
        };
        Ok(self.heads.iter().map(head).collect())
    }
}
