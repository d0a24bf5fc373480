//! The reinforcement learning: agents, replay, actor and learner threads, runs.
//!
//! From `main` to the loss: `supple::run` → [`runtime::train::train`] → `LearnerLoop::run` →
//! [`Learner::round`](runtime::learner::Learner::round) → `update` of [`Sac`](algorithms::sac::Sac) or
//! [`Dqn`](algorithms::dqn::Dqn) → [`losses`]. `ARCHITECTURE.md` lists every hop.
//!
//! | folder | holds |
//! | --- | --- |
//! | `agent.rs`, `experience.rs` | the traits [`Agent`](agent::Agent) and [`Policy`](agent::Policy); what passes through them |
//! | `algorithms/` | SAC and DQN, each reading like its paper |
//! | `losses.rs`, `value.rs` | losses and targets as pure functions; returns as numbers or as distributions |
//! | `replay/` | what was experienced, and how it is sampled |
//! | `normalize/` | running statistics, and an agent behind them |
//! | `diagnostics/` | what is measured of a running agent, and when |
//! | `runtime/` | threads and what they say to each other; a run from start to report |
//! | `storage/` | run folders and checkpoints |
//! | `logging/` | records, the thread that writes them, TensorBoard |
//! | `config/` | the TOML file: read, checked, explained |
//! | `error.rs`, `paths.rs` | what can go wrong, as sentences for people |

pub mod agent;
pub mod algorithms;
pub mod config;
pub mod diagnostics;
pub mod error;
pub mod experience;
pub mod logging;
pub mod losses;
pub mod normalize;
mod paths;
pub mod replay;
pub mod runtime;
pub mod storage;
pub mod value;
