//! A step that the threads which compute gradients can make at once, each of the parameters whose gradients it has.

use std::ops::Range;

use super::{
    simd::{Isa, Real},
    step::{Adam, AdamNumbers, Average, UnitRows},
};
use crate::params::ParamId;

/// A step of all parameters that is nothing but Adam, unit rows where there are any, and a target that follows.
#[derive(Debug)]
pub struct PlainStep<T> {
    /// By parameter.
    pub(crate) params: Vec<Option<ParamStep<T>>>,
}

/// Of one parameter.
#[derive(Debug)]
pub(crate) struct ParamStep<T> {
    pub(crate) value: *mut T,
    pub(crate) grad: *const T,
    pub(crate) moments: [*mut T; 2],
    /// Elements of a row.
    pub(crate) width: usize,
    pub(crate) numbers: AdamNumbers<T>,
    pub(crate) corrections: [T; 2],
    /// The least that a row's norm counts, if rows have unit norm.
    pub(crate) unit_rows: Option<T>,
    /// The target's value and how far it follows.
    pub(crate) target: Option<(*mut T, T)>,
}

// SAFETY: the tensors behind the pointers outlive the step, and its tasks are about different rows.
unsafe impl<T: Send> Send for PlainStep<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for PlainStep<T> {}

impl<T: Real> PlainStep<T> {
    fn param(&self, id: ParamId) -> &ParamStep<T> {
        self.params[id.0].as_ref().expect("a learned parameter")
    }

    /// Where the parameter is.
    pub(crate) fn value(&self, id: ParamId) -> *const T {
        self.param(id).value
    }

    /// Where the target's is; null without one.
    pub(crate) fn target(&self, id: ParamId) -> *const T {
        self.param(id).target.map_or(std::ptr::null(), |(target, _)| target.cast_const())
    }

    /// Steps these rows.
    pub(crate) fn run(&self, isa: Isa, id: ParamId, rows: Range<usize>) {
        let p = self.param(id);
        let (from, n) = (rows.start * p.width, rows.len() * p.width);
        // SAFETY: rows of this parameter.
        unsafe {
            let value = p.value.add(from);
            isa.run(Adam {
                value,
                grad: p.grad.add(from),
                moments: p.moments.map(|m| m.add(from)),
                n,
                numbers: p.numbers,
                corrections: p.corrections,
                each: [std::ptr::null(); 2],
            });
            if let Some(eps) = p.unit_rows {
                isa.run(UnitRows { from: value, rows: rows.len(), width: p.width, eps });
            }
            if let Some((target, weight)) = p.target {
                isa.run(Average { to: target.add(from), from: value, n, weight });
            }
        }
    }
}
