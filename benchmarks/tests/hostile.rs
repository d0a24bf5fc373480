//! No grid and no stream makes anything panic: each key of a working one gets each value that has no business there.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

#[path = "../../agents/tests/harness/hostile.rs"]
mod hostile;

use std::panic::{AssertUnwindSafe, catch_unwind};

use agents::config::load::{set, table};
use benchmarks::{grid::Grid, suites::SUITES, supervised::StreamRun};
use hostile::{hostile, keys};
use toml::{Table, Value};

/// Gives each value to each key; `go` says what is refused, in one line. How many were refused and taken.
fn all(base: &Table, go: impl Fn(&str) -> Result<(), String>) -> [usize; 2] {
    let mut found = Vec::new();
    keys(&Value::Table(base.clone()), "", &mut found);
    let (mut counts, mut faults) = ([0; 2], Vec::new());
    for key in found {
        for value in hostile() {
            let mut changed = base.clone();
            if set(&mut changed, &key, value.clone()).is_err() {
                continue;
            }
            let text = toml::to_string(&changed).unwrap();
            match catch_unwind(AssertUnwindSafe(|| go(&text))) {
                Ok(Ok(())) => counts[1] += 1,
                Ok(Err(e)) if e.len() > 10 && !e.contains('\n') => counts[0] += 1,
                Ok(Err(e)) => faults.push(format!("{key} = {value} is refused with {e:?}")),
                Err(_) => faults.push(format!("{key} = {value} panics")),
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    counts
}

#[test]
fn no_stream_panics() {
    for kind in ["bit_flipping", "random_labels", "permuted_inputs"] {
        let run = StreamRun::parse(&format!("kind = '{kind}'"), &[]).unwrap();
        let base = Table::try_from(&run).unwrap();
        let [refused, taken] = all(&base, |text| StreamRun::parse(text, &[])?.start().map(drop));
        assert!(refused > 100 && taken > 20, "{kind}: {refused} refused, {taken} taken");
    }
}

#[test]
fn no_grid_panics() {
    for name in ["control/cartpole-drift", "plasticity/random-labels"] {
        let (_, text) = SUITES.iter().find(|(suite, _)| *suite == name).unwrap();
        let [refused, taken] =
            all(&table(text).unwrap(), |text| Grid::parse(text, false)?.jobs().map(drop));
        assert!(refused > 100 && taken > 20, "{name}: {refused} refused, {taken} taken");
    }
}
