//! The numbers of studies, by hand where there is one run, and what they mean where there are several.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

use std::{collections::BTreeMap, path::PathBuf};

use benchmarks::{
    score::Score,
    study::{Anchor, Method, Run, Study},
    summary::{Interval, Measure, MethodSummary, Summary},
};
use networks::random;
use rand::RngExt;

fn score(bin: u64, task_steps: u64) -> Score {
    Score {
        metric: "train/episode_return".to_owned(),
        lower_is_better: false,
        bin,
        task_steps,
        tasks: 0,
        low: 0.0,
        high: 10.0,
        final_share: 0.1,
        beside: Vec::new(),
    }
}

fn run(seed: u64, curve: &[f64]) -> Run {
    Run {
        seed,
        dir: PathBuf::new(),
        curve: curve.to_vec(),
        matrix: Vec::new(),
        beside: BTreeMap::new(),
        wall_s: 1.0,
    }
}

fn method(name: &str, runs: Vec<Run>) -> Method {
    Method {
        name: name.to_owned(),
        about: String::new(),
        baseline: name == "baseline",
        fresh: name == "fresh",
        anchor: None,
        config: String::new(),
        runs,
    }
}

fn study(score: Score, methods: Vec<Method>) -> Study {
    Study {
        name: "made/up".to_owned(),
        title: String::new(),
        about: String::new(),
        source: String::new(),
        expected: String::new(),
        score,
        methods,
        failures: Vec::new(),
    }
}

fn point(row: &MethodSummary, measure: Measure) -> Option<f64> {
    let found = row.measures.iter().find(|(m, _)| *m == measure).unwrap();
    found.1.map(|interval| interval.point)
}

#[track_caller]
fn close(got: Option<f64>, want: f64) {
    let got = got.unwrap_or(f64::NAN);
    assert!((got - want).abs() < 1e-12, "{got}, wanted {want}");
}

/// Two tasks of two bins of 5 steps, `low` 0 and `high` 10, one run: all by hand.
fn by_hand(lower_is_better: bool) -> Study {
    // Errors are ten less returns.
    let turn = |v: &[f64]| -> Vec<f64> {
        v.iter().map(|p| if lower_is_better { 10.0 - p } else { *p }).collect()
    };
    let mut own = run(1, &turn(&[4.0, 8.0, 2.0, 4.0]));
    own.matrix = vec![turn(&[8.0, 0.0]), turn(&[5.0, 4.0])];
    let mut methods = vec![
        method("baseline", vec![run(1, &turn(&[4.0, 6.0, 1.0, 3.0]))]),
        method("own", vec![own]),
        method("fresh", vec![run(1, &turn(&[4.0, 8.0, 4.0, 8.0]))]),
    ];
    methods[1].anchor =
        Some(Anchor { mean: if lower_is_better { 9.0 } else { 1.0 }, se: 1.0, seeds: 8 });
    let mut score = score(5, 10);
    score.final_share = 0.25;
    if lower_is_better {
        (score.lower_is_better, score.low, score.high) = (true, 10.0, 0.0);
    }
    study(score, methods)
}

#[test]
fn one_run_is_summed_up_by_hand() {
    for errors in [false, true] {
        let study = by_hand(errors);
        let summary = Summary::of(&study);
        let turn = |p: f64| if errors { 10.0 - p } else { p };
        let [baseline, own, fresh] = summary.methods.as_slice() else { panic!() };
        close(point(own, Measure::Average), turn(4.5));
        close(point(own, Measure::Final), turn(4.0));
        close(point(own, Measure::Iqm), 0.4);
        close(point(own, Measure::OptimalityGap), 0.6);
        close(point(own, Measure::TaskEnds), turn(4.0));
        close(point(own, Measure::AllTasks), turn(4.5));
        // 90 % of 0.8 is never reached: both bins of 5 steps.
        close(point(own, Measure::Recovery), 10.0);
        close(point(own, Measure::Slope), -4.0);
        close(point(own, Measure::PlasticityGap), 6.0 - 3.0);
        close(point(own, Measure::Forgetting), f64::midpoint(3.0, 0.0));
        close(point(own, Measure::BackwardTransfer), -3.0);
        close(point(own, Measure::ForwardTransfer), f64::midpoint(0.0, (0.3 - 0.6) / 0.4));
        close(own.final_gain.map(|i| i.point), 1.0);
        close(own.average_gain.map(|i| i.point), 1.0);
        assert_eq!(own.improvement, Some(Interval { point: 1.0, low: 1.0, high: 1.0 }));
        // The spread of one run is the anchor's, sqrt(8); of the difference, 3.
        let (end, distance) = own.anchor.unwrap();
        close(Some(end), turn(4.0));
        close(Some(distance), 1.0);
        let share =
            |level: f64| own.profile[summary.levels.iter().position(|l| *l == level).unwrap()];
        assert_eq!((share(0.375).point, share(0.4).point), (1.0, 0.0));
        let curve: Vec<f64> = summary.curves[1].iter().map(|i| i.point).collect();
        assert_eq!(curve, [4.0, 8.0, 2.0, 4.0].map(turn));
        assert_eq!(
            summary.tasks[1].iter().map(|i| i.point).collect::<Vec<_>>(),
            [6.0, 3.0].map(turn)
        );
        assert_eq!((baseline.final_gain, baseline.improvement), (None, None));
        assert_eq!(baseline.anchor, None);
        // Without a matrix, and tasks that do not come back.
        assert_eq!(point(baseline, Measure::Forgetting), None);
        assert_eq!(point(fresh, Measure::PlasticityGap), None);
        // With one run each interval is its point.
        let all = own.measures.iter().filter_map(|(_, i)| *i).chain(own.profile.iter().copied());
        assert!(all.chain(own.final_gain).all(|i| i.low == i.point && i.high == i.point));
        // Of this better curve each measure that counts has the better sign.
        for (measure, mine) in &own.measures {
            let (Some(mine), Some(other)) = (mine, point(baseline, *measure)) else { continue };
            let better = measure.more_is_better(&study.score);
            let same = [Measure::Recovery, Measure::Slope].contains(measure);
            assert!(same || better == (mine.point > other), "{measure:?} {errors}");
        }
    }
}

#[test]
fn measures_without_meaning_are_none() {
    let summary = Summary::of(&study(
        score(10, 0),
        vec![
            method("fresh", vec![run(1, &[1.0, 2.0])]),
            method("other", vec![run(2, &[1.0, 4.0])]),
            method("empty", Vec::new()),
        ],
    ));
    let with = [Measure::Average, Measure::Final, Measure::Iqm, Measure::OptimalityGap];
    for (measure, found) in &summary.methods[1].measures {
        assert_eq!(found.is_some(), with.contains(measure), "{measure:?}");
    }
    let empty = &summary.methods[2];
    assert!(empty.measures.iter().all(|(_, i)| i.is_none()) && empty.runs == 0);
    assert!(summary.curves[2].is_empty() && empty.profile.is_empty());
}

/// Gains are of the seeds that both have; the probability is of all runs.
#[test]
fn gains_are_paired_by_seed() {
    let baseline = vec![run(1, &[1.0]), run(2, &[5.0]), run(3, &[9.0])];
    let own = vec![run(3, &[9.5]), run(4, &[0.0]), run(2, &[5.5])];
    let apart = vec![run(8, &[5.0])];
    let methods = vec![method("baseline", baseline), method("own", own), method("apart", apart)];
    let summary = Summary::of(&study(score(10, 0), methods));
    let own = &summary.methods[1];
    assert_eq!(own.final_gain, Some(Interval { point: 0.5, low: 0.5, high: 0.5 }));
    close(own.improvement.map(|i| i.point), 5.0 / 9.0);
    let apart = &summary.methods[2];
    assert_eq!(apart.final_gain, None);
    close(apart.improvement.map(|i| i.point), 0.5);
}

/// What a run shares with its seed is no uncertainty of the gap, nor of the transfer.
#[test]
fn gap_and_transfer_are_paired_by_seed() {
    let mut rng = random::stream(1, 0);
    let luck: Vec<f64> = (0..10).map(|_| rng.random_range(0.0..3.0)).collect();
    let runs = |minus: f64| -> Vec<Run> {
        let curve = |l: &f64| [*l, *l + 4.0, *l + 4.0 - minus, *l + 4.0 - minus];
        luck.iter().zip(1..).map(|(l, seed)| run(seed, &curve(l))).collect()
    };
    let mut own = runs(2.0);
    own.reverse();
    let methods = vec![method("own", own), method("fresh", runs(0.0))];
    let summary = Summary::of(&study(score(10, 20), methods));
    let of = |measure| {
        summary.methods[0].measures.iter().find(|(m, _)| *m == measure).unwrap().1.unwrap()
    };
    let gap = of(Measure::PlasticityGap);
    assert!((gap.low - 2.0).abs() < 1e-9 && (gap.high - 2.0).abs() < 1e-9, "{gap:?}");
    // Means over runs first: (0.2 less) / (1 - mean), half of it for two tasks.
    let reference = luck.iter().sum::<f64>() / 100.0 + 0.4;
    let transfer = of(Measure::ForwardTransfer);
    close(Some(transfer.point), -0.1 / (1.0 - reference));
    assert!(transfer.low < transfer.point && transfer.point < transfer.high, "{transfer:?}");
}

#[test]
fn studies_and_summaries_survive_json() {
    let study = by_hand(true);
    let text = serde_json::to_string(&study).unwrap();
    let back: Study = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&back).unwrap(), text);
    let summary = Summary::of(&study);
    let text = serde_json::to_string(&summary).unwrap();
    assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
    assert!(text.contains("\"plasticity_gap\""));
}

/// As large as reports get: 30 methods, 20 seeds, 100 bins, 10 tasks: the same numbers each
/// time, to the bit.
#[test]
fn large_summaries_are_the_same_each_time() {
    let mut rng = random::stream(2, 0);
    let methods = (0..30).map(|m| {
        let runs = (0..20).map(|seed| {
            run(seed, &(0..100).map(|_| rng.random_range(0.0..10.0)).collect::<Vec<_>>())
        });
        let runs = runs.collect();
        method(
            match m {
                0 => "baseline",
                1 => "fresh",
                _ => "other",
            },
            runs,
        )
    });
    let study = study(score(10, 100), methods.collect());
    let summary = Summary::of(&study);
    assert_eq!((summary.curves[29].len(), summary.tasks[29].len()), (100, 10));
    assert_eq!(summary, Summary::of(&study));
}
