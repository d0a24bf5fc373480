//! Soft actor-critic with twin critics and a learned temperature (Haarnoja et al. 2018b,
//! arXiv 1812.05905, Algorithm 1, equations 3, 9 and 18).
//!
//! The order inside one update is actor, temperature, critic, target, as in SimbaV2's reference
//! code, so that both share this folder; the paper's Algorithm 1 updates the critic first.
//! No separate value network (that was the 2018a version), no reward scale: the temperature is
//! learned.
//!
//! With n-step returns the value of a policy that is paid for its entropy has an entropy term at each of the n steps
//! (equation 2), not at the last alone: see [`entropy_bonus`](crate::losses::entropy_bonus).
//!
//! With `value.kind = "categorical"` a critic gives a distribution over returns, as in SimbaV2
//! (Lee et al. 2025, arXiv 2502.15280, section 4.3): the actor sees expected values, the target is
//! the whole distribution of the critic with the lowest one, and the entropy term shifts each of its
//! values.

mod agent;
mod config;
mod fused;
mod noise;
mod policy;
mod probes;
mod rows;
mod settings;
mod update;

pub use agent::Sac;
pub use config::SacConfig;
pub use noise::Noise;

#[cfg(test)]
mod tests;
