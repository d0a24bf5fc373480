//! A slot in which the newest message replaces an unread older one, where only fresh weights matter; or several places,
//! enough for all messages, where an actor is to have weights of a certain age.

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};

use crate::runtime::message::ToActor;

/// The learner's end.
pub(crate) struct Mailbox {
    sender: Sender<ToActor>,
    /// To take back what was not read. The actor's end is a clone of this one, so the channel never
    /// closes from this side; an actor that is gone is noticed on its queue of experiences.
    unread: Receiver<ToActor>,
}

/// A slot with so many places for one actor.
pub(crate) fn mailbox(places: usize) -> (Mailbox, Receiver<ToActor>) {
    let (sender, receiver) = bounded(places);
    (Mailbox { sender, unread: receiver.clone() }, receiver)
}

impl Mailbox {
    /// Puts `message` in, replacing the oldest unread one where there is no place. Never waits.
    pub(crate) fn put(&self, mut message: ToActor) {
        while let Err(TrySendError::Full(again)) = self.sender.try_send(message) {
            let _ = self.unread.try_recv();
            message = again;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::Snapshot;

    fn snapshot(version: u64) -> ToActor {
        ToActor::Snapshot(Snapshot { version, policy: [0.0].into(), obs: None })
    }

    /// Fails instead of hanging.
    fn within_a_minute(body: fn()) {
        let (done, waiting) = bounded(1);
        let thread = std::thread::spawn(move || {
            body();
            let _ = done.send(());
        });
        let outcome = waiting.recv_timeout(std::time::Duration::from_secs(3600));
        assert!(outcome.is_ok(), "the body failed or hangs; done: {}", thread.is_finished());
    }

    #[test]
    fn the_newest_message_replaces_an_unread_one() {
        within_a_minute(|| {
            let (mailbox, inbox) = mailbox(1);
            for version in 0..5 {
                mailbox.put(snapshot(version));
            }
            assert_eq!(inbox.try_recv(), Ok(snapshot(4)));
            assert!(inbox.try_recv().is_err(), "one place");
            mailbox.put(ToActor::Save);
            assert_eq!(inbox.recv(), Ok(ToActor::Save));
            drop(mailbox);
            assert!(inbox.recv().is_err(), "the reader sees that the writer is gone");
        });
    }

    /// A reader beside a fast writer: versions only grow, and the last one arrives.
    #[test]
    fn versions_only_grow() {
        within_a_minute(|| {
            let (mailbox, inbox) = mailbox(1);
            let reader = std::thread::spawn(move || {
                let mut seen = vec![];
                while let Ok(ToActor::Snapshot(s)) = inbox.recv() {
                    seen.push(s.version);
                }
                seen
            });
            (0..20_000).for_each(|version| mailbox.put(snapshot(version)));
            drop(mailbox);
            let seen = reader.join().unwrap();
            assert!(seen.windows(2).all(|pair| pair[0] < pair[1]));
            assert_eq!(seen.last(), Some(&19_999));
        });
    }
}
