//! What an agent may ask of replay during an update.

use networks::random::Rng;
use tch::{Device, Kind, Tensor};

use crate::{
    experience::{Batch, Row, Sequences},
    replay::Replay,
};

/// More data for an update than its batch, and the way back for what the update found out about it.
///
/// Data is drawn as the configuration's `[replay.sampler]` says, by the generator of replay: an agent
/// that asks for none leaves the run as it is.
pub trait Sampler {
    /// Another batch of this many transitions.
    fn sample(&mut self, batch: usize) -> Batch;
    /// This many sequences of `steps` steps.
    fn sequences(&mut self, batch: usize, steps: usize) -> Sequences;
    /// The size of the error, `[B]`, that an update found for each row it learned from. To be called
    /// where the batch has weights.
    fn report(&mut self, rows: &[Row], errors: &Tensor);
}

/// The learner's replay during one update.
pub struct Draws<'a> {
    replay: &'a mut Replay,
    update: u64,
    rng: &'a mut Rng,
}

impl<'a> Draws<'a> {
    /// During the update that follows `update` others.
    pub fn new(replay: &'a mut Replay, update: u64, rng: &'a mut Rng) -> Self {
        Draws { replay, update, rng }
    }
}

impl Sampler for Draws<'_> {
    fn sample(&mut self, batch: usize) -> Batch {
        self.replay.draw(batch, self.update, self.rng)
    }

    fn sequences(&mut self, batch: usize, steps: usize) -> Sequences {
        self.replay.sequences(batch, steps, self.update, self.rng)
    }

    fn report(&mut self, rows: &[Row], errors: &Tensor) {
        let errors = errors.to_kind(Kind::Double).to_device(Device::Cpu).contiguous();
        let mut host = vec![0.0; rows.len()];
        errors.copy_data(&mut host, rows.len());
        self.replay.report(rows, &host);
    }
}

/// No replay: for an update on a batch from elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoReplay;

impl Sampler for NoReplay {
    /// # Panics
    /// Always: there is nothing to draw.
    fn sample(&mut self, _batch: usize) -> Batch {
        unreachable!("this update has no replay to draw a second batch from")
    }

    /// # Panics
    /// Always: there is nothing to draw.
    fn sequences(&mut self, _batch: usize, _steps: usize) -> Sequences {
        unreachable!("this update has no replay to draw sequences from")
    }

    fn report(&mut self, _rows: &[Row], _errors: &Tensor) {}
}
