//! `kind = "random_labels"`: memorising labels that say nothing of the images and are resampled in every
//! task, at the reduced scale of Lyle et al. 2024 (arXiv 2407.01800) and Lyle et al. 2023 (arXiv 2303.01486).
//! A network that keeps its plasticity memorises the last labels as fast as the first.

use agents::algorithms::network::{NetworkConfig, validate_network};
use networks::{arch::mlp::MlpConfig, network::ArchConfig, optim::OptimConfig};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{
    classifier::{Classifier, check_sizes},
    follower::{Draws, Follower},
    images::{Images, ImagesConfig, Order},
};

/// A run. Measures of its rows, over the examples since the row before:
///
/// | tag | what |
/// | --- | --- |
/// | `stream/accuracy` | share of examples whose label was right before the update on them |
/// | `stream/final_accuracy` | at the end of a task, share of all images whose label is right |
/// | `stream/idle_units`, `stream/dead_units`, `stream/effective_rank`, `stream/weight_magnitude`, `stream/replaced_units` | at the row, on the first 512 images |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandomLabels {
    /// Seed of every random number. Images and labels are the same for all learners.
    pub seed: u64,
    /// Examples that are learned from, each image as often as it comes.
    pub examples: u64,
    /// Examples of the stream that went by before the first of them.
    pub example_offset: u64,
    /// Examples between two rows of metrics.
    pub log_every_examples: u64,
    /// Examples of a task: between two draws of all labels.
    pub task_examples: u64,
    /// Examples of an update.
    pub batch_size: u64,
    /// Different labels.
    pub classes: i64,
    /// What is labelled.
    pub images: ImagesConfig,
    /// The learner.
    pub network: NetworkConfig,
}

impl Default for RandomLabels {
    fn default() -> Self {
        RandomLabels {
            seed: 1,
            examples: 1_600_000,
            example_offset: 0,
            log_every_examples: 4_000,
            task_examples: 16_000,
            batch_size: 32,
            classes: 10,
            images: ImagesConfig::Gaussian { items: 640, inputs: 64 },
            network: NetworkConfig {
                arch: ArchConfig::from(MlpConfig {
                    hidden: vec![100, 100],
                    ..MlpConfig::default()
                }),
                optim: OptimConfig { lr: 1e-3, ..OptimConfig::default() },
                interventions: Vec::new(),
            },
        }
    }
}

impl RandomLabels {
    pub(super) fn validate(&self) -> Result<(), String> {
        if !(2..=65_536).contains(&self.classes) {
            return Err(format!("classes is {}; it must be between 2 and 65536", self.classes));
        }
        check_sizes(self.task_examples, self.log_every_examples, self.batch_size)?;
        self.images.validate()?;
        validate_network("network", &self.network)
    }
}

/// Images that measures look at.
const PROBE: i64 = 512;

pub(super) struct Run {
    config: RandomLabels,
    images: Images,
    classifier: Classifier,
    seen: u64,
    task: Option<Task>,
}

struct Task {
    index: u64,
    labels: Tensor,
    order: Order,
}

impl Run {
    pub(super) fn new(c: &RandomLabels) -> Result<Self, String> {
        let images = c.images.load(&mut Draws::Data.of(c.seed))?;
        let learner = Draws::Learner.of(c.seed);
        let classifier = Classifier::new(&c.network, &images.shape, c.classes, learner)?;
        Ok(Run { config: c.clone(), images, classifier, seen: 0, task: None })
    }
}

impl Follower for Run {
    fn follow(&mut self, examples: u64) -> Result<Vec<(&'static str, f64)>, String> {
        let c = &self.config;
        let items = self.images.items();
        let (mut left, mut right) = (examples, 0);
        while left > 0 {
            let now = c.example_offset + self.seen;
            let index = now / c.task_examples;
            let task = match self.task.take() {
                Some(task) if task.index == index => task,
                _ => {
                    let mut rng = Draws::Task(index).of(c.seed);
                    let labels: Vec<i64> =
                        (0..items).map(|_| rng.random_range(0..c.classes)).collect();
                    let order = Order::new(items, Draws::Order(index).of(c.seed));
                    Task { index, labels: Tensor::from_slice(&labels), order }
                }
            };
            let task = self.task.insert(task);
            let n = c.batch_size.min(left).min((index + 1) * c.task_examples - now);
            let rows = Tensor::from_slice(&task.order.next(n as usize));
            let (x, y) =
                (self.images.pixels.index_select(0, &rows), task.labels.index_select(0, &rows));
            right += self.classifier.learn(&x, &y, index, self.seen)?;
            self.seen += n;
            left -= n;
        }
        let mut row = vec![("stream/accuracy", right as f64 / examples as f64)];
        if let Some(task) = &self.task
            && (c.example_offset + self.seen).is_multiple_of(c.task_examples)
        {
            let accuracy = self.classifier.accuracy(&self.images.pixels, &task.labels);
            row.push(("stream/final_accuracy", accuracy));
        }
        let probe = self.images.pixels.narrow(0, 0, PROBE.min(items as i64));
        row.extend(self.classifier.measures(&probe));
        Ok(row)
    }
}
