//! The learner's end of one actor, which is a thread, or nothing but calls where a thread could only wait.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crossbeam::channel::Receiver;

use crate::{
    config::{Config, Mode},
    error::Error,
    runtime::{
        actor::Actor,
        mailbox::Mailbox,
        message::{FromActor, ToActor},
    },
};

/// How the learner talks to an actor.
pub(crate) enum ActorLink {
    /// An actor on a thread of its own.
    Thread {
        /// Weights.
        to: Mailbox,
        /// Bounded by `runtime.queue`: a fast actor waits here.
        from: Receiver<FromActor>,
    },
    /// An actor on the learner's thread.
    Here(Box<Here>),
}

/// An actor that takes its turn when it is asked for what it has to say.
pub(crate) struct Here {
    name: String,
    actor: Actor,
    started: bool,
    saves: bool,
}

impl ActorLink {
    /// Whether nothing that such a run does can overlap with acting, so that the actor needs no thread: in lockstep with
    /// one actor and weights after every round, it or the learner always waits for the other. An actor's thread has one
    /// libtorch thread; more of them on the learner's could round its products otherwise.
    pub(crate) fn can_be_here(config: &Config, torch_threads: usize) -> bool {
        let r = &config.runtime;
        let waits = r.mode == Mode::Lockstep && r.actors == 1 && r.sync_every == 1 && r.lag == 0;
        waits && torch_threads == 1
    }

    /// An actor on this thread.
    pub(crate) fn here(name: String, actor: Actor) -> ActorLink {
        ActorLink::Here(Box::new(Here { name, actor, started: false, saves: false }))
    }

    /// Tells the actor.
    pub(crate) fn put(&mut self, message: ToActor) {
        match self {
            ActorLink::Thread { to, .. } => to.put(message),
            ActorLink::Here(here) => match message {
                ToActor::Snapshot(snapshot) => here.actor.load(&snapshot),
                ToActor::Save => here.saves = true,
            },
        }
    }

    /// What the actor says next; waits for it.
    ///
    /// # Errors
    /// When its thread is gone, or what went wrong if it has none.
    pub(crate) fn receive(&mut self, index: usize) -> Result<FromActor, Error> {
        match self {
            ActorLink::Thread { from, .. } => {
                from.recv().map_err(|_| Error::Gone(format!("actor-{index}")))
            }
            ActorLink::Here(here) => {
                let turn = AssertUnwindSafe(|| here.turn());
                catch_unwind(turn)
                    .unwrap_or_else(|panic| Err(Error::of_panic(here.name.clone(), panic.as_ref())))
            }
        }
    }
}

impl Here {
    fn turn(&mut self) -> Result<FromActor, Error> {
        if !std::mem::replace(&mut self.started, true) {
            return Ok(FromActor::Start(self.actor.obs().to_vec()));
        }
        if std::mem::take(&mut self.saves) {
            return Ok(FromActor::State(Box::new(self.actor.state())));
        }
        let fail =
            |e: envs::EnvError| Error::Thread { thread: self.name.clone(), message: e.to_string() };
        Ok(FromActor::Experience(self.actor.step().map_err(fail)?))
    }
}
