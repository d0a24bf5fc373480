//! Panics: a bug of ours or of an added environment, never a mistake on the command line. What a person
//! reads of one says where it was and asks for a report.

use std::{
    any::Any,
    panic::PanicHookInfo,
    sync::{Mutex, PoisonError},
    thread,
};

use agents::error::Error;

use crate::output::note;

/// Message and place of each panic so far. They are rare: a run ends with its first one, and so does the check
/// of an environment.
static SEEN: Mutex<Vec<Seen>> = Mutex::new(Vec::new());

#[derive(Clone, Debug)]
struct Seen {
    message: String,
    /// `FILE:LINE`
    place: String,
}

/// From here on panics are remembered instead of printed: threads of a run are joined, and [`sentence`] reports
/// the one that ended it. One of any other thread, which is not joined, is reported here.
pub(crate) fn watch() {
    std::panic::set_hook(Box::new(|panic| {
        let seen = Seen::from(panic);
        let thread = thread::current();
        let name = thread.name().unwrap_or("a thread");
        if !is_joined(name) {
            note(&seen.sentence(name));
        }
        SEEN.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    }));
}

/// The message of a panic.
pub(crate) fn text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

/// Whether a thread of this name has its panics caught by who started it.
fn is_joined(name: &str) -> bool {
    name == "main" || name == "evaluator" || name == "metrics" || name.starts_with("actor-")
}

/// What to say of an error, if it is that a thread panicked.
pub(crate) fn of_thread(error: &anyhow::Error) -> Option<String> {
    match error.downcast_ref()? {
        Error::Panic { thread, message } => Some(sentence(thread, message)),
        _ => None,
    }
}

/// What to say of a panic with this message, of which a run may keep the beginning only.
pub(crate) fn sentence(thread: &str, message: &str) -> String {
    let all = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let seen = all.iter().find(|seen| seen.message.starts_with(message)).cloned();
    let unseen = || Seen { message: message.to_owned(), place: "an unknown place".to_owned() };
    seen.unwrap_or_else(unseen).sentence(thread)
}

impl Seen {
    fn sentence(&self, thread: &str) -> String {
        // libtorch's messages can hold whole tensors.
        let line: String =
            self.message.lines().next().unwrap_or_default().chars().take(300).collect();
        format!(
            "{thread} panicked at {}: {line}. This is a bug in supple or in a part added to it; please report it \
             with this line and the command",
            self.place
        )
    }
}

impl From<&PanicHookInfo<'_>> for Seen {
    fn from(panic: &PanicHookInfo<'_>) -> Self {
        let message = text(panic.payload()).to_owned();
        let place = panic.location().map(|at| format!("{}:{}", at.file(), at.line()));
        Seen { message, place: place.unwrap_or_else(|| "an unknown place".to_owned()) }
    }
}
