//! Deep Q-network (Mnih et al. 2015) with double Q-learning (van Hasselt et al. 2016,
//! arXiv 1509.06461, equation 4), dueling heads (Wang et al. 2016, arXiv 1511.06581, equation 9) and
//! n-step returns, each a switch.
//!
//! The dueling heads share the whole hidden trunk; with an MLP they are linear, where the paper
//! gives each stream a hidden layer of its own. Epsilon-greedy only: no noisy networks. Prioritised
//! replay is a setting of replay (`replay.sampler`).
//!
//! # SimbaV2 for discrete actions
//!
//! Nothing is published; the paper only writes its critic with `A * N` logits (arXiv 2502.15280,
//! eq. 14). The mapping here is ours. The network sees the normalised observation alone and its
//! head gives `N` logits for each action, each of the `A * N` weight rows on the unit sphere. With
//! dueling, value and advantages are *logits*: `V + Adv - mean_a Adv`, then a softmax over the bins
//! of each action (Rainbow, arXiv 1710.02298, section 3). Expected values choose actions; double
//! learning takes the target network's distribution of the online network's choice. No entropy
//! moves the target, and the loss is the cross-entropy of the action taken. Rewards are scaled by
//! the running scale of returns instead of being clipped; n-step sums are scaled as sampled.

mod agent;
mod config;
mod fused;
mod heads;
mod policy;
mod probes;
mod settings;
mod update;

pub use agent::Dqn;
pub use config::{DqnConfig, EpsilonConfig, TargetRule};

#[cfg(test)]
mod tests;
