//! Numbers on their way to the run folder: what there is to log, records, the thread that writes them, TensorBoard.

pub mod catalog;
pub mod dashboard;
pub mod descriptor;
pub mod histogram;
pub mod metrics;
pub mod record;
pub mod tensorboard;
