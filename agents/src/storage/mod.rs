//! What lies on disk: run folders, checkpoints, files of tensors.

pub mod checkpoint;
pub mod held;
pub mod provenance;
pub mod run_dir;
pub mod state;
pub mod tensor_file;
