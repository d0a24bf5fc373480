//! A slot in which the newest message replaces an unread older one: only fresh weights matter.

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};

use crate::message::ToActor;

/// The learner's end.
pub(crate) struct Mailbox {
    sender: Sender<ToActor>,
    /// To take back what was not read. The actor's end is a clone of this one, so the channel never
    /// closes from this side; an actor that is gone is noticed on its queue of experiences.
    unread: Receiver<ToActor>,
}

/// A slot for one actor.
pub(crate) fn mailbox() -> (Mailbox, Receiver<ToActor>) {
    let (sender, receiver) = bounded(1);
    (Mailbox { sender, unread: receiver.clone() }, receiver)
}

impl Mailbox {
    /// Puts `message` in, replacing an unread one. Never waits.
    pub(crate) fn put(&self, mut message: ToActor) {
        while let Err(TrySendError::Full(again)) = self.sender.try_send(message) {
            let _ = self.unread.try_recv();
            message = again;
        }
    }
}
