//! Copies of a weight in the order in which products read it.

use std::ops::Range;

use tch::Tensor;

use super::{
    product::Right,
    simd::{Isa, Kernel, LANES, Lanes, Real},
};

/// A weight `[out, in]` and its bias in memory of their own.
#[derive(Debug)]
pub(crate) struct Packed<T> {
    output: usize,
    input: usize,
    /// Transposed, sixteen outputs together: element `(i, 16 j + o)` is at `j * 16 in + 16 i + o`.
    forward: Vec<T>,
    /// Sixteen inputs together: element `(o, 16 j + i)` is at `j * 16 out + 16 o + i`.
    backward: Vec<T>,
    /// The inputs that `backward` has.
    columns: Range<usize>,
    /// Padded to whole registers; empty without one.
    bias: Vec<T>,
    /// Place and version of the tensors that were copied.
    seen: [(usize, i64); 2],
}

impl<T: Real> Packed<T> {
    pub(crate) fn new(output: usize, input: usize, columns: Range<usize>, bias: bool) -> Self {
        let zeros = |n: usize| vec![T::of(0.0); n];
        let padded = output.next_multiple_of(LANES);
        Packed {
            output,
            input,
            forward: zeros(padded * input),
            backward: zeros(columns.len().next_multiple_of(LANES) * output),
            columns,
            bias: zeros(if bias { padded } else { 0 }),
            seen: [(0, -1); 2],
        }
    }

    /// `x W^T` reads this.
    pub(crate) fn forward(&self) -> Right<T> {
        Right { from: self.forward.as_ptr(), row: LANES, panel: LANES * self.input }
    }

    /// `dy W` reads this, and gives these columns.
    pub(crate) fn backward(&self) -> (Right<T>, Range<usize>) {
        let right = Right { from: self.backward.as_ptr(), row: LANES, panel: LANES * self.output };
        (right, self.columns.clone())
    }

    /// Null without one.
    pub(crate) fn bias(&self) -> *const T {
        if self.bias.is_empty() { std::ptr::null() } else { self.bias.as_ptr() }
    }

    /// Copies the tensors unless they are as they were. libtorch counts the changes of a tensor.
    pub(crate) fn refresh(&mut self, isa: Isa, weight: &Tensor, bias: Option<&Tensor>) {
        let at = |t: &Tensor| (t.data_ptr() as usize, t.internal_version());
        let now = [at(weight), bias.map_or((0, 0), at)];
        if now == self.seen {
            return;
        }
        assert!(weight.is_contiguous() && weight.kind() == T::KIND, "a weight of the plan's kind");
        let from = weight.data_ptr().cast_const().cast();
        isa.run(Pack {
            from,
            output: self.output,
            input: self.input,
            forward: self.forward.as_mut_ptr(),
            backward: self.backward.as_mut_ptr(),
            columns: self.columns.clone(),
        });
        if let Some(bias) = bias {
            let from: *const T = bias.data_ptr().cast_const().cast();
            // SAFETY: a contiguous tensor with a number per output.
            let from = unsafe { std::slice::from_raw_parts(from, self.output) };
            self.bias[..self.output].copy_from_slice(from);
        }
        self.seen = now;
    }
}

/// Fills both copies of a row-major weight.
struct Pack<T> {
    from: *const T,
    output: usize,
    input: usize,
    forward: *mut T,
    backward: *mut T,
    columns: Range<usize>,
}

impl<T: Real> Kernel<T> for Pack<T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let Pack { from, output, input, forward, backward, columns } = self;
        // SAFETY: the sizes are those of `Packed`.
        unsafe {
            for panel in 0..output.div_ceil(LANES) {
                let to = forward.add(panel * LANES * input);
                let height = (output - panel * LANES).min(LANES);
                for o in 0..height {
                    let row = from.add((panel * LANES + o) * input);
                    for i in 0..input {
                        *to.add(i * LANES + o) = *row.add(i);
                    }
                }
            }
            let panels = columns.len().div_ceil(LANES);
            for o in 0..output {
                let row = from.add(o * input + columns.start);
                for panel in 0..panels {
                    let left = columns.len() - panel * LANES;
                    let x = L::load_first(row.add(panel * LANES), left);
                    x.store(backward.add((panel * output + o) * LANES));
                }
            }
        }
    }
}
