//! Forward and backward passes on the CPU without autograd: networks as plans over preallocated buffers.
//!
//! Layers tell what they compute ([`Program`]); a [`Plan`] has buffers for it and computes it. Parameters stay in the
//! tensors of [`Params`](crate::params::Params): a plan reads them there and keeps copies of weights only in the order in
//! which products read them. Results have the same bits for every number of threads ([`Team`]) and every instruction set
//! ([`Isa`]): every sum is made in one order.
//!
//! It is unsafe code, and only this folder and `fused.rs` are: kernels work on raw memory. What they may touch is fixed
//! where a plan is made, and which rows a thread may touch is a value of its own ([`Rows`]).
#![allow(unsafe_code, reason = "vector kernels on raw memory")]
#![allow(clippy::missing_safety_doc, reason = "`Lanes` says it once for all of its methods")]
#![allow(
    clippy::inline_always,
    reason = "kernels must become part of a function with their instructions"
)]
#![allow(clippy::return_self_not_must_use, reason = "arithmetic of `Lanes`, inside kernels only")]
#![allow(clippy::undocumented_unsafe_blocks, reason = "bodies of unsafe functions of `Lanes`")]

mod buffers;
mod gaussian;
mod matrix;
mod ops;
mod packed;
mod plain_step;
mod plan;
mod product;
mod program;
mod simd;
mod softmax;
pub(crate) mod step;
pub(crate) mod sums;
mod team;

pub use gaussian::GaussianRows;
pub use matrix::{Host, Matrix, Rows};
pub use ops::{NormKind, Pointwise};
pub(crate) use plain_step::ParamStep;
pub use plain_step::PlainStep;
pub use plan::{Plan, Purpose};
pub use program::{Program, ProgramBuilder, Slot};
pub use simd::{Isa, Kernel, Lanes, Real, math::exp_of};
pub use softmax::softmax_row;
pub(crate) use step::{AdamNumbers, at as numbers_at};
pub use team::Team;
