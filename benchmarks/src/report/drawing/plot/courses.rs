//! Points of the lines of each figure, one line for each method.

use super::Course;
use crate::{
    study::Study,
    summary::{Interval, Summary},
};

/// Curves, at the ends of bins.
pub(in crate::report) fn of_curves(study: &Study, curves: &[Vec<Interval>]) -> Vec<Course> {
    points(curves, |k| (k as u64 + 1) as f64 * study.score.bin as f64)
}

/// Means of tasks, counted from 1.
pub(in crate::report) fn of_tasks(tasks: &[Vec<Interval>]) -> Vec<Course> {
    points(tasks, |k| (k + 1) as f64)
}

/// Performance profiles, over their levels.
pub(in crate::report) fn of_profiles(summary: &Summary) -> Vec<Course> {
    let profiles: Vec<Vec<Interval>> = summary.methods.iter().map(|m| m.profile.clone()).collect();
    let level = |k| summary.levels.get(k).copied();
    let lines = points(&profiles, |k: usize| level(k).unwrap_or(f64::NAN));
    lines
        .into_iter()
        .map(|line| line.into_iter().filter(|(x, _)| x.is_finite()).collect())
        .collect()
}

fn points(lists: &[Vec<Interval>], x: impl Fn(usize) -> f64) -> Vec<Course> {
    let course = |list: &Vec<Interval>| list.iter().enumerate().map(|(k, v)| (x(k), *v)).collect();
    lists.iter().map(course).collect()
}
