//! `kind = "permuted_inputs"`: images of ten classes, one after the other, whose pixels change places in
//! every task (Online Permuted MNIST of Dohare et al. 2024, Nature 632: 800 tasks of all 60 000 images in
//! random order, one at a time; their permutations compose, which has the same distribution).

use agents::algorithms::network::{NetworkConfig, validate_network};
use networks::{
    arch::mlp::MlpConfig,
    init::He,
    network::ArchConfig,
    optim::{OptimConfig, Sgd},
};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{
    classifier::{Classifier, check_sizes},
    follower::{Draws, Follower},
    images::{Images, ImagesConfig, Order, permutation},
};

/// A run. Measures of its rows, over the examples since the row before:
///
/// | tag | what |
/// | --- | --- |
/// | `stream/accuracy` | share of images whose class was right before the update on them |
/// | `stream/idle_units`, `stream/dead_units`, `stream/effective_rank`, `stream/weight_magnitude`, `stream/replaced_units` | at the row, on the first 1000 images as the task has them |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PermutedInputs {
    /// Seed of every random number. Images, orders and permutations are the same for all learners.
    pub seed: u64,
    /// Examples that are learned from.
    pub examples: u64,
    /// Examples of the stream that went by before the first of them.
    pub example_offset: u64,
    /// Examples between two rows of metrics.
    pub log_every_examples: u64,
    /// Examples of a task: between two draws of the permutation.
    pub task_examples: u64,
    /// Examples of an update.
    pub batch_size: u64,
    /// What is classified.
    pub images: ImagesConfig,
    /// The learner.
    pub network: NetworkConfig,
}

/// The paper's narrowest network on shorter tasks, with eight images an update and ten times its step size.
impl Default for PermutedInputs {
    fn default() -> Self {
        let hidden = vec![100, 100, 100];
        let mlp = MlpConfig { hidden, init: He {}.into(), ..MlpConfig::default() };
        PermutedInputs {
            seed: 1,
            examples: 1_000_000,
            example_offset: 0,
            log_every_examples: 10_000,
            task_examples: 10_000,
            batch_size: 8,
            images: ImagesConfig::Digits { items: 10_000, styles: 3, noise: 0.2 },
            network: NetworkConfig {
                arch: ArchConfig::from(mlp),
                optim: OptimConfig::new(Sgd::default(), 0.03),
                interventions: Vec::new(),
            },
        }
    }
}

impl PermutedInputs {
    pub(super) fn validate(&self) -> Result<(), String> {
        if let ImagesConfig::Gaussian { .. } = self.images {
            return Err("images.kind is gaussian, which has no classes; give digits or idx".into());
        }
        check_sizes(self.task_examples, self.log_every_examples, self.batch_size)?;
        self.images.validate()?;
        validate_network("network", &self.network)
    }
}

/// Images that measures look at. (The paper: 2000.)
const PROBE: i64 = 1_000;

pub(super) struct Run {
    config: PermutedInputs,
    images: Images,
    labels: Tensor,
    classifier: Classifier,
    seen: u64,
    task: Option<Task>,
}

struct Task {
    index: u64,
    places: Tensor,
    order: Order,
}

impl Run {
    pub(super) fn new(c: &PermutedInputs) -> Result<Self, String> {
        let mut images = c.images.load(&mut Draws::Data.of(c.seed))?;
        let labels = images.labels.take().ok_or("the images have no classes")?;
        let learner = Draws::Learner.of(c.seed);
        let classifier = Classifier::new(&c.network, &images.shape, images.classes, learner)?;
        Ok(Run { config: c.clone(), images, labels, classifier, seen: 0, task: None })
    }
}

impl Follower for Run {
    fn follow(&mut self, examples: u64) -> Result<Vec<(&'static str, f64)>, String> {
        let c = &self.config;
        let items = self.images.items();
        let pixels = &self.images.pixels;
        let (mut left, mut right) = (examples, 0);
        while left > 0 {
            let now = c.example_offset + self.seen;
            let index = now / c.task_examples;
            let task = match self.task.take() {
                Some(task) if task.index == index => task,
                _ => {
                    let size = pixels.size()[1] as usize;
                    let places = permutation(size, &mut Draws::Task(index).of(c.seed));
                    let order = Order::new(items, Draws::Order(index).of(c.seed));
                    Task { index, places: Tensor::from_slice(&places), order }
                }
            };
            let task = self.task.insert(task);
            let n = c.batch_size.min(left).min((index + 1) * c.task_examples - now);
            let rows = Tensor::from_slice(&task.order.next(n as usize));
            let x = pixels.index_select(0, &rows).index_select(1, &task.places); // [B, D]
            right +=
                self.classifier.learn(&x, &self.labels.index_select(0, &rows), index, self.seen)?;
            self.seen += n;
            left -= n;
        }
        let mut row = vec![("stream/accuracy", right as f64 / examples as f64)];
        if let Some(task) = &self.task {
            let probe = pixels.narrow(0, 0, PROBE.min(items as i64)).index_select(1, &task.places);
            row.extend(self.classifier.measures(&probe));
        }
        Ok(row)
    }
}
