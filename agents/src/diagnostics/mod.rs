//! Diagnostics of a running agent: when, on what, and under which names.
//!
//! A probe batch is drawn from replay by a stream of its own, numbered by the update, so that looking
//! changes nothing and a resumed run looks at the same.
//!
//! | file | holds |
//! | --- | --- |
//! | [`diagnostic`] | the trait [`Diagnostic`], and a [`Measure`](diagnostic::Measure) |
//! | [`registry`] | those that come with this crate, open to others |
//! | [`config`] | `[diagnostics]`: which tiers are due |
//! | [`probe`] | what an agent shows of itself on a batch |
//! | `units.rs`, `weights.rs`, `neurons.rs`, `ranks.rs`, `curvature.rs`, `refit.rs` | of networks on the probe batch |
//! | `step.rs` | of one gradient step, measured by [`Model::minimize`](networks::model::Model::minimize) |
//! | [`agreement`] | of what the agent makes of the batch, and how one update changes that |
//!
//! The mathematics is in [`networks::diagnostics`].
//!
//! [`Diagnostic`]: diagnostic::Diagnostic

pub mod agreement;
pub mod config;
mod curvature;
pub mod diagnostic;
mod neurons;
pub mod probe;
mod ranks;
mod refit;
pub mod registry;
mod step;
mod units;
mod weights;

pub use neurons::histograms;
