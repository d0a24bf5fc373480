//! Matrices that kernels read and write, and who may touch which rows.

use std::{cell::Cell, marker::PhantomData, ops::Range};

use tch::{Device, Tensor};

use super::simd::{LANES, Real};

/// The right to read and write some rows of every buffer. Ranges that exist at the same time do not overlap: only
/// [`Team::rows`](super::team::Team::rows) makes them.
pub struct Rows {
    range: Range<usize>,
    /// Stays on its thread.
    thread: PhantomData<*const ()>,
}

impl Rows {
    pub(super) fn new(range: Range<usize>) -> Self {
        Rows { range, thread: PhantomData }
    }

    /// Which ones.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// So many rows for each of mine, where a buffer holds several for every row of a batch. Whoever works at the same
    /// time must take as many: other threads' own rows are among these.
    #[must_use]
    pub fn times(&self, n: usize) -> Rows {
        Rows::new(self.range.start * n..self.range.end * n)
    }
}

/// `[rows, width]` in memory of its own: rows begin on whole registers, and what lies behind the last column is zero.
#[derive(Debug)]
pub struct Matrix<T> {
    tensor: Tensor,
    from: *mut T,
    rows: usize,
    width: usize,
    stride: usize,
}

// SAFETY: memory is reached through `Rows`, which are disjoint between threads, or through `&mut self`.
#[allow(clippy::non_send_fields_in_send_ty, reason = "the tensor is only kept alive and viewed")]
unsafe impl<T: Send> Send for Matrix<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Matrix<T> {}

impl<T: Real> Matrix<T> {
    /// Of zeros.
    pub fn new(rows: usize, width: usize) -> Self {
        let mut stride = width.next_multiple_of(LANES);
        if stride.is_multiple_of(128) {
            // Rows a power of two apart share the same few places of a cache.
            stride += LANES;
        }
        let size = [rows.max(1) as i64, stride as i64];
        let tensor = Tensor::zeros(size, (T::KIND, Device::Cpu));
        let from = tensor.data_ptr().cast();
        Matrix { tensor, from, rows, width, stride }
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    pub(crate) fn at(&self, row: usize) -> *mut T {
        debug_assert!(row <= self.rows, "row {row} of {}", self.rows);
        // SAFETY: within the tensor, as a debug build checks.
        unsafe { self.from.add(row * self.stride) }
    }

    /// One row.
    ///
    /// # Panics
    /// If it is not one of `rows` or of this matrix.
    pub fn row<'a>(&'a self, rows: &'a Rows, row: usize) -> &'a [Cell<T>] {
        assert!(
            rows.range.contains(&row) && row < self.rows,
            "row {row} belongs to another thread"
        );
        // SAFETY: nobody else has this row, and on this thread cells allow what is left of aliasing.
        unsafe { std::slice::from_raw_parts(self.at(row).cast::<Cell<T>>(), self.width) }
    }

    /// Copies `rows` of `from` into the columns from `column` on.
    ///
    /// # Panics
    /// If they do not fit.
    pub fn load(&self, rows: &Rows, column: usize, from: &Host<'_, T>) {
        assert!(column + from.width <= self.width && rows.range.end <= self.rows);
        for r in rows.range() {
            let row = from.row(r);
            // SAFETY: these columns are inside the row, which nobody else has, as checked above.
            unsafe {
                std::ptr::copy_nonoverlapping(row.as_ptr(), self.at(r).add(column), row.len());
            }
        }
    }

    /// The first `rows` as a tensor that shares their memory.
    pub fn view(&self, rows: usize) -> Tensor {
        self.tensor.narrow(0, 0, rows as i64).narrow(1, 0, self.width as i64)
    }
}

/// The numbers of a tensor, for threads to read.
#[derive(Clone, Copy, Debug)]
pub struct Host<'a, T> {
    data: &'a [T],
    width: usize,
}

impl<'a, T: Real> Host<'a, T> {
    /// Rows of a tensor's last dimension.
    ///
    /// # Panics
    /// If it is not contiguous on the CPU, or of another kind.
    pub fn of(tensor: &'a Tensor) -> Self {
        assert!(tensor.kind() == T::KIND && tensor.device() == Device::Cpu, "a tensor of the plan");
        assert!(tensor.is_contiguous(), "a contiguous tensor");
        let width = tensor.size().last().map_or(1, |&n| n as usize);
        // SAFETY: contiguous memory of that kind, which the tensor keeps while it is borrowed.
        let data = unsafe {
            std::slice::from_raw_parts(tensor.data_ptr().cast_const().cast(), tensor.numel())
        };
        Host { data, width }
    }

    /// Rows of `width` numbers.
    ///
    /// # Panics
    /// If they are not whole rows.
    pub fn new(data: &'a [T], width: usize) -> Self {
        assert!(data.len().is_multiple_of(width), "whole rows");
        Host { data, width }
    }

    /// One row; of a vector, all of it is row 0.
    pub fn row(&self, row: usize) -> &'a [T] {
        &self.data[row * self.width..(row + 1) * self.width]
    }

    /// All numbers, one row after the other.
    pub fn all(&self) -> &'a [T] {
        self.data
    }
}
