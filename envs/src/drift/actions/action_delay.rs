//! [`ActionDelay`]: actions act late.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::drift::drifting::{Begin, Change};
use crate::drift::period::delay;
use crate::{Action, ActionSpace, Env, EnvError, EnvSpec};

/// Every action acts `steps` steps later. Until the first one does, choice 0 is taken, or 0 in each
/// component of a continuous action, the middle of its bounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionDelay {
    /// How late, 1 to 1024 steps.
    pub steps: usize,
}

pub(in crate::drift) struct LateActions {
    /// `[steps, A]` that are still to be taken, oldest first. A choice is one number, exact as f64.
    queue: VecDeque<f64>,
    space: ActionSpace,
    inner: Vec<f32>,
}

impl ActionDelay {
    pub(in crate::drift) fn build(&self, spec: &EnvSpec) -> Result<LateActions, EnvError> {
        delay(self.steps)?;
        let size = match &spec.action {
            ActionSpace::Discrete(_) => 1,
            ActionSpace::Box { low, .. } => low.len(),
        };
        let mut queue = VecDeque::with_capacity((self.steps + 1) * size);
        queue.resize(self.steps * size, 0.0);
        Ok(LateActions { queue, space: spec.action.clone(), inner: vec![0.0; size] })
    }
}

impl Change for LateActions {
    fn begin(&mut self, _begin: Begin, _env: &mut dyn Env) -> Result<(), EnvError> {
        self.queue.iter_mut().for_each(|x| *x = 0.0);
        Ok(())
    }

    fn can_announce(&self) -> bool {
        false // acting moves the queue on
    }

    fn act<'a>(&'a mut self, action: Action<'a>) -> Result<Action<'a>, EnvError> {
        match &self.space {
            ActionSpace::Discrete(n) => {
                self.queue.push_back(action.choice(*n)? as f64);
                Ok(Action::Discrete(self.queue.pop_front().unwrap_or(0.0) as usize))
            }
            ActionSpace::Box { low, .. } => {
                self.queue.extend(action.components(low.len())?.iter().map(|&x| f64::from(x)));
                for (out, x) in self.inner.iter_mut().zip(self.queue.drain(..low.len())) {
                    *out = x as f32;
                }
                Ok(Action::Continuous(&self.inner))
            }
        }
    }

    fn save(&self) -> Vec<u8> {
        self.queue.iter().flat_map(|x| x.to_le_bytes()).collect()
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), EnvError> {
        for (x, chunk) in self.queue.iter_mut().zip(bytes.chunks_exact(size_of::<f64>())) {
            *x = f64::from_le_bytes(chunk.try_into()?);
        }
        Ok(())
    }
}
