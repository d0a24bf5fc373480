//! [`PythonEnv`]: one Python environment as an [`Env`].

use std::sync::{Arc, Mutex, Weak};

use super::layout::Layout;
use super::pool::{Pool, Seat, lock};
use super::worker::{Ask, Outcome, Worker};
use crate::{Action, ActionSpace, Dtype, Env, EnvError, EnvSpec, Frame, Step};

/// An environment in a worker. It cannot save its state, and has no named constants.
pub(super) struct PythonEnv {
    worker: Arc<Mutex<Worker>>,
    slot: usize,
    pool: Weak<Pool>,
    spec: EnvSpec,
    task: usize,
    /// Has the worker been told to step?
    begun: bool,
    /// Has it ever been reset?
    used: bool,
    /// Steps that a replaced worker answered.
    interruptions: u64,
}

impl PythonEnv {
    pub(super) fn new(Seat { worker, slot }: Seat, pool: &Arc<Pool>) -> Self {
        let spec = lock(&worker).spec().clone();
        Self {
            worker,
            slot,
            pool: Arc::downgrade(pool),
            spec,
            task: 0,
            begun: false,
            used: false,
            interruptions: 0,
        }
    }

    /// From the first use on, no further environment is put into the worker.
    fn fill_no_further(&mut self) {
        if !self.used {
            self.used = true;
            if let Some(pool) = self.pool.upgrade() {
                pool.close(&self.worker);
            }
        }
    }

    fn ask_step(&mut self, action: Action<'_>) -> Result<(), EnvError> {
        let mut worker = lock(&self.worker);
        match &self.spec.action {
            ActionSpace::Discrete(n) => {
                let choice = action.choice(*n)? as u64;
                worker.input(self.slot)[..8].copy_from_slice(&choice.to_ne_bytes());
            }
            ActionSpace::Box { low, .. } => {
                let action = action.components(low.len())?;
                let input = &mut worker.input(self.slot)[Layout::ACTION_AT..];
                for (bytes, x) in input.chunks_exact_mut(4).zip(action) {
                    bytes.copy_from_slice(&x.to_ne_bytes());
                }
            }
        }
        worker.ask(Ask::Step, self.slot);
        self.begun = true;
        Ok(())
    }

    /// Waits for what was asked, and reads what came of it.
    fn finish(&mut self, obs: &mut [f32]) -> Result<Option<Step>, EnvError> {
        self.begun = false;
        let mut worker = lock(&self.worker);
        let outcome = worker.finish(self.slot);
        let output = worker.output(self.slot);
        if let Outcome::Failed(text) = outcome {
            return Err(text.into());
        }
        read_obs(&output[Layout::OBS_AT..], self.spec.obs.dtype, obs);
        if outcome == Outcome::Replaced {
            return Ok(None);
        }
        let (reward, task) = (output[..8].try_into()?, output[8..16].try_into()?);
        self.task = u64::from_ne_bytes(task) as usize;
        let reward = f64::from_ne_bytes(reward) as f32;
        Ok(Some(Step { reward, terminated: output[16] != 0, truncated: output[17] != 0 }))
    }
}

impl Env for PythonEnv {
    fn spec(&self) -> EnvSpec {
        self.spec.clone()
    }

    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        self.fill_no_further();
        if self.begun {
            // The result of a step that was never read.
            self.begun = false;
            lock(&self.worker).finish(self.slot);
        }
        // Many environments hand their seed to C, as an int; both halves of ours take part.
        let seed = (seed ^ (seed >> 32)) & 0x7fff_ffff;
        // A worker that was replaced is asked again. One that then dies at once is not replaced.
        loop {
            {
                let mut worker = lock(&self.worker);
                worker.input(self.slot)[..8].copy_from_slice(&seed.to_ne_bytes());
                worker.ask(Ask::Reset, self.slot);
            }
            if self.finish(obs)?.is_some() {
                return Ok(());
            }
        }
    }

    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        if !self.begun {
            self.ask_step(action)?;
        }
        if let Some(step) = self.finish(obs)? {
            return Ok(step);
        }
        self.interruptions += 1;
        Ok(Step { reward: 0.0, terminated: false, truncated: true })
    }

    fn begin(&mut self, action: Action<'_>) -> bool {
        // `step` finds the same fault in the action again, and reports it.
        self.begun || self.ask_step(action).is_ok()
    }

    fn task(&self) -> usize {
        self.task
    }

    fn interruptions(&self) -> u64 {
        self.interruptions
    }

    fn render(&mut self) -> Result<Option<Frame>, EnvError> {
        let picture = lock(&self.worker).render(self.slot)?;
        let Some((head, rgb)) = picture.split_at_checked(8) else { return Ok(None) };
        let side = |bytes: &[u8]| Ok::<_, EnvError>(u32::from_ne_bytes(bytes.try_into()?) as usize);
        let (height, width) = (side(&head[..4])?, side(&head[4..])?);
        Ok(Some(Frame { width, height, rgb: rgb.to_vec() }))
    }
}

impl Drop for PythonEnv {
    fn drop(&mut self) {
        self.fill_no_further();
        let vacant = lock(&self.worker).release(self.slot);
        // The last environment leaves the worker to the next ones.
        if let (true, Some(pool)) = (vacant, self.pool.upgrade()) {
            pool.keep(Arc::clone(&self.worker));
        }
    }
}

fn read_obs(bytes: &[u8], dtype: Dtype, obs: &mut [f32]) {
    match dtype {
        Dtype::U8 => obs.iter_mut().zip(bytes).for_each(|(x, &byte)| *x = f32::from(byte)),
        Dtype::F32 => {
            for (x, bytes) in obs.iter_mut().zip(bytes.as_chunks().0) {
                *x = f32::from_ne_bytes(*bytes);
            }
        }
    }
}
