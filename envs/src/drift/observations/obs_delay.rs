//! [`ObsDelay`]: observations come late.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::drift::drifting::{Begin, Change};
use crate::drift::period::delay;
use crate::{Env, EnvError, EnvSpec};

/// Every observation is that of `steps` steps before; the first one is seen again until then. Rewards
/// and ends of episodes come in time, so the last `steps` observations are never seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObsDelay {
    /// How late, 1 to 1024 steps.
    pub steps: usize,
}

pub(in crate::drift) struct LateObs {
    /// `[steps, D]` that are still to be seen, oldest first; empty before the first.
    queue: VecDeque<f32>,
    steps: usize,
    size: usize,
}

impl ObsDelay {
    pub(in crate::drift) fn build(&self, spec: &EnvSpec) -> Result<LateObs, EnvError> {
        delay(self.steps)?;
        let size = spec.obs.size();
        let queue = VecDeque::with_capacity((self.steps + 1) * size);
        Ok(LateObs { queue, steps: self.steps, size })
    }
}

impl Change for LateObs {
    fn spec(&self, mut inner: EnvSpec) -> EnvSpec {
        inner.obs.frames = 1;
        inner
    }

    fn begin(&mut self, _begin: Begin, _env: &mut dyn Env) -> Result<(), EnvError> {
        self.queue.clear();
        Ok(())
    }

    fn observe(&mut self, obs: &mut [f32]) {
        if self.queue.is_empty() {
            for _ in 0..self.steps {
                self.queue.extend(obs.iter());
            }
            return;
        }
        self.queue.extend(obs.iter());
        for (out, x) in obs.iter_mut().zip(self.queue.drain(..self.size)) {
            *out = x;
        }
    }

    fn save(&self) -> Vec<u8> {
        // Before the first episode there is nothing, and any numbers do.
        let none = self.steps * self.size - self.queue.len();
        let numbers = self.queue.iter().copied().chain(std::iter::repeat_n(0.0, none));
        numbers.flat_map(f32::to_le_bytes).collect()
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), EnvError> {
        for chunk in bytes.chunks_exact(size_of::<f32>()) {
            self.queue.push_back(f32::from_le_bytes(chunk.try_into()?));
        }
        Ok(())
    }
}
