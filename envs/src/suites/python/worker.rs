//! [`Worker`]: several environments in one process, their commands sent together.

use super::layout::Layout;
use super::options::Options;
use super::process::{Failure, Made, Process};
use crate::{EnvError, EnvSpec, Sources};

const MAKE: u8 = b'm';
const RENDER: u8 = b'v';
const CLOSE: u8 = b'c';

/// What an environment is asked for in turn with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    Reset = b'r' as isize,
    Step = b's' as isize,
}

/// How that went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The slot's output holds what came of it.
    Done,
    /// The worker was replaced and the environment has to be reset; the output is the one before.
    Replaced,
    Failed(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Slot {
    /// Dropped by its user.
    Unused,
    Idle,
    /// In the queue, or sent.
    Asked,
    Answered(Outcome),
}

/// Environments of one kind in one process. At most one message is under way to it.
pub(super) struct Worker {
    options: Options,
    spec: EnvSpec,
    layout: Layout,
    process: Process,
    slots: Vec<Slot>,
    /// Inputs of all slots as they will be sent.
    inputs: Vec<u8>,
    /// Outputs of all slots as they last came.
    outputs: Vec<u8>,
    /// Commands to send: code and slot, of each.
    queue: Vec<u8>,
    /// Commands sent and not yet answered.
    sent: Vec<u8>,
    /// Has it answered anything since it was started? If not, another one would do no better.
    proven: bool,
    /// Why nothing can be asked any more.
    gone: Option<String>,
}

impl Worker {
    /// Starts a process with one environment, in slot 0, and says what it loaded.
    pub(super) fn start(options: &Options) -> Result<(Self, Sources), EnvError> {
        let (process, Made { spec, sources }) = Process::start(options)?;
        let layout = Layout::new(&spec, options.envs_per_worker);
        let mut worker = Self {
            options: options.clone(),
            spec,
            layout,
            process,
            slots: vec![Slot::Idle],
            inputs: vec![0; layout.inputs()],
            outputs: vec![0; layout.outputs()],
            queue: Vec::new(),
            sent: Vec::new(),
            proven: false,
            gone: None,
        };
        worker.process.share(layout, options.start_timeout())?;
        Ok((worker, sources))
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    pub(super) fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    /// May another environment be made in it, of as many as its options allow?
    pub(super) fn has_room(&self) -> bool {
        self.gone.is_none() && self.slots.len() < self.options.envs_per_worker
    }

    /// Makes another environment and returns its slot.
    pub(super) fn make(&mut self) -> Result<usize, EnvError> {
        let slot = self.slots.len();
        let spec = self.call(MAKE, slot)?;
        let spec: EnvSpec = serde_json::from_slice(&spec)?;
        self.slots.push(Slot::Idle);
        if spec == self.spec {
            return Ok(slot);
        }
        self.slots[slot] = Slot::Unused;
        Err(format!(
            "two environments made alike have different spaces: {:?} and {spec:?}; have the \
             callable return the same spaces every time",
            self.spec
        )
        .into())
    }

    /// Its picture: height, width and pixels, or nothing if there is none.
    pub(super) fn render(&mut self, slot: usize) -> Result<Vec<u8>, EnvError> {
        self.call(RENDER, slot)
    }

    /// Nobody will ask anything of this slot again. After the last one all environments are closed;
    /// is the worker as good as new then?
    pub(super) fn release(&mut self, slot: usize) -> bool {
        if self.slots[slot] == Slot::Asked {
            self.finish(slot);
        }
        self.slots[slot] = Slot::Unused;
        if self.slots.iter().any(|slot| *slot != Slot::Unused) {
            return false;
        }
        self.slots.clear();
        self.call(CLOSE, 0).is_ok()
    }

    /// Where to write the input of a slot before asking.
    pub(super) fn input(&mut self, slot: usize) -> &mut [u8] {
        &mut self.inputs[self.layout.input(slot)]
    }

    /// The last output of a slot.
    pub(super) fn output(&self, slot: usize) -> &[u8] {
        &self.outputs[self.layout.output(slot)]
    }

    /// Asks without waiting. The message leaves once all environments have something in it.
    pub(super) fn ask(&mut self, ask: Ask, slot: usize) {
        if self.slots[slot] != Slot::Idle {
            // Replaced meanwhile; the news is still to be had from `finish`.
            return;
        }
        self.slots[slot] = Slot::Asked;
        self.queue.extend([ask as u8, slot as u8]);
        let used = self.slots.iter().filter(|slot| **slot != Slot::Unused).count();
        if self.queue.len() == 2 * used {
            self.send();
        }
    }

    /// Waits for what was asked of a slot.
    pub(super) fn finish(&mut self, slot: usize) -> Outcome {
        while self.slots[slot] == Slot::Asked {
            if self.sent.is_empty() {
                self.send();
            } else {
                self.receive();
            }
        }
        match std::mem::replace(&mut self.slots[slot], Slot::Idle) {
            Slot::Answered(outcome) => outcome,
            _ => Outcome::Failed(self.gone.clone().unwrap_or_default()),
        }
    }

    fn send(&mut self) {
        if !self.sent.is_empty() {
            self.receive();
        }
        std::mem::swap(&mut self.queue, &mut self.sent);
        if self.gone.is_some() {
            self.answer_all(&Outcome::Failed(self.gone.clone().unwrap_or_default()));
        } else if let Err(failure) = self.process.send(&self.sent, &self.inputs) {
            self.lose(&failure);
        }
    }

    /// Waits for the answers to what was sent.
    fn receive(&mut self) {
        let timeout = self.options.timeout * (self.sent.len() / 2) as u32;
        let (mut first, mut last) = (usize::MAX, 0);
        for i in (1..self.sent.len()).step_by(2) {
            let slot = usize::from(self.sent[i]);
            (first, last) = (first.min(slot), last.max(slot));
            let outcome = match self.process.answer(timeout) {
                Ok(_) => Outcome::Done,
                Err(Failure::Refused(text)) => Outcome::Failed(text),
                Err(failure) => return self.lose(&failure),
            };
            self.slots[slot] = Slot::Answered(outcome);
        }
        if let Err(failure) = self.process.outputs(first..=last, &mut self.outputs) {
            return self.lose(&failure);
        }
        self.proven = true;
        self.sent.clear();
    }

    /// Asks for something on its own.
    fn call(&mut self, code: u8, slot: usize) -> Result<Vec<u8>, EnvError> {
        if !self.queue.is_empty() {
            self.send();
        }
        if !self.sent.is_empty() {
            self.receive();
        }
        if let Some(why) = &self.gone {
            return Err(why.clone().into());
        }
        let start = code == MAKE;
        let timeout = if start { self.options.start_timeout() } else { self.options.timeout };
        let sent = self.process.send(&[code, slot as u8], &self.inputs);
        match sent.and_then(|()| self.process.answer(timeout)) {
            Err(failure @ Failure::Gone(_)) => {
                if code == RENDER {
                    self.lose(&failure);
                } else {
                    // No environment is in an episode that could continue.
                    self.give_up(failure.to_string());
                }
                Err(failure.into())
            }
            answer => Ok(answer?),
        }
    }

    /// The process has ended: replaces it if that is wanted and can work.
    fn lose(&mut self, failure: &Failure) {
        let mut why = failure.to_string();
        if self.options.restart && self.proven {
            match self.replace() {
                Ok(()) => {
                    eprintln!("warning: {why}; it was replaced, and its episodes are cut off");
                    return self.answer_all(&Outcome::Replaced);
                }
                Err(error) => why = format!("{why}, and cannot be replaced: {error}"),
            }
        } else if self.options.restart {
            why += "; it was not replaced, for it had not taken a single step";
        } else {
            why += "; `restart = true` would replace it";
        }
        self.give_up(why);
    }

    fn give_up(&mut self, why: String) {
        self.answer_all(&Outcome::Failed(why.clone()));
        self.gone = Some(why);
    }

    fn replace(&mut self) -> Result<(), EnvError> {
        let (mut process, Made { spec, .. }) = Process::start(&self.options)?;
        if spec != self.spec {
            return Err(format!("its spaces are now {spec:?}, not {:?}", self.spec).into());
        }
        process.share(self.layout, self.options.start_timeout())?;
        self.process = process;
        self.proven = false;
        for slot in 1..self.slots.len() {
            self.process.send(&[MAKE, slot as u8], &self.inputs)?;
            self.process.answer(self.options.start_timeout())?;
        }
        Ok(())
    }

    /// The same answer for every slot, including those that did not ask.
    fn answer_all(&mut self, outcome: &Outcome) {
        self.queue.clear();
        self.sent.clear();
        for slot in self.slots.iter_mut().filter(|slot| **slot != Slot::Unused) {
            *slot = Slot::Answered(outcome.clone());
        }
    }
}
