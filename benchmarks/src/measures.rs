//! What is measured of one run: pure functions of its curve (one value for each bin of
//! [`Score::bin`](crate::score::Score::bin) steps) and of its evaluation matrix.
//!
//! **More is better** in all of them: curves of errors come with their sign turned
//! ([`Score::oriented`](crate::score::Score::oriented)). Curves have at least one point.
//!
//! Continual World's measures are those of Wolczyk et al. 2021 (arXiv 2105.10919, section 4.2);
//! transfer without training is CORA's (Powers et al. 2022, arXiv 2110.10067) without its scale.
//!
//! `per_task` is the number of points of one task. A last task that is not whole is in no measure of
//! tasks. `tasks` is the number of different tasks, 0 if none comes back.

use crate::stats::mean;

/// The share of the end of a task before that counts as recovered.
pub const RECOVERED: f64 = 0.9;

/// The last `share` of `points`, to the nearest whole number of them and at least one.
pub fn tail(points: &[f64], share: f64) -> &[f64] {
    let wanted = (points.len() as f64 * share).round() as usize;
    &points[points.len() - wanted.max(1).min(points.len())..]
}

/// Mean of the last `share` of a curve.
pub fn final_performance(curve: &[f64], share: f64) -> f64 {
    mean(tail(curve, share))
}

/// Mean over each task: the area below its curve when a task is one unit long.
pub fn task_means(curve: &[f64], per_task: usize) -> Vec<f64> {
    curve.chunks_exact(per_task.max(1)).map(mean).collect()
}

/// Mean over the last `share` of each task.
pub fn task_ends(curve: &[f64], per_task: usize, share: f64) -> Vec<f64> {
    curve.chunks_exact(per_task.max(1)).map(|task| final_performance(task, share)).collect()
}

/// Mean over tasks after the first, which every agent learns as a new one. `None` without one.
pub fn mean_after_first(of_tasks: &[f64]) -> Option<f64> {
    some_mean(of_tasks.get(1..)?)
}

/// Points after a change of the task before the first one that reaches [`RECOVERED`] of the end of the
/// task before, averaged over changes; all points of a task where none does, which is the least it
/// can be. Of *normalised* curves, since a share needs a zero; of an end below zero it is as far
/// below that end. `None` without a change.
pub fn recovery(curve: &[f64], per_task: usize, share: f64) -> Option<f64> {
    let ends = task_ends(curve, per_task, share);
    let visits = curve.chunks_exact(per_task.max(1)).skip(1);
    let waits: Vec<f64> = visits
        .zip(&ends)
        .map(|(visit, end)| {
            let target = end - (1.0 - RECOVERED) * end.abs();
            visit.iter().position(|&p| p >= target).unwrap_or(per_task) as f64
        })
        .collect();
    some_mean(&waits)
}

/// Least-squares change of `ends` from one task to the next. Where tasks come back, each has a level of
/// its own, so that it does not matter which of them are easy. `None` if nothing can be compared: less
/// than two tasks, or none that came back.
pub fn slope(ends: &[f64], tasks: usize) -> Option<f64> {
    let different = if tasks == 0 { 1 } else { tasks };
    let (mut covariance, mut variance) = (0.0, 0.0);
    for task in 0..different {
        let visits: Vec<(f64, f64)> =
            (task..ends.len()).step_by(different).map(|i| (i as f64, ends[i])).collect();
        let (times, levels): (Vec<f64>, Vec<f64>) = visits.iter().copied().unzip();
        let (time, level) = (mean(&times), mean(&levels));
        for (t, p) in visits {
            covariance += (t - time) * (p - level);
            variance += (t - time).powi(2);
        }
    }
    (variance > 0.0).then(|| covariance / variance)
}

/// What an agent that is new at each task has more than the continual one, averaged over the tasks
/// after the first that both have. `None` if there are none.
pub fn plasticity_gap(task_means: &[f64], fresh: &[f64]) -> Option<f64> {
    let gaps: Vec<f64> = task_means.iter().zip(fresh).skip(1).map(|(own, new)| new - own).collect();
    some_mean(&gaps)
}

/// Continual World's forward transfer: `(AUC - AUC_fresh) / (1 - AUC_fresh)` averaged over tasks, of
/// normalised means over tasks. A task that leaves a fresh agent nothing to gain, `AUC_fresh >= 1`, has
/// no transfer and is left out. `None` if no task is left.
pub fn forward_transfer(task_means: &[f64], fresh: &[f64]) -> Option<f64> {
    let transfers: Vec<f64> = task_means
        .iter()
        .zip(fresh)
        .filter(|(_, reference)| **reference < 1.0)
        .map(|(own, reference)| (own - reference) / (1.0 - reference))
        .collect();
    some_mean(&transfers)
}

/// Mean performance on all tasks after the last one. `matrix[i][j]` is the performance on task `j` after
/// task `i` was learned.
pub fn average_final(matrix: &[Vec<f64>]) -> Option<f64> {
    some_mean(matrix.last()?)
}

/// Performance on a task at the end of its last visit less that at the end of everything, averaged over
/// the tasks that were learned; that of the last one is 0, and counts. (Continual World's forgetting.)
pub fn forgetting(matrix: &[Vec<f64>], tasks: usize) -> Option<f64> {
    some_mean(&losses(matrix, tasks)?)
}

/// Performance on a task at the end of everything less that at the end of its last visit, averaged over
/// the tasks that were learned but the last one.
pub fn backward_transfer(matrix: &[Vec<f64>], tasks: usize) -> Option<f64> {
    let last = matrix.len().checked_sub(1)? % different(matrix, tasks);
    let losses = losses(matrix, tasks)?;
    let others: Vec<f64> =
        losses.iter().enumerate().filter(|(task, _)| *task != last).map(|(_, l)| -l).collect();
    some_mean(&others)
}

/// Forgetting where there is no matrix, but tasks come back: the end of a visit less the first point of
/// the next visit of that task, averaged over returns. The first point has some learning in it, so it is
/// at most what was forgotten. `None` if no task came back.
pub fn forgetting_on_return(
    curve: &[f64],
    per_task: usize,
    share: f64,
    tasks: usize,
) -> Option<f64> {
    if tasks == 0 {
        return None;
    }
    let ends = task_ends(curve, per_task, share);
    let returns = curve.chunks_exact(per_task.max(1)).skip(tasks);
    some_mean(&returns.zip(&ends).map(|(visit, end)| end - visit[0]).collect::<Vec<_>>())
}

/// For each task, its last visit's end less the end of everything. `None` where the matrix has no rows
/// or an entry that is needed is missing.
fn losses(matrix: &[Vec<f64>], tasks: usize) -> Option<Vec<f64>> {
    let end = matrix.last()?;
    let different = different(matrix, tasks);
    (0..different)
        .map(|task| {
            let visit = (task..matrix.len()).step_by(different).next_back()?;
            Some(matrix[visit].get(task)? - end.get(task)?)
        })
        .collect()
}

/// Different tasks among those that were learned.
fn different(matrix: &[Vec<f64>], tasks: usize) -> usize {
    if tasks == 0 { matrix.len() } else { tasks.min(matrix.len()) }
}

fn some_mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| mean(values))
}
