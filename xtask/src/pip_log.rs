//! What pip meant: from its messages to the few causes a user can act on.

/// Why pip, or the unpacking after it, failed. The text is the line to quote.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// No room left on the device.
    DiskFull,
    /// A file is not the pinned one.
    HashMismatch(String),
    /// The registry did not answer.
    Unreachable(String),
    /// The registry, or folder, answered but lacks the wheel.
    NotFound(String),
    /// None of these.
    Other(String),
}

const DISK_FULL: [&str; 3] = ["No space left on device", "Errno 28", "Disk quota exceeded"];
const HASH_MISMATCH: [&str; 1] = ["DO NOT MATCH THE HASHES"];
const UNREACHABLE: [&str; 11] = [
    "ConnectionError",
    "NewConnectionError",
    "ConnectTimeout",
    "Connection aborted",
    "Connection refused",
    "Connection reset",
    "Max retries exceeded",
    "Read timed out",
    "ProxyError",
    "SSLError",
    "connection broken",
];
const NOT_FOUND: [&str; 3] =
    ["No matching distribution found", "Could not find a version", "Client Error"];

/// Names the cause of a failure from everything that was written to stderr.
///
/// The order matters: a full disk and a dead network both end in pip's "no matching
/// distribution" or a traceback, so the specific marks are looked for first.
pub(crate) fn cause(stderr: &str) -> Cause {
    let says = |marks: &[&str]| marks.iter().any(|mark| stderr.contains(mark));
    if says(&DISK_FULL) {
        Cause::DiskFull
    } else if says(&HASH_MISMATCH) {
        Cause::HashMismatch(hash_lines(stderr))
    } else if says(&UNREACHABLE) {
        Cause::Unreachable(last_error(stderr))
    } else if says(&NOT_FOUND) {
        Cause::NotFound(last_error(stderr))
    } else {
        Cause::Other(last_error(stderr))
    }
}

/// pip's last `ERROR:` line, else the last line that says anything.
fn last_error(stderr: &str) -> String {
    let lines = || stderr.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    lines()
        .find_map(|line| line.strip_prefix("ERROR:"))
        .or_else(|| lines().next())
        .unwrap_or("no message")
        .trim()
        .to_owned()
}

/// pip spreads a mismatch over several lines; the two hashes are what tells.
fn hash_lines(stderr: &str) -> String {
    let found: Vec<String> = stderr
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("Expected sha256") || line.starts_with("Got "))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    if found.is_empty() { last_error(stderr) } else { found.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The texts below are pip 23.2's, shortened, with the host names replaced.

    #[test]
    fn no_network_is_told_from_its_warnings() {
        let log = "WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by \
                   'NewConnectionError('<HTTPSConnection>: Failed to establish a new \
                   connection')': /simple/torch/\n\
                   ERROR: Could not find a version that satisfies the requirement torch==2.11.0 \
                   (from versions: none)\n\
                   ERROR: No matching distribution found for torch==2.11.0\n";
        let line = "No matching distribution found for torch==2.11.0".to_owned();
        assert_eq!(cause(log), Cause::Unreachable(line));
    }

    #[test]
    fn a_registry_without_the_wheel_is_not_a_dead_network() {
        let log = "ERROR: Could not find a version that satisfies the requirement torch==2.11.0 \
                   (from versions: 2.0.0)\nERROR: No matching distribution found for \
                   torch==2.11.0\n\n";
        let line = "No matching distribution found for torch==2.11.0".to_owned();
        assert_eq!(cause(log), Cause::NotFound(line));
    }

    #[test]
    fn a_full_disk_wins_over_what_follows_from_it() {
        let log = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left \
                   on device\n\nERROR: No matching distribution found for torch==2.11.0\n";
        assert_eq!(cause(log), Cause::DiskFull);
    }

    #[test]
    fn a_hash_mismatch_quotes_both_hashes() {
        let log = "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If \
                   you have updated the package versions, please update the hashes.\n    torch \
                   from file.whl:\n        Expected sha256 aa\n             Got        bb\n";
        assert_eq!(cause(log), Cause::HashMismatch("Expected sha256 aa, Got bb".to_owned()));
    }

    #[test]
    fn anything_else_quotes_the_last_line() {
        let log = "Traceback (most recent call last):\nzipfile.BadZipFile: Bad magic\n\n";
        assert_eq!(cause(log), Cause::Other("zipfile.BadZipFile: Bad magic".to_owned()));
        assert_eq!(cause(""), Cause::Other("no message".to_owned()));
    }
}
