//! Convolutions in front of any other architecture, for inputs that are pictures.
//!
//! ```text
//! x <- picture / divide_by;   x <- relu(conv(x)) per layer;   y <- body(flatten(x))
//! ```
//!
//! Torsos are published ones, without padding. Weights `[out, in, height, width]` and biases are
//! drawn as `torch.nn.Conv2d` does by default, uniform in `1 / sqrt(fan_in)`. Channels are no
//! [`NeuronGroup`](crate::neurons::NeuronGroup): interventions that replace units act in the body alone.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::{
    arch::mlp::MlpConfig,
    forward::Forward,
    init::Init,
    network::{ArchConfig, Network},
    params::{ParamId, Params, Role},
    random::Rng,
    trace::Activity,
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
        ArchConfig::Mlp(MlpConfig { hidden: vec![width], ..MlpConfig::default() })
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
    pub body: Option<Box<ArchConfig>>,
    /// The order of a picture's axes.
    pub channels: Channels,
    /// What inputs are divided by, so that they lie in 0 to 1; `None` leaves them as they are.
    pub divide_by: Option<f64>,
}

impl Default for ConvConfig {
    fn default() -> Self {
        let (torso, channels) = (Torso::Nature, Channels::First);
        ConvConfig { torso, body: None, channels, divide_by: None }
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

impl ConvConfig {
    pub(crate) fn validate(&self) -> Result<(), String> {
        if let Some(divide_by) = self.divide_by.filter(|x| !(*x > 0.0 && x.is_finite())) {
            return Err(format!("divide_by is {divide_by}; it must be greater than 0"));
        }
        match self.body.as_deref() {
            None => Ok(()),
            Some(ArchConfig::Conv(_)) => Err("body.kind is \"conv\", which the torso is already; \
                                              give \"mlp\", \"simba\" or \"simba_v2\""
                .to_owned()),
            Some(body) => body.validate().map_err(|e| format!("body.{e}")),
        }
    }

    /// Puts the numbers there that were left to the run; `high` is the largest input there is.
    pub(crate) fn resolve(&mut self, high: f64) {
        self.divide_by.get_or_insert(high);
        self.body.get_or_insert_with(|| Box::new(self.torso.body()));
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
    weight: ParamId,
    bias: ParamId,
    stride: i64,
}

/// The network described in the module header.
pub struct Conv {
    picture: Picture,
    last: bool,
    divide_by: f64,
    layers: Vec<Layer>,
    body: Arc<dyn Network>,
}

impl Conv {
    /// Parameters are `prefix/conv_I/{weight,bias}`, then those of the body.
    ///
    /// # Errors
    /// One sentence when the input has another shape than pictures have, or is too small.
    pub fn new(
        config: &ConvConfig,
        p: &mut Params,
        prefix: &str,
        input: &[i64],
        outputs: &[(&str, i64)],
        rng: &mut Rng,
    ) -> Result<Self, String> {
        let picture = config.picture(input)?;
        let mut channels = picture.frames * picture.channels;
        let mut layers = Vec::new();
        for (i, Shape { channels: out, kernel, stride }) in config.torso.layers().iter().enumerate()
        {
            let name = format!("{prefix}/conv_{i}");
            let shape = [*out, channels, *kernel, *kernel];
            let weight =
                p.add(format!("{name}/weight"), Role::Hidden, &shape, Init::TorchDefault, rng);
            let fan_in = (channels * kernel * kernel) as f64;
            let law = Init::Uniform(fan_in.sqrt().recip());
            let bias = p.add(format!("{name}/bias"), Role::Bias, &[*out], law, rng);
            layers.push(Layer { name, weight, bias, stride: *stride });
            channels = *out;
        }
        let torso = config.torso;
        let features = channels * torso.left(picture.height) * torso.left(picture.width);
        let body = config.body.as_deref().cloned().unwrap_or_else(|| torso.body());
        let body = body.build(p, prefix, &[features], outputs, rng)?;
        let divide_by = config.divide_by.unwrap_or(1.0);
        let last = config.channels == Channels::Last;
        Ok(Conv { picture, last, divide_by, layers, body })
    }

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
            let (weight, bias) = (fw.params.get(layer.weight), fw.params.get(layer.bias));
            let strides = [layer.stride; 2];
            x = x.conv2d(weight, Some(bias), strides, [0, 0], [1, 1], 1).relu(); // [B, out, h, w]
            fw.record(&layer.name, Activity::Relu, &x);
        }
        self.body.forward(fw, &x.flatten(1, -1))
    }
}
