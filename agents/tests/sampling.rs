//! Which transitions are drawn, with which weights and how old they are, and sequences of them: against
//! the naive model of `replay/model.rs`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;
#[path = "replay/model.rs"]
mod model;
#[path = "replay/sequences.rs"]
mod sequences;

use std::collections::{BTreeMap, BTreeSet};

use agents::{
    experience::Batch,
    replay::{
        Replay,
        draws::{Draws, Sampler},
        sampler::{PrioritizedConfig, SampleWeightDecayConfig, SamplerConfig},
    },
    storage::tensor_file::{self, TensorFile},
};
use envs::Dtype;
use harness::{holds, within};
use model::{Event, GAMMA, Pair, case, id};
use networks::random;
use tch::{Device, Kind, Tensor};

const ALPHA: f64 = 0.7;
const EPS: f64 = 0.01;

/// Beta goes from 0.4 to 0.9 in ten updates.
fn prioritized() -> SamplerConfig {
    SamplerConfig::Prioritized(PrioritizedConfig {
        alpha: ALPHA,
        beta_start: 0.4,
        beta_end: 0.9,
        beta_updates: 10,
        eps: EPS,
    })
}

fn decay(horizon: i64, min_weight: f64) -> SamplerConfig {
    SamplerConfig::SampleWeightDecay(SampleWeightDecayConfig { horizon, min_weight })
}

fn host(t: &Tensor) -> Vec<f32> {
    Vec::try_from(&t.to_kind(Kind::Float).flatten(0, -1)).unwrap()
}

fn keys(b: &Batch) -> Vec<u32> {
    host(&b.obs).chunks(3).map(id).collect()
}

/// The error that the tests report for a transition.
fn error(key: u32) -> f64 {
    f64::from(key % 11) * 0.3
}

/// `p^alpha` after it was reported.
fn mass(key: u32) -> f64 {
    (error(key) + EPS).powf(ALPHA)
}

/// Draws until every transition came, and reports the error of each.
fn report_all(pair: &mut Pair) {
    let valid = pair.expected().len();
    let b = pair.replay.sample(60 * valid, &mut random::stream(99, 0));
    assert_eq!(keys(&b).into_iter().collect::<BTreeSet<_>>().len(), valid);
    let errors: Vec<f64> = keys(&b).into_iter().map(error).collect();
    pair.replay.report(&b.rows, &errors);
}

/// What can be drawn is the model's at every moment, at the first try: the sampler takes one number a
/// transition from the generator. All have the first priority, so every part of the sum has its own
/// transition and 2 draws of each bring all.
#[test]
fn priorities_are_of_exactly_the_models_transitions() {
    holds(case, |case, seed| {
        let mut pair = case.feed_with(&prioritized());
        let valid: BTreeSet<u32> = pair.expected().into_keys().collect();
        let (mut rng, batch) = (random::stream(seed, 0), 2 * valid.len());
        let b = pair.replay.draw(batch, 0, &mut rng);
        assert_eq!(rng.get_word_pos(), 2 * batch as u128, "a draw was refused");
        assert_eq!(pair.counts(&b).into_keys().collect::<BTreeSet<_>>(), valid);
        assert_eq!(host(&b.weights.unwrap()), vec![1.0; batch]);

        report_all(&mut pair);
        let mut rng = random::stream(seed, 1);
        let b = pair.replay.draw(300, 0, &mut rng);
        assert_eq!(rng.get_word_pos(), 600, "a draw was refused");
        pair.counts(&b);
    });
}

/// A life of two environments with ends of both kinds, past the capacity.
fn lived(n: usize, sampler: &SamplerConfig) -> Pair {
    let mut pair = Pair::new(2, 100, n, Dtype::F32, true).with_sampler(sampler);
    for i in 0..170u32 {
        let end = |length| (i + 1).is_multiple_of(length);
        let event = |terminated, truncated| Event { reward: i as f32, terminated, truncated };
        pair.step(0, &[event(end(9), false), event(false, end(23))]);
    }
    pair
}

/// How often each came in 400 draws for each transition, in batches of `batch`.
fn frequencies(pair: &mut Pair, batch: usize) -> (BTreeMap<u32, f64>, f64) {
    let (mut counts, mut rng) = (BTreeMap::new(), random::stream(7, 0));
    let draws = 400 * pair.expected().len() / batch;
    for _ in 0..draws {
        let b = pair.replay.draw(batch, 3, &mut rng);
        for (key, count) in pair.counts(&b) {
            *counts.entry(key).or_insert(0.0) += f64::from(count);
        }
    }
    (counts, (draws * batch) as f64)
}

/// Chi-square of counts against masses: within five standard deviations, sqrt(2 df), above df.
fn assert_follows(counts: &BTreeMap<u32, f64>, draws: f64, masses: &BTreeMap<u32, f64>) {
    let total: f64 = masses.values().sum();
    let term = |(key, mass): (&u32, &f64)| {
        let wanted = draws * mass / total;
        (counts.get(key).copied().unwrap_or(0.0) - wanted).powi(2) / wanted
    };
    let chi_square: f64 = masses.iter().map(term).sum();
    let df = (masses.len() - 1) as f64;
    assert!(counts.keys().all(|key| masses.contains_key(key)));
    assert!(chi_square < df + 5.0 * (2.0 * df).sqrt(), "chi-square {chi_square} at df {df}");
}

#[test]
fn draws_follow_the_priorities() {
    within(60, || {
        for n in [1, 3] {
            let mut pair = lived(n, &prioritized());
            report_all(&mut pair);
            let masses: BTreeMap<u32, f64> =
                pair.expected().into_keys().map(|key| (key, mass(key))).collect();
            let (counts, draws) = frequencies(&mut pair, 5);
            assert_follows(&counts, draws, &masses);
        }
    });
}

#[test]
fn draws_follow_the_ages() {
    within(60, || {
        for (horizon, min_weight) in [(60, 0.1), (60, 0.5), (1000, 0.1), (-30, 0.1)] {
            let mut pair = lived(3, &decay(horizon, min_weight));
            let weight = |steps: u64| (1.0 - 2.0 * steps as f64 / horizon as f64).max(min_weight);
            let masses: BTreeMap<u32, f64> =
                pair.expected().into_iter().map(|(key, e)| (key, weight(e.steps_since))).collect();
            let (counts, draws) = frequencies(&mut pair, 50);
            assert_follows(&counts, draws, &masses);
            let mut draw = || pair.replay.draw(5, 3, &mut random::stream(1, 0));
            assert!(draw().weights.is_none());
        }
    });
}

/// `(min p^alpha / p^alpha)^beta`, with beta on its line: 0.4 at first, 0.55 after three updates, 0.9 from ten on.
#[test]
fn importance_weights_by_hand() {
    within(60, || {
        let mut pair = lived(1, &prioritized());
        report_all(&mut pair);
        for (update, beta) in [(0, 0.4), (3, 0.55), (10, 0.9), (1 << 40, 0.9)] {
            let b = pair.replay.draw(64, update, &mut random::stream(update, 0));
            let masses: Vec<f64> = keys(&b).into_iter().map(mass).collect();
            let least = masses.iter().copied().fold(f64::INFINITY, f64::min);
            let weights = host(b.weights.as_ref().unwrap());
            assert!(weights.contains(&1.0), "the largest is 1");
            for (weight, mass) in weights.iter().zip(&masses) {
                let wanted = (least / mass).powf(beta);
                assert!((f64::from(*weight) - wanted).abs() < 1e-6, "{weight}, not {wanted}");
            }
        }
    });
}

/// An agent hears of errors after the rows may be gone: what took their place keeps the priority of what is new,
/// and that is the largest so far, also when the row that had it is gone.
#[test]
fn what_is_new_has_the_largest_priority_so_far() {
    within(60, || {
        let mut pair = Pair::new(1, 10, 1, Dtype::F32, true).with_sampler(&prioritized());
        let event = Event { reward: 1.0, terminated: false, truncated: false };
        (0..8).for_each(|_| pair.step(0, &[event]));
        let b = pair.replay.draw(64, 0, &mut random::stream(1, 0));
        let old = b.rows.iter().copied().min_by_key(|row| row.number).unwrap();
        assert_eq!(old.age, 7);
        pair.replay.report(&[old], &[100.0]);
        (0..10).for_each(|_| pair.step(0, &[event])); // ten of priority 100; the old one is gone
        pair.replay.report(&[old], &[1e9]);
        let b = pair.replay.draw(200, 0, &mut random::stream(2, 0));
        assert_eq!(host(b.weights.as_ref().unwrap()), [1.0; 200], "all alike");
        let newest = b.rows.iter().copied().min_by_key(|row| row.age).unwrap();
        assert_eq!(newest.age, 0);
        // One falls to an error of 1: its weight is 1 and that of the others (1.01 / 100.01)^(0.7 * 0.4).
        pair.replay.report(&[newest], &[1.0]);
        let b = pair.replay.draw(2000, 0, &mut random::stream(3, 0));
        let other = ((1.0 + EPS) / (100.0 + EPS)).powf(ALPHA * 0.4);
        let weights = host(b.weights.as_ref().unwrap());
        assert!(b.rows.contains(&newest));
        for (row, weight) in b.rows.iter().zip(weights) {
            let wanted = if *row == newest { 1.0 } else { other };
            assert!((f64::from(weight) - wanted).abs() < 1e-6, "{row:?}: {weight}, not {wanted}");
        }
    });
}

/// Everything a checkpoint holds of a replay, as bytes.
fn bytes(replay: &Replay) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    tensor_file::write(&folder.path().join("replay"), &replay.save().1).unwrap();
    std::fs::read(folder.path().join("replay")).unwrap()
}

/// Read back from its file, the replay draws the same with the same weights, and goes on alike. Loaded
/// without what the sampler knew, all are new.
#[test]
fn priorities_survive_a_checkpoint() {
    holds(case, |case, seed| {
        let mut pair = case.feed_with(&prioritized());
        report_all(&mut pair);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("replay");
        let (meta, columns) = pair.replay.save();
        tensor_file::write(&path, &columns).unwrap();
        let file = TensorFile::open(&path).unwrap();
        let envs = pair.models.len();
        let fresh = || {
            Replay::new(&pair.spec, envs, case.capacity, case.n, GAMMA, Device::Cpu)
                .unwrap()
                .with_between(true)
                .with_sampler(&prioritized())
                .unwrap()
        };
        let (mut again, mut new) = (fresh(), fresh());
        again.resume(&meta, &file).unwrap();
        new.load(&meta, &file).unwrap();
        let b = new.draw(32, 0, &mut random::stream(seed, 0));
        pair.counts(&b);
        assert_eq!(host(&b.weights.unwrap()), [1.0; 32]);

        for round in 0..3 {
            assert!(bytes(&again) == bytes(&pair.replay), "round {round}");
            let [ours, theirs] = [&mut pair.replay, &mut again].map(|replay| {
                let b = replay.draw(32, 5, &mut random::stream(seed, round));
                let errors: Vec<f64> = (0..32).map(|i| f64::from(i) + round as f64).collect();
                replay.report(&b.rows, &errors);
                (keys(&b), host(&b.weights.unwrap()))
            });
            assert_eq!(ours, theirs);
        }
    });
}

/// A file of a run that sampled uniformly has no priorities, and one that has them is no matter to it.
#[test]
fn only_the_same_sampler_resumes() {
    within(60, || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("replay");
        let mut pairs = [lived(1, &SamplerConfig::default()), lived(1, &prioritized())];
        for (writer, reader) in [(0, 1), (1, 0)] {
            let (meta, columns) = pairs[writer].replay.save();
            tensor_file::write(&path, &columns).unwrap();
            let file = TensorFile::open(&path).unwrap();
            match pairs[reader].replay.resume(&meta, &file) {
                Ok(()) => assert_eq!(reader, 0),
                Err(e) => assert_eq!(e, "it lacks the array `env_0/priority`"),
            }
        }
        let names = |pair: &Pair| -> Vec<String> {
            pair.replay.save().1.into_iter().map(|(name, _)| name).collect()
        };
        assert!(names(&pairs[0]).iter().all(|name| !name.contains("prior")), "no new arrays");
        assert_eq!(names(&pairs[1]).iter().filter(|name| name.contains("prior")).count(), 3);
    });
}

/// What an agent draws during an update comes from the generator that it was given, as the learner draws.
#[test]
fn a_second_batch_is_the_next_draw() {
    within(60, || {
        for sampler in [SamplerConfig::default(), prioritized(), decay(60, 0.1)] {
            let mut pair = lived(1, &sampler);
            let mut rng = random::stream(5, 0);
            let wanted = [(); 2].map(|()| keys(&pair.replay.draw(16, 3, &mut rng)));
            let after = rng;
            let mut rng = random::stream(5, 0);
            let first = pair.replay.draw(16, 3, &mut rng);
            let mut draws = Draws::new(&mut pair.replay, 3, &mut rng);
            let second = draws.sample(16);
            draws.report(&second.rows, &Tensor::from_slice(&[0.5f32; 16]));
            assert_eq!([keys(&first), keys(&second)], wanted);
            assert_eq!(rng, after);
        }
    });
}
