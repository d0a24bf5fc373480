//! The reinforcement learning: agents, replay, actor and learner threads, runs.
//!
//! From `main` to the loss: `supple::run` → [`train::train`] → `LearnerLoop::run` → [`learner::Learner::round`]
//! → [`sac::Sac`] or [`dqn::Dqn`] `update`.
//!
//! | file | holds |
//! | --- | --- |
//! | `agent.rs` | the traits [`Agent`](agent::Agent) and [`Policy`](agent::Policy), batch and snapshot |
//! | `sac.rs`, `dqn.rs` | one algorithm each, reading like its paper |
//! | `plasticity/` | diagnostics of a running agent |
//! | `value.rs` | returns as numbers or as distributions |
//! | `normalize.rs`, `normalized.rs` | running statistics; an agent behind them |
//! | `message.rs` | everything threads say to each other |
//! | `actor.rs`, `evaluate.rs`, `metrics.rs` | one thread each |
//! | `evaluations.rs` | what the learner knows of the evaluations under way |
//! | `tensorboard.rs`, `histogram.rs` | the event file and its dashboard; many numbers as a few counts |
//! | `learner.rs`, `drive.rs` | learning without threads; the thread that feeds it |
//! | `init_from.rs` | a run that starts from another's weights |
//! | `session.rs` | what goes into a run and what comes out |
//! | `train.rs`, `mailbox.rs`, `streams.rs` | starts and joins the threads; latest-value slot; seeds |
//! | `replay.rs`, `ring.rs` | what was experienced; one environment's rows |
//! | `config.rs`, `load_config.rs`, `notes.rs` | the TOML file; settings that defeat each other |
//! | `held.rs`, `run_dir.rs`, `checkpoint.rs`, `tensor_file.rs`, `provenance.rs` | what lies on disk |

pub mod actor;
pub mod agent;
pub mod checkpoint;
pub mod config;
pub mod dqn;
mod drive;
pub mod error;
pub mod evaluate;
mod evaluations;
pub mod held;
pub mod histogram;
pub mod init_from;
pub mod learner;
pub mod load_config;
mod mailbox;
pub mod message;
pub mod metrics;
pub mod normalize;
pub mod normalized;
pub mod notes;
pub mod plasticity;
pub mod provenance;
pub mod replay;
mod ring;
pub mod run_dir;
pub mod sac;
pub mod session;
pub mod streams;
pub mod tensor_file;
pub mod tensorboard;
pub mod train;
pub mod value;
