//! The replay against a naive model that stores whole transitions.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;
#[path = "replay/model.rs"]
mod model;

use std::collections::BTreeSet;

use agents::{
    replay::Replay,
    storage::tensor_file::{self, TensorFile},
};
use envs::Dtype;
use harness::{holds, within};
use model::{Event, GAMMA, Pair, case, obs};
use tch::Device;

/// What is drawn is in the model, and all of the model is drawn: at 40 draws a transition, one is
/// missed by chance with probability 10^-15.
#[test]
fn draws_are_exactly_the_models_transitions() {
    holds(case, |case, seed| {
        let mut pair = case.feed();
        let valid: BTreeSet<u32> = pair.expected().into_keys().collect();
        let drawn = pair.draw(40 * valid.len(), seed);
        assert_eq!(drawn.into_keys().collect::<BTreeSet<_>>(), valid);
    });
}

/// A replay read back from its file draws the same, and goes on alike.
#[test]
fn a_saved_replay_goes_on_alike() {
    holds(case, |case, seed| {
        let mut pair = case.feed();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("replay");
        let (meta, columns) = pair.replay.save();
        tensor_file::write(&path, &columns).unwrap();
        let file = TensorFile::open(&path).unwrap();
        let envs = pair.models.len();
        let mut again = Replay::new(&pair.spec, envs, case.capacity, case.n, GAMMA, Device::Cpu)
            .unwrap()
            .with_between(true);
        again.load(&meta, &file).unwrap();
        assert_eq!((again.len(), again.bytes()), (pair.replay.len(), pair.replay.bytes()));
        let before = pair.draw(32, seed);
        std::mem::swap(&mut pair.replay, &mut again);
        assert_eq!(pair.draw(32, seed), before);
        // The environments go on where they were: no cut.
        for i in 0..envs {
            let now = pair.models[i].obs;
            pair.replay.start(i, &obs(now));
        }
        for _ in 0..case.n {
            let event = Event { reward: 0.5, terminated: false, truncated: false };
            (0..envs).for_each(|i| pair.step(i, &[event]));
        }
        pair.draw(64, seed);
    });
}

/// Chi-square with about 90 valid transitions and 400 draws each; the statistic of a uniform distribution
/// lies within five standard deviations, sqrt(2 df), of df. Episode ends, short rings and the
/// wrap-around are all in it.
#[test]
fn draws_are_uniform() {
    within(60, || {
        for n in [1, 3] {
            let mut pair = Pair::new(2, 100, n, Dtype::F32, true);
            for i in 0..170u32 {
                let end = |length| (i + 1).is_multiple_of(length);
                let event =
                    |terminated, truncated| Event { reward: i as f32, terminated, truncated };
                pair.step(0, &[event(end(9), false), event(false, end(23))]);
            }
            let valid = pair.expected().len();
            assert!((80..100).contains(&valid), "{valid}");
            let each = 400.0;
            let counts = pair.draw(400 * valid, 7);
            assert_eq!(counts.len(), valid);
            let chi_square: f64 =
                counts.values().map(|&c| (f64::from(c) - each).powi(2) / each).sum();
            let df = (valid - 1) as f64;
            let bound = 5.0 * (2.0 * df).sqrt();
            assert!((chi_square - df).abs() < bound, "n {n}: chi-square {chi_square} at df {df}");
        }
    });
}

/// By hand: rewards 1, 10, 100, ... and an episode of four steps, n = 3.
#[test]
fn n_step_returns_by_hand() {
    within(60, || {
        for (terminated, truncated, bootstrap) in
            [(true, false, 0.0), (false, true, 1.0), (true, true, 0.0)]
        {
            let mut pair = Pair::new(1, 20, 3, Dtype::F32, true);
            for k in 0..8 {
                let last = k == 3;
                pair.step(
                    0,
                    &[Event {
                        reward: 10f32.powi(k % 4),
                        terminated: last && terminated,
                        truncated: last && truncated,
                    }],
                );
            }
            // Observations: 2 is the first; then 3, 4, 5, 6 (the last, reset to 7), 8, 9, 10, 11.
            let by_hand = [
                (2, 1.0 + 9.0 + 81.0, 0.729, 5),
                (3, 10.0 + 90.0 + 810.0, 0.729 * bootstrap, 6),
                (4, 100.0 + 900.0, 0.81 * bootstrap, 6),
                (5, 1000.0, 0.9 * bootstrap, 6),
                (7, 1.0 + 9.0 + 81.0, 0.729, 10),
                (8, 10.0 + 90.0 + 810.0, 0.729, 11),
            ];
            let expected = pair.expected();
            assert_eq!(expected.len(), by_hand.len());
            for (obs, reward, discount, next_obs) in by_hand {
                let e = &expected[&obs];
                assert!((e.reward - reward).abs() < 1e-9, "{obs}: {}", e.reward);
                assert!((e.discount - discount).abs() < 1e-9, "{obs}: {}", e.discount);
                assert_eq!(e.next_obs, next_obs, "{obs}");
            }
            assert_eq!(pair.draw(1000, 1).len(), by_hand.len());
        }
    });
}

/// The same seed draws the same; the generator is the only source.
#[test]
fn draws_depend_on_the_generator_only() {
    within(60, || {
        let mut pair = Pair::new(2, 60, 2, Dtype::U8, false);
        for i in 0..50u32 {
            let event = Event {
                reward: 1.0,
                terminated: i.is_multiple_of(7),
                truncated: i.is_multiple_of(5),
            };
            pair.step(0, &[event, event]);
        }
        let first = pair.draw(100, 3);
        assert_eq!(pair.draw(100, 3), first);
        assert_ne!(pair.draw(100, 4), first);
    });
}
