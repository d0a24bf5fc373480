//! [`FrameStack`]: the last few observations as one, for environments that show no velocities.
//!
//! As Gymnasium's `FrameStackObservation`: oldest first, and the first frame repeated on reset.

use super::inner::load_inner;
use crate::spec::check::MOST_COMPONENTS;
use crate::{Action, Env, EnvError, EnvSpec, Space, State, Step, bytes};

/// Stacks the last `n` observations along a new outermost axis, oldest first.
pub struct FrameStack {
    env: Box<dyn Env>,
    count: usize,
    /// `[n * D]`, oldest first.
    frames: Vec<f32>,
    /// Components of one frame.
    size: usize,
    saved: Vec<u8>,
}

impl FrameStack {
    /// Stacks `count` frames.
    ///
    /// # Errors
    /// Less than two frames, which would be no stack, more than 1024, which must be a slip, or a spec
    /// that makes no sense.
    pub fn new(env: Box<dyn Env>, count: usize) -> Result<Self, EnvError> {
        if count < 2 {
            return Err(format!("a stack of {count} frames is no stack; give 2 or more").into());
        }
        if count > 1024 {
            return Err(format!("a stack of {count} frames is too high; give at most 1024").into());
        }
        let spec = env.spec();
        spec.validate()?;
        let size = spec.obs.size();
        if size.saturating_mul(count) > MOST_COMPONENTS {
            return Err(format!(
                "a stack of {count} frames of {size} components has more than {MOST_COMPONENTS}; \
                 stack fewer, or smaller ones"
            )
            .into());
        }
        Ok(Self { env, count, frames: vec![0.0; count * size], size, saved: Vec::new() })
    }

    fn newest(&self) -> usize {
        (self.count - 1) * self.size
    }
}

impl Env for FrameStack {
    fn spec(&self) -> EnvSpec {
        let spec = self.env.spec();
        let obs = Space {
            shape: [&[self.count], spec.obs.shape.as_slice()].concat(),
            low: spec.obs.low.repeat(self.count),
            high: spec.obs.high.repeat(self.count),
            dtype: spec.obs.dtype,
            // Of a stack of stacks, the inner stack is the frame.
            frames: self.count,
        };
        EnvSpec { obs, ..spec }
    }

    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        let newest = self.newest();
        self.env.reset(seed, &mut self.frames[newest..])?;
        for frame in 0..self.count - 1 {
            self.frames.copy_within(newest.., frame * self.size);
        }
        obs.copy_from_slice(&self.frames);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        let newest = self.newest();
        self.frames.copy_within(self.size.., 0);
        let step = self.env.step(action, &mut self.frames[newest..])?;
        obs.copy_from_slice(&self.frames);
        Ok(step)
    }

    fn inner(&self) -> Option<&dyn Env> {
        Some(self.env.as_ref())
    }

    fn inner_mut(&mut self) -> Option<&mut dyn Env> {
        Some(self.env.as_mut())
    }

    fn state(&mut self) -> Option<&mut dyn State> {
        // The inner state is out of reach of `save(&self)`, so it is taken here.
        self.saved = self.env.state()?.save();
        Some(self)
    }
}

impl State for FrameStack {
    fn save(&self) -> Vec<u8> {
        let frames = self.frames.iter().flat_map(|x| x.to_le_bytes());
        frames.chain(self.saved.iter().copied()).collect()
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), EnvError> {
        let own_size = self.frames.len() * size_of::<f32>();
        let (own, inner) = bytes::split(bytes, own_size, "FrameStack")?;
        load_inner(self.env.as_mut(), inner)?;
        for (frame, chunk) in self.frames.iter_mut().zip(own.chunks_exact(size_of::<f32>())) {
            *frame = f32::from_le_bytes(chunk.try_into()?);
        }
        Ok(())
    }
}
