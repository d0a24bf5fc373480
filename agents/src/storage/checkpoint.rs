//! Checkpoints: folders that appear whole or not at all, and are checked before they are trusted.
//!
//! `checkpoints/step-000000010000/` holds `state.json` (counters, generators, actors),
//! `model.safetensors` (parameters, targets, moments, state of interventions), `replay.safetensors`, and
//! `manifest.json` with the size and CRC-32 of each. `evaluating-N.json` and `.safetensors` are weights
//! whose evaluation was not over, for a resume to play. `checkpoints/best-...` has no replay: it is for
//! `supple eval`. Files are written, checked and read in pieces: a replay is never in memory twice.

//!
//! | file | holds |
//! | --- | --- |
//! | `write.rs`, `read.rs` | a checkpoint written, and read back |
//! | `retention.rs` | which checkpoints are kept |
//! | `files.rs` | the names, sizes and checksums of a checkpoint's files |
//! | `folders.rs` | folders that appear and disappear whole |

mod files;
mod folders;
mod read;
mod retention;
mod write;

pub use read::{Checkpoint, read, read_best, read_init, read_newest};
pub use retention::{discard_newer, prune};
pub use write::{Content, settle, write};
