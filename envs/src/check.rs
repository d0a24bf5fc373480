//! [`check`](check()): tells what is wrong with an environment, before a training run finds out.
//!
//! It plays the environment with random actions and reports what it sees, each kind of fault once.
//! It cannot tell whether the rewards make sense, nor notice a call that never returns.

mod compare;
mod episodes;
pub(crate) mod finding;
mod numbers;
mod params;
mod play;
pub(crate) mod probe;
mod space;

use std::time::Duration;

use crate::Env;
use finding::{Finding, Severity};
use probe::{Probe, Progress, Watch};

/// Everything found wrong with `env`; nothing if it is fine. `id` is what messages call it; if it
/// begins with `gymnasium:` or `python:`, advice is in the terms of Gymnasium.
///
/// The environment is reset and stepped up to some ten thousand times. A panic inside it is
/// caught and reported; the panic's own message still goes to standard error.
pub fn check(env: &mut dyn Env, id: &str) -> Vec<Finding> {
    let (mut elapsed, mut progress) = (|| Duration::ZERO, |_: &Progress| {});
    let watch = Watch { budget: Duration::MAX, elapsed: &mut elapsed, progress: &mut progress };
    check_within(env, id, watch)
}

/// [`check`](check()) that keeps to a time: of a slow environment less is tried, and the last finding says what was
/// left out.
pub fn check_within<'a>(env: &'a mut dyn Env, id: &'a str, watch: Watch<'a>) -> Vec<Finding> {
    let now = Progress { doing: "making it", steps: 0 };
    let mut probe = Probe { env, id, findings: Vec::new(), watch, now, left_out: Vec::new() };
    // A step that returns `None` has reported why nothing more can be tried.
    let _stopped = all(&mut probe);
    if !probe.left_out.is_empty() {
        let what =
            format!("it is slow, so not everything was tried: {}", probe.left_out.join("; "));
        probe.report(
            Severity::Note,
            what,
            "the time for the check",
            "give the check more time: `supple check-env --seconds N`",
        );
    }
    probe.findings
}

/// All checks in order; `None` once the environment cannot be used further.
fn all(probe: &mut Probe<'_>) -> Option<()> {
    let spec = probe.spec()?;
    probe.now.doing = "playing random actions";
    probe.episodes(&spec)?;
    let compared = probe.affordable();
    probe.now.doing = "comparing episodes of equal and different seeds";
    probe.seeds(&spec, compared)?;
    probe.now.doing = "saving and loading a state";
    probe.state(&spec, compared)?;
    probe.params()?;
    let after = probe.call("spec()", |env| Ok(env.spec()))?;
    if after != spec {
        probe.error(
            "spec() changed between two calls".into(),
            "spec() after some episodes",
            "return the same spec for the life of the environment",
        );
    }
    Some(())
}
