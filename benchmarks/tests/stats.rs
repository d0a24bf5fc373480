//! Statistics against `golden/statistics.json`, which rliable, scipy and numpy computed, and the coverage
//! of intervals against its theory.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

use std::{fs, path::Path};

use benchmarks::{
    stats::{
        Resamples, iqm, mean, optimality_gap, percentile, probability_of_improvement, share_above,
    },
    summary::Interval,
};
use networks::random;
use rand::RngExt;
use serde_json::Value;

fn golden() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/statistics.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn list(v: &Value) -> &[Value] {
    v.as_array().unwrap()
}

fn assert_exact(got: f64, want: &Value, what: &str) {
    let want = want.as_f64().unwrap();
    assert!((got - want).abs() < 1e-12, "{what}: {got}, rliable {want}");
}

/// Bounds from 30,000 draws against the mean of `batches` calls of rliable with `reps` draws each. Each
/// bound errs by the golden file's standard deviation of one call, divided by the root of how many
/// times its draws there were. 4.5 standard errors of the difference: one in 150,000 healthy bounds is
/// further off. The 1e-3 is for bounds on the steps of a statistic with few values, where that deviation
/// says little.
fn assert_bounds(got: Interval, golden: &Value, want: &Value, what: &str) {
    let [reps, batches] = ["reps", "batches"].map(|k| golden[k].as_f64().unwrap());
    let (bounds, error) = (numbers(&want["bounds"]), numbers(&want["error"]));
    for (i, got) in [got.low, got.high].into_iter().enumerate() {
        let allowed = 4.5 * error[i] * (1.0 / batches + reps / DRAWS as f64).sqrt() + 1e-3;
        let off = (got - bounds[i]).abs();
        assert!(
            off < allowed,
            "{what}, bound {i}: {got}, rliable {}, allowed {allowed}",
            bounds[i]
        );
    }
}

const DRAWS: usize = 30_000;

#[test]
fn points_are_those_of_rliable() {
    let golden = golden();
    let sets = list(&golden["one_task"]).iter().chain(list(&golden["suites"]));
    for set in sets {
        let scores: Vec<f64> = match list(&set["scores"]) {
            rows if rows[0].is_array() => rows.iter().flat_map(numbers).collect(),
            _ => numbers(&set["scores"]),
        };
        let n = scores.len();
        assert_exact(mean(&scores), &set["mean"], &format!("mean of {n}"));
        assert_exact(iqm(&scores), &set["iqm"], &format!("iqm of {n}"));
        assert_exact(optimality_gap(&scores), &set["optimality_gap"], &format!("gap of {n}"));
        for (level, want) in numbers(&golden["levels"]).into_iter().zip(list(&set["profile"])) {
            assert_exact(share_above(&scores, level), want, &format!("share of {n} above {level}"));
        }
    }
    for set in list(&golden["versus"]) {
        let got = probability_of_improvement(&numbers(&set["own"]), &numbers(&set["other"]));
        assert_exact(got, &set["probability"], "probability of improvement");
    }
    for set in list(&golden["percentiles"]) {
        let values = numbers(&set["values"]);
        for (at, want) in numbers(&set["at"]).into_iter().zip(list(&set["found"])) {
            assert_exact(percentile(&values, at), want, &format!("{at} % of {}", values.len()));
        }
    }
}

#[test]
fn profiles_are_of_scores_strictly_above() {
    assert_eq!(share_above(&[0.0, 0.5, 1.0], 0.5), 1.0 / 3.0);
    assert_eq!(optimality_gap(&[0.5, 1.0, 3.0, 7.0]), 0.125);
}

#[test]
fn intervals_are_those_of_rliable() {
    let golden = golden();
    for suite in list(&golden["suites"]) {
        let tasks: Vec<Vec<f64>> = list(&suite["scores"]).iter().map(numbers).collect();
        let sizes: Vec<usize> = tasks.iter().map(Vec::len).collect();
        let (all, what) = (tasks.concat(), format!("{} tasks", tasks.len()));
        let resamples = Resamples::new(&sizes, DRAWS, &mut random::stream(3, 0));
        let want = &suite["intervals"];
        assert_bounds(resamples.mean(&all), &golden, &want["mean"], &what);
        assert_bounds(resamples.of(&all, iqm), &golden, &want["iqm"], &what);
        let gap = resamples.of(&all, optimality_gap);
        assert_bounds(gap, &golden, &want["optimality_gap"], &what);
    }
    let set = list(&golden["versus"]).last().unwrap();
    let (own, other) = (numbers(&set["own"]), numbers(&set["other"]));
    let both = [own.clone(), other.clone()].concat();
    let resamples = Resamples::new(&[own.len(), other.len()], DRAWS, &mut random::stream(3, 0));
    let got = resamples.of(&both, |draw| {
        let (own, other) = draw.split_at(own.len());
        probability_of_improvement(own, other)
    });
    assert_exact(got.point, &set["probability"], "point of the probability");
    assert_bounds(got, &golden, &set["interval"], "probability of improvement");
}

/// The percentile interval of a mean of `n` normal numbers is, up to the bootstrap's own error, `1.96 s
/// sqrt((n - 1) / n) / sqrt(n)` to both sides, so it holds the truth as often as Student's t with `n - 1`
/// degrees of freedom is within `1.96 sqrt((n - 1) / n)`: 90.4 % of the time for n = 10 and 92.9 % for
/// n = 20 (scipy.stats.t). Not 95 %: that is what so few runs cost. Four standard errors of the count
/// are allowed.
#[test]
fn intervals_cover_the_truth_as_often_as_they_can() {
    for (n, want) in [(10, 0.9041), (20, 0.9287)] {
        let (mut rng, trials) = (random::stream(11, n as u64), 4000);
        let mut normal = || {
            // Twelve uniform numbers: near enough to normal for the mean of ten of them.
            (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
        };
        let samples: Vec<Vec<f64>> =
            (0..trials).map(|_| (0..n).map(|_| normal()).collect()).collect();
        let covered = samples.iter().enumerate().filter(|(i, sample)| {
            let resamples = Resamples::new(&[n], 500, &mut random::stream(12, *i as u64));
            let found = resamples.mean(sample);
            found.low <= 0.0 && 0.0 <= found.high
        });
        let got = covered.count() as f64 / f64::from(trials);
        let allowed = 4.0 * (want * (1.0 - want) / f64::from(trials)).sqrt();
        assert!((got - want).abs() < allowed, "{n} runs: {got}, theory {want}, allowed {allowed}");
    }
}

/// Pairs on the same seeds: what the seeds share goes out of the difference.
#[test]
fn paired_differences_know_what_seeds_share() {
    let mut rng = random::stream(5, 0);
    let luck: Vec<f64> = (0..20).map(|_| 10.0 * rng.random::<f64>()).collect();
    let baseline = luck.clone();
    let own: Vec<f64> = luck.iter().map(|l| l + 1.0 + 0.1 * rng.random::<f64>()).collect();
    let pairs = Resamples::new(&[20], 2000, &mut rng);
    let gain = pairs.interval(|draw| {
        draw.iter().map(|&i| own[i] - baseline[i]).sum::<f64>() / draw.len() as f64
    });
    assert!(gain.low > 1.0 && gain.high < 1.1, "{gain:?}");
    let apart = Resamples::new(&[20, 20], 2000, &mut rng);
    let both = [own.clone(), baseline.clone()].concat();
    let gain = apart.of(&both, |draw| mean(&draw[..20]) - mean(&draw[20..]));
    assert!(gain.low < 0.0 && gain.high > 2.0, "{gain:?}");
}

#[test]
fn draws_follow_from_the_seed_and_stay_in_their_stratum() {
    let interval = |seed, values: &[f64]| {
        Resamples::new(&[values.len()], 200, &mut random::stream(seed, 0)).of(values, iqm)
    };
    let values = [3.0, 1.0, 4.0, 1.5, 9.0, 2.6];
    assert_eq!(interval(1, &values), interval(1, &values));
    assert_ne!(interval(1, &values), interval(2, &values));
    let one = interval(1, &[0.25]);
    assert_eq!(one, Interval { point: 0.25, low: 0.25, high: 0.25 });

    let strata = Resamples::new(&[2, 3], 500, &mut random::stream(1, 0));
    let firsts = strata.interval(|draw| {
        assert!(draw[..2].iter().all(|&i| i < 2) && draw[2..].iter().all(|&i| (2..5).contains(&i)));
        assert_eq!(draw.len(), 5);
        draw[4] as f64
    });
    assert_eq!((firsts.low, firsts.high), (2.0, 4.0));
}

#[test]
fn draws_without_the_statistic_are_left_out() {
    let resamples = Resamples::new(&[3], 500, &mut random::stream(1, 0));
    let first = |draw: &[usize]| draw.contains(&0).then_some(draw.len() as f64);
    let found = resamples.interval_if(first).unwrap();
    assert_eq!(found, Interval { point: 3.0, low: 3.0, high: 3.0 });
    assert_eq!(resamples.interval_if(|_| None), None);
}
