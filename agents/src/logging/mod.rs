//! Numbers on their way to the run folder: records, the thread that writes them, TensorBoard.

pub mod histogram;
pub mod metrics;
pub mod record;
pub mod tensorboard;
