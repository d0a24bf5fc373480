//! Copies of a weight in the order in which products read it.

use std::ops::Range;

use tch::Tensor;

use super::{
    matrix::Matrix,
    product::Right,
    simd::{Isa, Kernel, LANES, Lanes, Real},
};

/// A weight `[out, in]` and its bias in memory of their own.
#[derive(Debug)]
pub(crate) struct Packed<T> {
    output: usize,
    input: usize,
    /// Transposed, sixteen outputs together: element `(i, 16 j + o)` is at `j * 16 in + 16 i + o`.
    forward: Matrix<T>,
    /// Sixteen inputs together: element `(o, 16 j + i)` is at `j * 16 out + 16 o + i`.
    backward: Matrix<T>,
    /// The inputs that `backward` has.
    columns: Range<usize>,
    /// Padded to whole registers; of no width without one.
    bias: Matrix<T>,
    /// Place and version of the tensors that were copied.
    seen: [(usize, i64); 2],
}

impl<T: Real> Packed<T> {
    pub(crate) fn new(output: usize, input: usize, columns: Range<usize>, bias: bool) -> Self {
        let memory = |n: usize| Matrix::new(1, n);
        let padded = output.next_multiple_of(LANES);
        Packed {
            output,
            input,
            forward: memory(padded * input),
            backward: memory(columns.len().next_multiple_of(LANES) * output),
            columns,
            bias: memory(if bias { padded } else { 0 }),
            seen: [(0, -1); 2],
        }
    }

    /// `x W^T` reads this.
    pub(crate) fn forward(&self) -> Right<T> {
        Right { from: self.forward.at(0), row: LANES, panel: LANES * self.input }
    }

    /// `dy W` reads this, and gives these columns.
    pub(crate) fn backward(&self) -> (Right<T>, Range<usize>) {
        let right = Right { from: self.backward.at(0), row: LANES, panel: LANES * self.output };
        (right, self.columns.clone())
    }

    /// Null without one.
    pub(crate) fn bias(&self) -> *const T {
        if self.bias.width() == 0 { std::ptr::null() } else { self.bias.at(0) }
    }

    /// Copies the tensors unless they are as they were.
    pub(crate) fn refresh(&mut self, isa: Isa, weight: &Tensor, bias: Option<&Tensor>) {
        let now = [place(weight), bias.map_or((0, 0), place)];
        if now == self.seen {
            return;
        }
        assert!(weight.is_contiguous() && weight.kind() == T::KIND, "a weight of the plan's kind");
        let from = weight.data_ptr().cast_const().cast();
        let bias = bias.map_or(std::ptr::null(), |bias| bias.data_ptr().cast_const().cast());
        self.pack(isa, from, bias, 0..self.output);
        self.seen = now;
    }

    /// Copies some outputs, from a multiple of sixteen on, of a weight and a bias that lie there. Several threads may do
    /// so with other outputs.
    pub(crate) fn pack(&self, isa: Isa, weight: *const T, bias: *const T, outputs: Range<usize>) {
        debug_assert!(outputs.start.is_multiple_of(LANES) && outputs.end <= self.output);
        if !bias.is_null() {
            // SAFETY: a number per output in both.
            unsafe {
                let to = self.bias.at(0).add(outputs.start);
                std::ptr::copy_nonoverlapping(bias.add(outputs.start), to, outputs.len());
            }
        }
        isa.run(Pack {
            from: weight,
            outputs,
            output: self.output,
            input: self.input,
            forward: self.forward.at(0),
            backward: self.backward.at(0),
            columns: self.columns.clone(),
        });
    }

    /// That what was packed is what the tensors are now.
    pub(crate) fn is_packed(&mut self, weight: &Tensor, bias: Option<&Tensor>) {
        self.seen = [place(weight), bias.map_or((0, 0), place)];
    }
}

/// Where a tensor is, and how often it has changed, which libtorch counts.
fn place(t: &Tensor) -> (usize, i64) {
    (t.data_ptr() as usize, t.internal_version())
}

/// Fills both copies of some rows of a row-major weight.
struct Pack<T> {
    from: *const T,
    outputs: Range<usize>,
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
        let Pack { from, outputs, output, input, forward, backward, columns } = self;
        // SAFETY: the sizes are those of `Packed`.
        unsafe {
            for panel in outputs.start / LANES..outputs.end.div_ceil(LANES) {
                let to = forward.add(panel * LANES * input);
                let height = (output - panel * LANES).min(LANES);
                for i in (0..input).step_by(LANES) {
                    let mut block = [L::splat(T::of(0.0)); LANES];
                    for (o, row) in block.iter_mut().enumerate().take(height) {
                        let at = from.add((panel * LANES + o) * input + i);
                        *row = L::load_first(at, input - i);
                    }
                    let block = L::transpose(block);
                    for (t, row) in block.iter().enumerate().take(input - i) {
                        row.store(to.add((i + t) * LANES));
                    }
                }
            }
            let panels = columns.len().div_ceil(LANES);
            for o in outputs {
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
