//! Supervised streams on which learners lose their plasticity, as runs: a TOML file in, a folder with
//! `config.toml` and `metrics.jsonl` out.
//!
//! | `kind` | file | what changes |
//! | --- | --- | --- |
//! | `bit_flipping` | [`bit_flipping`] with [`scalar`] | slow input bits (Dohare et al. 2024) |
//! | `random_labels` | [`random_labels`] | all labels, which say nothing (Lyle et al. 2023, 2024) |
//! | `permuted_inputs` | [`permuted_inputs`] | the places of pixels (Dohare et al. 2024) |
//!
//! A run is a function of its configuration: all but `wall_s` is the same the next time. Its generators
//! are the streams of its seed that `Draws` names.

mod activation;
pub mod bit_flipping;
mod classifier;
mod folder;
mod follower;
pub mod idx;
pub mod images;
pub mod permuted_inputs;
pub mod random_labels;
mod run;
pub mod scalar;
mod stream_run;

pub use activation::Activation;
pub use bit_flipping::BitFlipping;
pub use folder::{FolderError, RunFolder};
pub use permuted_inputs::PermutedInputs;
pub use random_labels::RandomLabels;
pub use run::{Outcome, RunError, run};
pub use stream_run::{Learner, Length, StreamRun};
