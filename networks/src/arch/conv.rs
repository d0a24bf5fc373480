//! Convolutions in front of any other architecture, for inputs that are pictures.
//!
//! ```text
//! x <- picture / divide_by;   x <- relu(norm(conv(x))) per layer;   y <- body(flatten(x))
//! ```
//!
//! Torsos are published ones, without padding and norms. Weights `[out, in, height, width]` and biases are
//! drawn as `torch.nn.Conv2d` does by default, uniform in `1 / sqrt(fan_in)`. The keys `activation`, `norm`, `init` and
//! `weight` are those of the convolutions; the body has its own. Channels are no
//! [`NeuronGroup`](crate::neurons::NeuronGroup): interventions that replace units act in the body alone.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::mlp::MlpConfig;
use crate::{
    forward::Forward,
    init::{InitConfig, Place, Position, TorchDefault},
    layers::{
        Conv2d,
        activation::{ActivationConfig, Relu},
        norm::{NoNorm, Norm, NormConfig},
        reparam::{ReparamConfig, Stored, WeightLayers},
    },
    network::{ArchConfig, ArchSettings, Network},
    params::{Params, Role},
    random::Rng,
    registry::Part,
};

/// The published convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Torso {
    /// DQN on Atari (Mnih et al. 2015, Methods).
    Nature,
    /// The smaller network of IMPALA (Espeholt et al. 2018, arXiv 1802.01561, figure 3 left),
    /// without its LSTM.
    ImpalaSmall,
    /// `MinAtar` (Young & Tian 2019, arXiv 1903.03176, section 4).
    Minatar,
}

/// One convolution of a torso.
struct Shape {
    channels: i64,
    kernel: i64,
    stride: i64,
}

const fn shape(channels: i64, kernel: i64, stride: i64) -> Shape {
    Shape { channels, kernel, stride }
}

impl Torso {
    fn layers(self) -> &'static [Shape] {
        match self {
            Torso::Nature => const { &[shape(32, 8, 4), shape(64, 4, 2), shape(64, 3, 1)] },
            Torso::ImpalaSmall => const { &[shape(16, 8, 4), shape(32, 4, 2)] },
            Torso::Minatar => const { &[shape(16, 3, 1)] },
        }
    }

    /// What follows the convolutions in the paper.
    fn body(self) -> ArchConfig {
        let width = match self {
            Torso::Nature => 512,
            Torso::ImpalaSmall => 256,
            Torso::Minatar => 128,
        };
        MlpConfig { hidden: vec![width], ..MlpConfig::default() }.into()
    }

    /// The least height and width that leave one position in the end.
    fn least(self) -> i64 {
        self.layers().iter().rev().fold(1, |size, l| (size - 1) * l.stride + l.kernel)
    }

    /// What is left of a height or width.
    fn left(self, size: i64) -> i64 {
        self.layers().iter().fold(size, |size, l| (size - l.kernel) / l.stride + 1)
    }
}

/// Where the channels of a picture are among its axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channels {
    /// `[C, H, W]`
    First,
    /// `[H, W, C]`
    Last,
}

/// `[agent.*.arch]` with `kind = "conv"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConvConfig {
    /// The convolutions.
    pub torso: Torso,
    /// What follows them: any architecture but this one; `None` takes the MLP of the torso's paper.
    pub body: Option<ArchConfig>,
    /// The order of a picture's axes.
    pub channels: Channels,
    /// What inputs are divided by, so that they lie in 0 to 1; `None` leaves them as they are.
    pub divide_by: Option<f64>,
    /// Nonlinearity after each convolution.
    pub activation: ActivationConfig,
    /// Normalisation before each nonlinearity.
    pub norm: NormConfig,
    /// Distribution of the initial kernels and biases.
    pub init: InitConfig,
    /// What convolutions take in place of their kernels.
    pub weight: ReparamConfig,
}

impl Default for ConvConfig {
    fn default() -> Self {
        ConvConfig {
            torso: Torso::Nature,
            body: None,
            channels: Channels::First,
            divide_by: None,
            activation: Relu {}.into(),
            norm: NoNorm {}.into(),
            init: TorchDefault {}.into(),
            weight: Stored {}.into(),
        }
    }
}

/// Frames, channels, height and width of an input.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Picture {
    frames: i64,
    channels: i64,
    height: i64,
    width: i64,
}

impl Part for ConvConfig {
    type Family = dyn ArchSettings;

    const KIND: &'static str = "conv";
    const SUMMARY: &'static str = "convolutions in front of any other architecture, for pictures";
    const SOURCE: &'static str = "Mnih et al. 2015; Espeholt et al. 2018; Young & Tian 2019";
    const REFUSES: &'static [(&'static str, &'static str)] = &[
        ("hidden", "what follows the convolutions is `body`, and `hidden` is a key of it"),
        ("norm_after_activation", "a convolution's norm stands before its nonlinearity"),
        ("norm_input", "pixels are scaled by `divide_by`"),
        ("bias", "every convolution has one"),
    ];
}

impl ArchSettings for ConvConfig {
    fn validate(&self) -> Result<(), String> {
        if let Some(divide_by) = self.divide_by.filter(|x| !(*x > 0.0 && x.is_finite())) {
            return Err(format!("divide_by is {divide_by}; it must be greater than 0"));
        }
        self.activation.validate().map_err(|e| format!("activation.{e}"))?;
        self.norm.validate().map_err(|e| format!("norm.{e}"))?;
        self.init.validate().map_err(|e| format!("init.{e}"))?;
        self.check_weight()?;
        match self.body.as_ref() {
            None => Ok(()),
            Some(body) if body.takes_pictures() => Err(format!(
                "body.kind is \"{}\", which takes pictures, and the torso makes flat features of them; give \"mlp\", \
                 \"simba\" or \"simba_v2\"",
                body.kind()
            )),
            Some(body) => body.validate().map_err(|e| format!("body.{e}")),
        }
    }

    /// Parameters are `prefix/conv_I/{weight,bias}` and `prefix/conv_norm_I/{gain,offset}`, then those of the body.
    fn assemble(
        &self,
        p: &mut Params,
        prefix: &str,
        input: &[i64],
        outputs: &[(&str, i64)],
        rng: &mut Rng,
    ) -> Result<Arc<dyn Network>, String> {
        let picture = self.picture(input)?;
        let shapes = self.torso.layers();
        let mut channels = picture.frames * picture.channels;
        let mut layers = Vec::new();
        for (i, &Shape { channels: out, kernel, stride }) in shapes.iter().enumerate() {
            let name = format!("{prefix}/conv_{i}");
            let draws = self.init.layer(Place {
                position: Position::Hidden,
                fan_in: channels * kernel * kernel,
                fan_out: out,
                network: p.network(),
            });
            let role = if self.norm.is_none() { Role::Hidden } else { Role::ScaleInvariant };
            let shape = [out, channels, kernel, kernel];
            let mut conv = Conv2d::new(p, &name, role, shape, stride, draws, rng);
            if self.weight.layers().is_some_and(|l| l.has_hidden(i, shapes.len())) {
                conv = conv.reparametrised(&self.weight, p);
            }
            let norm = self.norm.build(p, &format!("{prefix}/conv_norm_{i}"), out, NORM_EPS, rng);
            layers.push(Layer { name, conv, norm });
            channels = out * self.activation.outputs_per_unit();
        }
        let features = channels * self.torso.left(picture.height) * self.torso.left(picture.width);
        let body = self.body.clone().unwrap_or_else(|| self.torso.body());
        let body = body.assemble_checked(p, prefix, &[features], outputs, rng)?;
        Ok(Arc::new(Conv {
            picture,
            last: self.channels == Channels::Last,
            divide_by: self.divide_by.unwrap_or(1.0),
            activation: self.activation.clone(),
            layers,
            body,
        }))
    }

    /// The picture decides.
    fn ends(&self) -> (Option<i64>, Option<i64>) {
        (Some(1), None)
    }

    fn resolved(&self, high: f64) -> Option<ArchConfig> {
        let mut config = self.clone();
        config.divide_by.get_or_insert(high);
        config.body.get_or_insert_with(|| self.torso.body());
        Some(config.into())
    }

    fn takes_pictures(&self) -> bool {
        true
    }
}

/// PyTorch's default.
const NORM_EPS: f64 = 1e-5;

impl ConvConfig {
    fn check_weight(&self) -> Result<(), String> {
        self.weight.validate().map_err(|e| format!("weight.{e}"))?;
        let Some(layers) = self.weight.layers() else { return Ok(()) };
        if !self.norm.is_none() {
            return Err(format!(
                "weight.kind = \"{}\" does nothing on convolutions with a norm, which takes the scale of their weights \
                 away; leave out one of the two",
                self.weight.kind()
            ));
        }
        if layers == WeightLayers::Heads {
            return Err("weight.layers is \"heads\", and the heads belong to the body; give it in body.weight".to_owned());
        }
        layers.check(self.torso.layers().len(), false).map_err(|e| format!("weight.{e}"))
    }

    /// How an input of this shape is a picture, large enough for the torso.
    fn picture(&self, input: &[i64]) -> Result<Picture, String> {
        let last = self.channels == Channels::Last;
        let (frames, channels, height, width) = match *input {
            [h, w] => (1, 1, h, w),
            [h, w, c] if last => (1, c, h, w),
            [k, h, w, c] if last => (k, c, h, w),
            [c, h, w] => (1, c, h, w),
            [k, c, h, w] => (k, c, h, w),
            _ => {
                return Err(format!(
                    "kind = \"conv\" takes pictures and the input has the shape {input:?}; give it \
                     [H, W], [C, H, W] or a stack of them (channels = \"last\": [H, W, C]), or take \
                     another kind"
                ));
            }
        };
        let least = self.torso.least();
        if height < least || width < least {
            return Err(format!(
                "the input has the shape {input:?}, pictures of {height}x{width}, and this torso \
                 needs at least {least}x{least}; take a torso for smaller ones, or see whether \
                 `channels` fits"
            ));
        }
        Ok(Picture { frames, channels, height, width })
    }
}

struct Layer {
    name: String,
    conv: Conv2d,
    norm: Option<Arc<dyn Norm>>,
}

/// The network described in the module header.
struct Conv {
    picture: Picture,
    last: bool,
    divide_by: f64,
    activation: ActivationConfig,
    layers: Vec<Layer>,
    body: Arc<dyn Network>,
}

impl Conv {
    /// `[B, D] -> [B, K * C, H, W]`
    fn pictures(&self, x: &Tensor) -> Tensor {
        let Picture { frames, channels, height, width } = self.picture;
        let flat = [-1, frames * channels, height, width];
        if !self.last {
            return x.reshape(flat);
        }
        let x = x.reshape([-1, frames, height, width, channels]);
        x.permute([0, 1, 4, 2, 3]).reshape(flat)
    }
}

impl Network for Conv {
    fn forward(&self, fw: &mut Forward<'_>, x: &Tensor) -> Vec<Tensor> {
        debug_assert_eq!(x.dim(), 2, "input is [B, D], not {:?}", x.size());
        let mut x = self.pictures(x) / self.divide_by; // [B, K * C, H, W]
        for layer in &self.layers {
            x = layer.conv.forward(fw.params, &x); // [B, out, h, w]
            if let Some(norm) = &layer.norm {
                x = norm.forward(fw, &x);
            }
            x = self.activation.apply(&x);
            fw.record(&layer.name, self.activation.activity(), &x);
        }
        self.body.forward(fw, &x.flatten(1, -1))
    }
}
