//! The heads of DQN's network: one, or the two of dueling networks.

use networks::exec::fused_cpu::{Plan, Real, Rows};
use tch::{Kind, Tensor};

use crate::algorithms::value_rows::{Row, ValueRows};

/// Heads to outputs of each action, `[B, A, W]`; two heads are advantages and value (dueling eq. 9).
pub(super) fn per_action(heads: &[Tensor], width: i64) -> Tensor {
    let split = |t: &Tensor| t.view([t.size()[0], -1, width]);
    match heads {
        [q] => split(q),
        [advantage, value] => {
            let (advantage, value) = (split(advantage), split(value));
            &value + &advantage - advantage.mean_dim(Some([1i64].as_slice()), true, None::<Kind>)
        }
        _ => unreachable!("DQN asks for one or two heads"),
    }
}

/// [`per_action`] of row `r` of a plan's outputs, `[A W]`.
pub(super) fn per_action_row<T: Real>(
    value: &ValueRows<T>,
    plan: &Plan<T>,
    rows: &Rows,
    r: usize,
    to: Row<'_, T>,
) {
    let first = plan.output(0).row(rows, r);
    if plan.outputs() == 1 {
        for (to, x) in to.iter().zip(first) {
            to.set(x.get());
        }
        return;
    }
    let (state, width) = (plan.output(1).row(rows, r), value.width());
    let actions = T::of((first.len() / width) as f64);
    for (w, state) in state.iter().enumerate() {
        let mut sum = T::of(0.0);
        for advantage in first.chunks_exact(width) {
            sum = sum + advantage[w].get();
        }
        let mean = sum / actions;
        for (to, advantage) in to.chunks_exact(width).zip(first.chunks_exact(width)) {
            to[w].set(state.get() + advantage[w].get() - mean);
        }
    }
}

/// The first of the actions with the largest expected return, of outputs `[A W]`; `probs`, `[W]`, is for probabilities.
pub(super) fn best_action<T: Real>(
    value: &ValueRows<T>,
    q: Row<'_, T>,
    probs: Row<'_, T>,
) -> usize {
    let mut best: Option<(usize, T)> = None;
    for (a, outputs) in q.chunks_exact(value.width()).enumerate() {
        let mean = value.mean(outputs, probs);
        // NaN is the largest of all, as in an argmax of tensors.
        if best.is_none_or(|(_, most)| mean > most || mean.wide().is_nan()) {
            best = Some((a, mean));
        }
    }
    best.map_or(0, |(a, _)| a)
}
