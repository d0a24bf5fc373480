//! The step of a model without interventions as numbers, for threads that step each parameter as soon as they have its
//! gradient.

use tch::{Tensor, no_grad_guard};

use super::{FrozenNetwork, Model, StepStats};
use crate::{
    exec::fused_cpu::{ParamStep, PlainStep, Real, numbers_at},
    fused,
    interventions::Clock,
    params::{Param, ROW_EPS, Role},
};

impl Model {
    /// The next step, if it is nothing but Adam without clipping, rows back to unit norm, and `target` that follows by an
    /// average with this weight. Counts it as made: make it, then call [`Model::stepped`]. `grads` are in the order of
    /// [`Params::trainable`](crate::params::Params::trainable), and need not be there yet.
    ///
    /// `None` where more happens in a step, or is looked at: [`Model::apply`] does that, with the same bits.
    ///
    /// # Panics
    /// If there is not a gradient for each learned parameter, or one is of another kind than `T`.
    pub fn plain_step<T: Real>(
        &mut self,
        grads: &[Tensor],
        clock: Clock,
        target: Option<(&FrozenNetwork, f64)>,
    ) -> Option<PlainStep<T>> {
        if clock.look || !self.interventions.is_empty() {
            return None;
        }
        let (numbers, corrections) = self.optim.plain_step(&self.params, clock.task)?;
        self.params.fresh.clear();
        let mut grads = grads.iter();
        let of = |(id, p): (_, &Param)| {
            if !p.role.is_trainable() {
                return None;
            }
            let grad = grads.next().expect("a gradient for each learned parameter");
            let rows = p.value.size().first().map_or(1, |&n| n as usize);
            Some(ParamStep {
                value: numbers_at(&p.value),
                grad: numbers_at(grad),
                moments: [&p.moments[0], &p.moments[1]].map(numbers_at),
                width: p.value.numel() / rows.max(1),
                numbers: numbers(p),
                corrections: corrections.map(|c| T::of(c)),
                unit_rows: (p.role == Role::Hyperspherical).then(|| T::of(ROW_EPS)),
                target: target.map(|(t, weight)| (numbers_at(t.params.get(id)), T::of(weight))),
            })
        };
        Some(PlainStep { params: self.params.iter().map(of).collect() })
    }

    /// That the step of [`Model::plain_step`] was made, with these gradients.
    pub fn stepped(
        &self,
        loss: f64,
        grads: &[Tensor],
        clock: Clock,
        target: Option<&FrozenNetwork>,
    ) -> StepStats {
        for params in [Some(&self.params), target.map(|t| &t.params)].into_iter().flatten() {
            fused::changed_(&params.trainable().map(|p| &p.value).collect::<Vec<_>>());
        }
        debug_assert!(self.rows_are_unit(), "rows of {} left the sphere", self.name);
        let grad_norm = clock.log.then(|| {
            let _guard = no_grad_guard();
            fused::global_norm(&grads.iter().collect::<Vec<_>>()).double_value(&[])
        });
        StepStats { loss, terms: Vec::new(), grad_norm, layers: Vec::new() }
    }
}
