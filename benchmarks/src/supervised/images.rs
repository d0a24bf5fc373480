//! What there is to classify: real images from files, or stand-ins that need no download.

use std::path::PathBuf;

use networks::random::{self, Rng};
use rand::{RngExt, seq::SliceRandom};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::idx;

/// Where images come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ImagesConfig {
    /// Vectors of standard normal numbers, without classes: something to memorise.
    Gaussian {
        /// How many.
        items: usize,
        /// Numbers in each.
        inputs: usize,
    },
    /// Ten classes of black and white pictures of 28 x 28 pixels. Each class has some random blots, its
    /// styles; an image is one of them in which every pixel is turned over with probability `noise`.
    Digits {
        /// How many.
        items: usize,
        /// Blots of each class.
        styles: usize,
        /// Probability that a pixel is turned over.
        noise: f64,
    },
    /// Files as MNIST's, `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`, unpacked; pixels are
    /// divided by 255.
    Idx {
        /// The images.
        images: PathBuf,
        /// Their classes, counted from 0.
        labels: PathBuf,
        /// Only the first so many; 0: all.
        #[serde(default)]
        items: usize,
    },
}

impl ImagesConfig {
    /// # Errors
    /// One sentence about the first value that cannot work.
    pub fn validate(&self) -> Result<(), String> {
        let between = |key: &str, value: usize, least: usize, most: usize| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(format!("images.{key} is {value}; it must be between {least} and {most}"))
        };
        match *self {
            ImagesConfig::Gaussian { items, inputs } => {
                between("items", items, 2, 1 << 20)?;
                between("inputs", inputs, 1, 1 << 12)
            }
            ImagesConfig::Digits { items, styles, noise } => {
                between("items", items, 2, 1 << 18)?;
                between("styles", styles, 1, 1_000)?;
                if (0.0..=0.5).contains(&noise) {
                    return Ok(());
                }
                Err(format!("images.noise is {noise}; it must be between 0 and 0.5"))
            }
            ImagesConfig::Idx { .. } => Ok(()),
        }
    }

    /// A remark for readers of the results, if there is one.
    pub(super) fn remark(&self) -> Option<String> {
        match self {
            ImagesConfig::Idx { .. } => None,
            ImagesConfig::Digits { .. } | ImagesConfig::Gaussian { .. } => Some(
                "the images are generated, a stand-in: numbers do not compare with MNIST's"
                    .to_owned(),
            ),
        }
    }

    /// Draws or reads them.
    ///
    /// # Errors
    /// One sentence about a file that cannot be used.
    pub fn load(&self, rng: &mut Rng) -> Result<Images, String> {
        match self {
            ImagesConfig::Gaussian { items, inputs } => {
                let (n, d) = (*items as i64, *inputs as i64);
                let pixels = random::normal(&[n, d], rng);
                Ok(Images { pixels, labels: None, classes: 0, shape: vec![d] })
            }
            ImagesConfig::Digits { items, styles, noise } => {
                Ok(digits(*items, *styles, *noise, rng))
            }
            ImagesConfig::Idx { images, labels, items } => {
                let (x, y) = (idx::read(images, 3)?, idx::read(labels, 1)?);
                if x.shape[0] != y.shape[0] {
                    return Err(format!(
                        "{} has {} images and {} {} labels; give files that belong together",
                        images.display(),
                        x.shape[0],
                        labels.display(),
                        y.shape[0]
                    ));
                }
                let n = if *items == 0 { x.shape[0] } else { x.shape[0].min(*items) };
                let size = x.shape[1] * x.shape[2];
                let pixels = Tensor::from_slice(&x.data[..n * size]);
                let pixels = pixels.view([n as i64, size as i64]).to_kind(Kind::Float) / 255.0;
                let classes = y.data.iter().max().map_or(0, |&c| i64::from(c) + 1);
                let labels: Vec<i64> = y.data[..n].iter().map(|&c| i64::from(c)).collect();
                let shape = vec![1, x.shape[1] as i64, x.shape[2] as i64];
                Ok(Images { pixels, labels: Some(Tensor::from_slice(&labels)), classes, shape })
            }
        }
    }
}

/// What was drawn or read.
#[derive(Debug)]
pub struct Images {
    /// `[N, D]`
    pub pixels: Tensor,
    /// `[N]`, i64, if they have classes.
    pub labels: Option<Tensor>,
    /// Classes, counted from 0; 0 if they have none.
    pub classes: i64,
    /// Of one image: `[D]` or `[channels, height, width]`.
    pub shape: Vec<i64>,
}

impl Images {
    /// How many.
    pub fn items(&self) -> usize {
        self.pixels.size()[0] as usize
    }
}

const SIDE: usize = 28;
/// Share of the pixels of a blot that are on: about that of written digits.
const INK: f64 = 0.2;

/// Images in order of their classes' draws: class, style, noise.
fn digits(items: usize, styles: usize, noise: f64, rng: &mut Rng) -> Images {
    const CLASSES: usize = 10;
    let blots: Vec<Vec<bool>> = (0..CLASSES * styles).map(|_| blot(rng)).collect();
    let (mut pixels, mut labels) = (Vec::with_capacity(items * SIDE * SIDE), Vec::new());
    for _ in 0..items {
        let which = rng.random_range(0..blots.len());
        labels.push((which % CLASSES) as i64);
        for &on in &blots[which] {
            pixels.push(f32::from(u8::from(on != (rng.random::<f64>() < noise))));
        }
    }
    Images {
        pixels: Tensor::from_slice(&pixels).view([items as i64, (SIDE * SIDE) as i64]),
        labels: Some(Tensor::from_slice(&labels)),
        classes: CLASSES as i64,
        shape: vec![1, SIDE as i64, SIDE as i64],
    }
}

/// Where smoothed noise is highest.
fn blot(rng: &mut Rng) -> Vec<bool> {
    let at = |x: usize, y: usize| y * SIDE + x;
    let mut field = Vec::<f32>::try_from(random::normal(&[(SIDE * SIDE) as i64], rng).view(-1))
        .expect("f32 numbers");
    for _ in 0..3 {
        let old = field.clone();
        for y in 0..SIDE {
            for x in 0..SIDE {
                let (xs, ys) = (
                    x.saturating_sub(2)..(x + 3).min(SIDE),
                    y.saturating_sub(2)..(y + 3).min(SIDE),
                );
                let sum: f32 = ys
                    .clone()
                    .flat_map(|y| xs.clone().map(move |x| (x, y)))
                    .map(|(x, y)| old[at(x, y)])
                    .sum();
                field[at(x, y)] = sum / (xs.len() * ys.len()) as f32;
            }
        }
    }
    let mut sorted = field.clone();
    sorted.sort_by(f32::total_cmp);
    let bound = sorted[((1.0 - INK) * sorted.len() as f64) as usize];
    field.iter().map(|&v| v >= bound).collect()
}

/// Items in random order, over and over: everyone once before anyone again.
#[derive(Debug)]
pub(super) struct Order {
    items: Vec<i64>,
    at: usize,
    rng: Rng,
}

impl Order {
    pub(super) fn new(items: usize, mut rng: Rng) -> Self {
        let items = permutation(items, &mut rng);
        Order { items, at: 0, rng }
    }

    /// The next `n`.
    pub(super) fn next(&mut self, n: usize) -> Vec<i64> {
        let mut out = Vec::with_capacity(n);
        for _ in 0..n {
            if self.at == self.items.len() {
                self.items.shuffle(&mut self.rng);
                self.at = 0;
            }
            out.push(self.items[self.at]);
            self.at += 1;
        }
        out
    }
}

/// `0..n`, shuffled.
pub(super) fn permutation(n: usize, rng: &mut Rng) -> Vec<i64> {
    let mut items: Vec<i64> = (0..n as i64).collect();
    items.shuffle(rng);
    items
}
