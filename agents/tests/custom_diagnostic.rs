//! A diagnostic of one's own: one type, one line that registers it, and it is measured, logged, listed and shown.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use agents::{
    diagnostics::{
        diagnostic::{Context, Diagnostic, Measure},
        probe::{BatchView, NetworkProbe},
        registry::Diagnostics,
    },
    logging::descriptor::{Descriptor, Line, Tier},
};
use harness::{Run, SIMBA_V2, config, within};
use rand::RngExt;

/// Some numbers of a network, and one of each update.
struct Own;

const OWN: &[Descriptor] = &[
    Descriptor::diagnostic("plasticity/NET/LAYER/draw", Tier::Units, "number", "A random number."),
    Descriptor::diagnostic("plasticity/NET/_global/updates", Tier::Units, "count", "Always 1.")
        .source("nobody")
        .charts(&[Line::All("A chart of one's own")]),
];

impl Diagnostic for Own {
    fn descriptors(&self) -> &[Descriptor] {
        OWN
    }

    fn of_network(&self, probe: &NetworkProbe<'_>, cx: &mut Context<'_>, out: &mut Vec<Measure>) {
        for entry in probe.trace.entries() {
            out.push(Measure::new(probe.net, &entry.layer, "draw", cx.rng.random()));
        }
    }

    fn of_update(&self, before: &BatchView, _after: &BatchView, out: &mut Vec<Measure>) {
        out.push(Measure::whole(before.values.0, "updates", 1.0));
    }
}

fn own() -> Diagnostics {
    let mut diagnostics = Diagnostics::builtin();
    diagnostics.add(Own);
    diagnostics
}

/// The run learns the same, and built-in diagnostics find the same, though this one draws random numbers.
#[test]
fn it_is_measured_and_changes_nothing_else() {
    within(120, || {
        let config = config(&format!(
            "total_steps = 60\nenv.name = 'Pendulum-v1'\neval.episodes = 0\n\
             runtime = {{ update_to_data = 0.5, torch_threads = 1 }}\n\
             replay = {{ capacity = 120, batch_size = 8, learning_starts = 20 }}\n{SIMBA_V2}"
        ));
        let plain = Run::new(&config);
        plain.train().unwrap();
        let with = Run::new(&config);
        own().scope(|| with.train()).unwrap();
        let (plain, with) = (plain.outcome(), with.outcome());
        assert!(plain.model == with.model);
        let mut found = 0;
        for ((_, plain), (_, with)) in plain.rows.iter().zip(&with.rows) {
            let (own, rest): (Vec<_>, Vec<_>) = with
                .iter()
                .filter(|(tag, _)| !tag.starts_with("time/"))
                .partition(|(tag, _)| tag.ends_with("/draw") || tag.ends_with("/updates"));
            let plain: Vec<_> = plain.iter().filter(|(tag, _)| !tag.starts_with("time/")).collect();
            assert_eq!(rest, plain);
            found += own.len();
        }
        assert!(found > 0);
        let tags: Vec<&String> = with.rows.iter().flat_map(|(_, row)| row.keys()).collect();
        assert!(tags.iter().any(|tag| *tag == "plasticity/critic/_global/updates"), "{tags:?}");
        assert!(tags.iter().any(|tag| *tag == "plasticity/actor/pi/embed/draw"), "{tags:?}");
    });
}

#[test]
fn it_is_listed_and_shown() {
    let diagnostics = own();
    assert_eq!(diagnostics.descriptors().filter(|d| OWN.contains(d)).count(), 2);
    let (category, charts) = &diagnostics.dashboard().0[1];
    let last = charts.last().unwrap();
    assert_eq!((*category, last.title), ("Plasticity", "A chart of one's own"));
    assert_eq!(last.tags, ["plasticity/.*/_global/updates"]);
    assert_eq!(Diagnostics::current().descriptors().filter(|d| OWN.contains(d)).count(), 0);
    own().scope(|| {
        assert_eq!(Diagnostics::current().descriptors().filter(|d| OWN.contains(d)).count(), 2);
    });
}

#[test]
#[should_panic(expected = "two diagnostics log plasticity/NET/LAYER/draw")]
fn two_cannot_log_one_tag() {
    own().add(Own);
}
