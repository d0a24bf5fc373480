//! One paper's architecture per file.

pub mod mlp;
