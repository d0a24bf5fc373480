//! Matrix products on raw memory: `C = A B` with what comes before and behind in the same pass.
//!
//! Every element of `C` is one sum in order of `k`, in one accumulator, whatever the tile, the thread or the instruction
//! set. So results do not depend on how the work was divided.

use std::ops::Range;

use super::simd::{Kernel, LANES, Lanes, Real};

/// Rows of `A`: element `(m, k)` is at `from + m * row + k * column`.
#[derive(Clone, Copy)]
pub(crate) struct Left<T> {
    pub(crate) from: *const T,
    pub(crate) row: usize,
    pub(crate) column: usize,
}

/// Sixteen columns of `B` lie together: element `(k, 16 j + i)` is at `from + j * panel + k * row + i`. The last sixteen
/// must be readable even where there are fewer columns.
#[derive(Clone, Copy)]
pub(crate) struct Right<T> {
    pub(crate) from: *const T,
    pub(crate) row: usize,
    pub(crate) panel: usize,
}

/// What happens to sums before they are stored.
#[derive(Clone, Copy)]
pub(crate) struct Finish<T> {
    /// What sums begin with, one a column, readable in sixteens; null for zero.
    pub(crate) bias: *const T,
    /// Adds to what is there.
    pub(crate) accumulate: bool,
    /// Takes the part above zero.
    pub(crate) relu: bool,
    /// Keeps only where this matrix, of the shape and row length of `C`, is above zero; null for everywhere.
    pub(crate) mask: *const T,
}

impl<T> Finish<T> {
    pub(crate) fn store() -> Self {
        Finish { bias: std::ptr::null(), accumulate: false, relu: false, mask: std::ptr::null() }
    }
}

/// Rows `rows` of `C [.., columns]`, whose element `(m, n)` is at `to + m * stride + n`. Only `columns` are written.
pub(crate) struct Product<T> {
    pub(crate) a: Left<T>,
    pub(crate) b: Right<T>,
    pub(crate) depth: usize,
    pub(crate) rows: Range<usize>,
    pub(crate) columns: usize,
    pub(crate) to: *mut T,
    pub(crate) stride: usize,
    pub(crate) finish: Finish<T>,
}

impl<T: Real> Kernel<T> for Product<T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        // SAFETY: whoever makes a `Product` vouches for its memory; instructions are those of `run`.
        unsafe {
            match L::TILE.1 {
                4 => self.panels::<L, 4>(),
                2 => self.panels::<L, 2>(),
                _ => self.panels::<L, 1>(),
            }
        }
    }
}

/// A tile of so many rows. Rows are written out: left as a loop, the compiler keeps sums in memory.
macro_rules! tile {
    ($name:ident, $height:literal, $($m:literal)+) => {
        #[inline(always)]
        unsafe fn $name<L: Lanes<T>, const N: usize>(&self, panel: usize, row: usize) {
            unsafe {
                let zero = L::splat(T::of(0.0));
                let mut sums = [[zero; N]; $height];
                if !self.finish.bias.is_null() {
                    let bias = self.finish.bias.add(panel * LANES);
                    columns!(N, J, {
                        let bias = L::load(bias.add(J * LANES));
                        $( sums[$m][J] = bias; )+
                    });
                }
                let (step, across, down) = (self.a.column, self.b.panel, self.b.row);
                let from = self.a.from.add(row * self.a.row);
                let rows = [$( from.add($m * self.a.row) ),+];
                let mut b = self.b.from.add(panel * across);
                let mut offset = 0;
                for _ in 0..self.depth {
                    let mut right = [zero; N];
                    columns!(N, J, { right[J] = L::load(b.add(J * across)); });
                    $(
                        let left = L::splat(*rows[$m].add(offset));
                        columns!(N, J, { sums[$m][J] = left.fma(right[J], sums[$m][J]); });
                    )+
                    offset += step;
                    b = b.add(down);
                }
                $(
                    columns!(N, J, {
                        let column = (panel + J) * LANES;
                        let offset = (row + $m) * self.stride + column;
                        self.put(sums[$m][J], offset, self.columns - column);
                    });
                )+
            }
        }
    };
}

/// The same for each of up to four sixteens of columns.
macro_rules! columns {
    ($n:ident, $j:ident, $body:block) => {
        if $n > 0 {
            const $j: usize = 0;
            $body
        }
        if $n > 1 {
            const $j: usize = 1;
            $body
        }
        if $n > 2 {
            const $j: usize = 2;
            $body
        }
        if $n > 3 {
            const $j: usize = 3;
            $body
        }
    };
}

impl<T: Real> Product<T> {
    #[inline(always)]
    unsafe fn panels<L: Lanes<T>, const N: usize>(&self) {
        unsafe {
            let mut panel = 0;
            let panels = self.columns.div_ceil(LANES);
            while panel + N <= panels {
                self.tiles::<L, N>(panel);
                panel += N;
            }
            if N > 2 && panel + 2 <= panels {
                self.tiles::<L, 2>(panel);
                panel += 2;
            }
            while panel < panels {
                self.tiles::<L, 1>(panel);
                panel += 1;
            }
        }
    }

    /// Tiles of nearly equal height, at most the instruction set's.
    #[inline(always)]
    unsafe fn tiles<L: Lanes<T>, const N: usize>(&self, panel: usize) {
        unsafe {
            let count = self.rows.len();
            let most = L::TILE.0.min(12);
            let tiles = count.div_ceil(most);
            let mut at = self.rows.start;
            for t in 0..tiles {
                let end = self.rows.start + (t + 1) * count / tiles;
                match end - at {
                    1 => self.tile_1::<L, N>(panel, at),
                    2 => self.tile_2::<L, N>(panel, at),
                    3 => self.tile_3::<L, N>(panel, at),
                    4 => self.tile_4::<L, N>(panel, at),
                    5 => self.tile_5::<L, N>(panel, at),
                    6 => self.tile_6::<L, N>(panel, at),
                    7 => self.tile_7::<L, N>(panel, at),
                    8 => self.tile_8::<L, N>(panel, at),
                    9 => self.tile_9::<L, N>(panel, at),
                    10 => self.tile_10::<L, N>(panel, at),
                    11 => self.tile_11::<L, N>(panel, at),
                    _ => self.tile_12::<L, N>(panel, at),
                }
                at = end;
            }
        }
    }

    tile!(tile_1, 1, 0);
    tile!(tile_2, 2, 0 1);
    tile!(tile_3, 3, 0 1 2);
    tile!(tile_4, 4, 0 1 2 3);
    tile!(tile_5, 5, 0 1 2 3 4);
    tile!(tile_6, 6, 0 1 2 3 4 5);
    tile!(tile_7, 7, 0 1 2 3 4 5 6);
    tile!(tile_8, 8, 0 1 2 3 4 5 6 7);
    tile!(tile_9, 9, 0 1 2 3 4 5 6 7 8);
    tile!(tile_10, 10, 0 1 2 3 4 5 6 7 8 9);
    tile!(tile_11, 11, 0 1 2 3 4 5 6 7 8 9 10);
    tile!(tile_12, 12, 0 1 2 3 4 5 6 7 8 9 10 11);

    #[inline(always)]
    unsafe fn put<L: Lanes<T>>(&self, sum: L, offset: usize, left: usize) {
        unsafe {
            let zero = L::splat(T::of(0.0));
            let mut x = sum;
            if self.finish.accumulate {
                x = x.add(L::load_first(self.to.add(offset), left));
            }
            if self.finish.relu {
                // In this order NaN stays NaN.
                x = zero.max(x);
            }
            if !self.finish.mask.is_null() {
                let mask = L::load_first(self.finish.mask.add(offset), left);
                x = mask.if_above(zero, x, zero);
            }
            x.store_first(self.to.add(offset), left);
        }
    }
}
