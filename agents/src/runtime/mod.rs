//! Threads, what they say to each other, and a run from start to report.

pub mod actor;
mod actor_link;
pub mod evaluate;
mod evaluations;
pub mod init_from;
pub mod learner;
mod learner_loop;
mod mailbox;
pub mod message;
pub mod session;
pub mod streams;
pub mod train;
