//! [`EnvError`]: what environments fail with, and the two parts of its message.

/// What an environment may fail with: any error, in one sentence that says what and where. Details such
/// as a traceback may follow it after a blank line ([`sentence_and_details`]).
pub type EnvError = Box<dyn std::error::Error + Send + Sync>;

/// An error message is one sentence. What is too long for it, as the traceback of a Python exception,
/// stands below the sentence and a blank line. Returns the sentence without line breaks, and the details
/// as they are, which may be empty.
pub fn sentence_and_details(message: &str) -> (String, &str) {
    let (sentence, details) = message.split_once("\n\n").unwrap_or((message, ""));
    let lines = sentence.lines().map(str::trim).filter(|line| !line.is_empty());
    (lines.collect::<Vec<_>>().join(" "), details.trim_end())
}
