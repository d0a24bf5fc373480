//! Everything that a program's operations read and write.

use std::ops::Range;

use tch::Tensor;

use super::{
    matrix::Matrix,
    ops::{Op, Operation},
    packed::Packed,
    program::Program,
    simd::{Isa, Real},
};
use crate::params::{ParamId, Params};

/// One parameter, as the tensors that hold it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound<T> {
    pub(crate) value: *const T,
    /// Where its gradient goes; null for what is not learned or not wanted.
    pub(crate) grad: *mut T,
}

/// Activations, their gradients, and where parameters are, for one program and a largest batch.
#[derive(Debug)]
pub(crate) struct Buffers<T> {
    pub(crate) isa: Isa,
    /// By slot.
    pub(crate) values: Vec<Matrix<T>>,
    /// Gradients of the loss, by slot.
    pub(crate) grads: Vec<Matrix<T>>,
    /// What operations keep for the way back, by operation.
    pub(crate) memory: Vec<Matrix<T>>,
    /// Copies of weights in the order that products read them, by operation.
    pub(crate) packed: Vec<Option<Packed<T>>>,
    /// By parameter.
    pub(crate) params: Vec<Bound<T>>,
    pub(crate) input: usize,
    /// Columns of the input whose gradient can be asked for.
    pub(crate) input_columns: Range<usize>,
}

// SAFETY: pointers are to tensors of the parameters and gradients that the plan was bound to, which outlive every
// pass; rows and tasks that run at the same time are disjoint.
unsafe impl<T: Send> Send for Buffers<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Buffers<T> {}

impl<T: Real> Buffers<T> {
    pub(crate) fn new(
        program: &Program,
        isa: Isa,
        batch: usize,
        learns: bool,
        input_columns: Range<usize>,
        params: &Params,
    ) -> Self {
        let shaped = |rows: usize| program.widths.iter().map(move |&w| Matrix::new(rows, w));
        let memory = program.ops.iter().map(|op| Matrix::new(batch, op.memory())).collect();
        let mut buffers = Buffers {
            isa,
            values: shaped(batch).collect(),
            grads: shaped(if learns { batch } else { 0 }).collect(),
            memory,
            packed: Vec::new(),
            params: Vec::new(),
            input: program.input.0,
            input_columns,
        };
        buffers.packed = program
            .ops
            .iter()
            .map(|op| match op {
                Op::Linear(linear) => {
                    let columns = if linear.x.0 == buffers.input {
                        buffers.input_columns.clone()
                    } else {
                        0..program.widths[linear.x.0]
                    };
                    let columns = if learns { columns } else { 0..0 };
                    let size = params.get(linear.weight).size();
                    Some(Packed::new(
                        size[0] as usize,
                        size[1] as usize,
                        columns,
                        linear.bias.is_some(),
                    ))
                }
                _ => None,
            })
            .collect();
        buffers
    }

    /// Takes the places of parameters, and copies of weights that have changed since. `grads` are those of
    /// [`Params::trainable`], in order; none where no gradient is wanted.
    pub(crate) fn bind(&mut self, program: &Program, params: &Params, grads: &[Tensor]) {
        self.params.clear();
        let mut grads = grads.iter();
        for (_, param) in params.iter() {
            let value = param.value.data_ptr().cast_const().cast();
            let grad = if param.role.is_trainable() { grads.next() } else { None };
            let grad = grad.map_or(std::ptr::null_mut(), |grad| grad.data_ptr().cast());
            self.params.push(Bound { value, grad });
        }
        let isa = self.isa;
        self.each_packed(program, params, |packed, weight, bias| packed.refresh(isa, weight, bias));
    }

    /// That the copies are those of `params` as they are.
    pub(crate) fn is_packed(&mut self, program: &Program, params: &Params) {
        self.each_packed(program, params, Packed::is_packed);
    }

    fn each_packed(
        &mut self,
        program: &Program,
        params: &Params,
        f: impl Fn(&mut Packed<T>, &Tensor, Option<&Tensor>),
    ) {
        for (op, packed) in program.ops.iter().zip(&mut self.packed) {
            if let (Op::Linear(linear), Some(packed)) = (op, packed) {
                let bias = linear.bias.map(|id| params.get(id));
                f(packed, params.get(linear.weight), bias);
            }
        }
    }

    /// The copies that a linear layer has.
    pub(crate) fn packed(&self, op: usize) -> &Packed<T> {
        self.packed[op].as_ref().expect("a linear layer has copies")
    }

    pub(crate) fn param(&self, id: ParamId) -> Bound<T> {
        self.params[id.0]
    }
}
