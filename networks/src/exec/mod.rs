//! Ways to execute a network other than operation by operation.

pub mod fused_cpu;
