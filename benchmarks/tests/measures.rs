//! Measures of a run against the golden file's `rl_cl_metrics`, and by hand.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

use std::{fs, path::Path};

use benchmarks::{
    measures::{
        average_final, backward_transfer, final_performance, forgetting, forgetting_on_return,
        forward_transfer, mean_after_first, plasticity_gap, recovery, slope, tail, task_ends,
        task_means,
    },
    score::Score,
    stats::mean,
};
use serde_json::Value;

fn golden() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../networks/tests/golden/vectors_plasticity.json");
    let file: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    file["rl_cl_metrics"].clone()
}

fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

#[track_caller]
fn close(got: Option<f64>, want: f64) {
    let got = got.unwrap_or(f64::NAN);
    assert!((got - want).abs() < 1e-12, "{got}, wanted {want}");
}

#[test]
fn matrix_measures_are_the_golden_ones() {
    let golden = &golden()["cl"];
    // There: a row for each task, a column for the start and for the end of each task.
    let columns: Vec<Vec<f64>> =
        golden["eval_matrix"].as_array().unwrap().iter().map(numbers).collect();
    let row = |i: usize| columns.iter().map(|c| c[i]).collect::<Vec<f64>>();
    // The first column is of an agent that has learned nothing.
    let matrix = vec![row(1), row(2), row(3)];
    let want = |key: &str| golden[key].as_f64().unwrap();
    close(average_final(&matrix), want("average_final"));
    close(forgetting(&matrix, 0), want("forgetting_cw"));
    close(backward_transfer(&matrix, 0), want("backward_transfer"));
}

/// The golden areas are trapezoids between points; a bin's mean is the middle of its two.
#[test]
fn forward_transfer_is_the_golden_one() {
    let golden = &golden()["forward_transfer"];
    let bins = |key: &str| -> Vec<f64> {
        numbers(&golden[key]).windows(2).map(|p| f64::midpoint(p[0], p[1])).collect()
    };
    let [own, reference] = ["curve", "reference"].map(|key| task_means(&bins(key), 5));
    close(Some(own[0]), golden["auc"].as_f64().unwrap());
    close(Some(reference[0]), golden["auc_ref"].as_f64().unwrap());
    close(forward_transfer(&own, &reference), golden["ft_cw"].as_f64().unwrap());
}

#[test]
fn forward_transfer_leaves_out_tasks_with_nothing_to_gain() {
    close(forward_transfer(&[0.75, 2.0, 0.25], &[0.5, 1.0, 0.5]), f64::midpoint(0.5, -0.5));
    assert_eq!(forward_transfer(&[0.5], &[1.0]), None);
}

#[test]
fn tails_are_whole_points_and_never_empty() {
    let points: Vec<f64> = (0..30).map(f64::from).collect();
    assert_eq!(tail(&points, 0.1), [27.0, 28.0, 29.0]);
    assert_eq!(tail(&points[..24], 0.1), [22.0, 23.0]);
    assert_eq!(tail(&points, 1.0), points);
    assert_eq!(tail(&points[..4], 0.1), [3.0]);
    assert_eq!(final_performance(&points, 0.1), 28.0);
}

#[test]
fn tasks_have_means_and_ends_and_a_broken_one_has_none() {
    let curve = [0.0, 2.0, 4.0, 6.0, 1.0, 1.0, 1.0, 9.0, 5.0];
    assert_eq!(task_means(&curve, 4), [3.0, 3.0]);
    assert_eq!(task_ends(&curve, 4, 0.5), [5.0, 5.0]);
    assert_eq!(task_ends(&curve, 4, 0.1), [6.0, 9.0]);
    assert_eq!(task_means(&curve[..3], 4), [0.0; 0]);
}

#[test]
fn recovery_counts_points_until_nine_tenths_are_back() {
    // 0.9 is there at the third point: two points before it.
    close(recovery(&[0.0, 0.5, 0.5, 1.0, 0.0, 0.89, 0.91, 1.0], 4, 0.25), 2.0);
    // Nothing was lost.
    close(recovery(&[0.0, 0.5, 0.5, 1.0, 0.95, 0.0, 0.0, 0.0], 4, 0.25), 0.0);
    // Never: all four. And the next task is held to the end of that one, 0.5.
    let curve = [1.0, 1.0, 1.0, 1.0, 0.2, 0.3, 0.4, 0.5, 0.1, 0.45, 0.5, 0.5];
    close(recovery(&curve, 4, 0.25), f64::midpoint(4.0, 1.0));
    // An end below zero: -1.1 is as far below -1 as 0.9 is below 1.
    close(recovery(&[-1.0, -1.0, -1.2, -1.09], 2, 0.5), 1.0);
    assert_eq!(recovery(&[0.0, 1.0], 2, 0.5), None);
    // A last task that is not whole has no recovery.
    assert_eq!(recovery(&[0.0, 1.0, 1.0], 2, 0.5), None);
}

#[test]
fn slopes_are_least_squares_within_each_task() {
    close(slope(&[1.0, 2.0, 4.0], 0), 1.5);
    close(slope(&[5.0, 4.0, 3.0, 2.0], 0), -1.0);
    // An easy and a hard one in turns, both losing 1 each time they come back, which is every second
    // task: a half for each.
    close(slope(&[100.0, 3.0, 99.0, 2.0, 98.0, 1.0], 2), -0.5);
    assert_eq!(slope(&[1.0], 0), None);
    assert_eq!(slope(&[1.0, 7.0, 3.0], 3), None);
}

#[test]
fn the_gap_is_of_the_tasks_after_the_first() {
    close(plasticity_gap(&[9.0, 2.0, 1.0], &[0.0, 3.0, 4.0]), 2.0);
    // A run that is shorter has a gap of the tasks it has.
    close(plasticity_gap(&[9.0, 2.0], &[0.0, 3.0, 4.0]), 1.0);
    assert_eq!(plasticity_gap(&[9.0], &[0.0]), None);
}

/// Two tasks, each learned twice: what counts is the last visit.
#[test]
fn a_task_that_comes_back_is_forgotten_from_its_last_visit() {
    let matrix = vec![vec![0.9, 0.1], vec![0.2, 0.8], vec![1.0, 0.5], vec![0.7, 0.6]];
    close(forgetting(&matrix, 2), f64::midpoint(1.0 - 0.7, 0.0));
    close(backward_transfer(&matrix, 2), 0.7 - 1.0);
    // Three visits: task 0 was the last, task 1 is judged.
    close(backward_transfer(&matrix[..3], 2), 0.5 - 0.8);
    close(forgetting(&matrix[..3], 2), f64::midpoint(0.0, 0.8 - 0.5));
}

/// Evaluations of the tasks seen so far are enough; one that is missing where it is needed is not.
#[test]
fn a_matrix_may_end_at_the_diagonal_but_have_no_holes() {
    let matrix = vec![vec![0.9], vec![0.2, 0.8]];
    close(forgetting(&matrix, 0), f64::midpoint(0.9 - 0.2, 0.0));
    close(backward_transfer(&matrix, 0), 0.2 - 0.9);
    close(mean_after_first(&[9.0, 1.0, 2.0]), 1.5);
    assert_eq!((mean_after_first(&[9.0]), mean_after_first(&[])), (None, None));
    assert_eq!(forgetting(&[vec![0.9], vec![]], 0), None);
    assert_eq!(forgetting(&[], 0), None);
    assert_eq!(backward_transfer(&[], 2), None);
    assert_eq!(backward_transfer(&[vec![1.0]], 0), None);
    assert_eq!(average_final(&[]), None);
}

#[test]
fn without_a_matrix_forgetting_is_seen_when_a_task_comes_back() {
    // Ends 10, 20, 8; the third visit is of task 0 again and starts at 4: 6 are gone. The fourth is of
    // task 1 and starts at 21: one more than before.
    let curve = [0.0, 10.0, 5.0, 20.0, 4.0, 8.0, 21.0, 22.0];
    close(forgetting_on_return(&curve, 2, 0.5, 2), f64::midpoint(6.0, -1.0));
    assert_eq!(forgetting_on_return(&curve, 2, 0.5, 0), None);
    assert_eq!(forgetting_on_return(&curve[..4], 2, 0.5, 2), None);
}

/// Errors turn their sign in one place, and then everything else is as it is for returns.
#[test]
fn errors_are_turned_and_normalised() {
    let text =
        r#"{"metric": "stream/error", "lower_is_better": true, "bin": 1, "low": 2.0, "high": 0.5}"#;
    let score: Score = serde_json::from_str(text).unwrap();
    score.validate().unwrap();
    let errors = [2.0, 0.5, 1.25, 0.5];
    let normalised: Vec<f64> = errors.iter().map(|e| score.normalise(*e)).collect();
    assert_eq!(normalised, [0.0, 1.0, 0.5, 1.0]);
    close(recovery(&normalised, 2, 0.5), 1.0);
    let turned: Vec<f64> = errors.iter().map(|e| score.oriented(*e)).collect();
    close(slope(&turned[..2], 0), 1.5);
    assert_eq!(score.oriented(mean(&turned)), mean(&errors));

    let upside_down = Score { low: 0.5, high: 2.0, ..score.clone() };
    let error = upside_down.validate().unwrap_err();
    assert_eq!(
        error,
        "score.high, 2, must be below score.low, 0.5: less is better, and high counts as 1"
    );
    let error = Score { lower_is_better: false, ..score }.validate().unwrap_err();
    assert!(error.starts_with("score.high, 0.5, must be above score.low, 2"), "{error}");
}
