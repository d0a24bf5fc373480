//! Sixteen numbers at a time, in the instruction set that the processor has.
//!
//! A kernel is written once, over [`Lanes`]: sixteen numbers of which every instruction set makes registers of its own.
//! Sixteen is part of the result: whatever sums over lanes adds the same sixteen partial sums in the same order, and
//! multiply-adds are fused everywhere. So AVX-512, AVX2 and the portable loop give equal bits.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod isa;
pub(crate) mod math;
mod portable;

pub use isa::Isa;

use std::fmt::Debug;

use tch::kind::Element;

/// Numbers in a [`Lanes`].
pub(crate) const LANES: usize = 16;

/// A number that kernels compute with: `f32`, and `f64` for comparisons with references.
pub trait Real:
    Element + Copy + PartialOrd + Debug + Default + Send + Sync + math::Constants + 'static
{
    /// Sixteen of them in AVX-512 registers.
    #[cfg(target_arch = "x86_64")]
    type Avx512: Lanes<Self>;
    /// Sixteen of them in AVX2 registers.
    #[cfg(target_arch = "x86_64")]
    type Avx2: Lanes<Self>;

    /// The nearest.
    fn of(x: f64) -> Self;
    /// Without loss.
    fn wide(self) -> f64;
    /// `self * a + b`, rounded once.
    fn fma(self, a: Self, b: Self) -> Self;
}

/// Sixteen numbers.
///
/// # Safety
/// Every method needs the instructions of its type, so all are called from [`Kernel::run`] only.
pub trait Lanes<T>: Copy {
    /// Rows of a product's tile, and sixteens of its columns: as many accumulators as the registers hold.
    const TILE: (usize, usize);

    /// Sixteen times `x`.
    unsafe fn splat(x: T) -> Self;
    /// The sixteen at `from`.
    unsafe fn load(from: *const T) -> Self;
    /// Writes all sixteen.
    unsafe fn store(self, to: *mut T);
    /// `self + b`
    unsafe fn add(self, b: Self) -> Self;
    /// `self - b`
    unsafe fn sub(self, b: Self) -> Self;
    /// `self * b`
    unsafe fn mul(self, b: Self) -> Self;
    /// `self / b`
    unsafe fn div(self, b: Self) -> Self;
    /// The square root.
    unsafe fn sqrt(self) -> Self;
    /// `self * a + b`, rounded once.
    unsafe fn fma(self, a: Self, b: Self) -> Self;
    /// `self > b ? self : b`: where `self` is NaN it is `b`, where `b` is NaN too.
    unsafe fn max(self, b: Self) -> Self;
    /// `self < b ? self : b`.
    unsafe fn min(self, b: Self) -> Self;
    /// `self > b ? yes : no`, lane by lane.
    unsafe fn if_above(self, b: Self, yes: Self, no: Self) -> Self;
    /// To the nearest integer, ties to even.
    unsafe fn round(self) -> Self;
    /// `2^self` of integers that are exponents of normal numbers.
    unsafe fn exp2i(self) -> Self;

    /// `-self`
    #[inline(always)]
    unsafe fn neg(self) -> Self
    where
        T: Real,
    {
        unsafe { Self::splat(T::of(-0.0)).sub(self) }
    }

    /// `|self|`
    #[inline(always)]
    unsafe fn abs(self) -> Self
    where
        T: Real,
    {
        unsafe {
            let zero = Self::splat(T::of(0.0));
            zero.if_above(self, zero.sub(self), self)
        }
    }

    /// `[a0, b0, a1, b1, .., b7]` and `[a8, b8, .., b15]`.
    #[inline(always)]
    unsafe fn interleave(self, b: Self) -> (Self, Self)
    where
        T: Real,
    {
        unsafe {
            let (a, b) = (self.to_array(), b.to_array());
            let half = |from: usize| -> [T; LANES] {
                std::array::from_fn(|i| if i % 2 == 0 { a[from + i / 2] } else { b[from + i / 2] })
            };
            (Self::load(half(0).as_ptr()), Self::load(half(LANES / 2).as_ptr()))
        }
    }

    /// Rows become columns. Four times, row `i` and row `i + 8` are interleaved: that moves the eight bits of every
    /// number's place, row then column, round by one, so after four times they have changed places.
    #[inline(always)]
    unsafe fn transpose(mut rows: [Self; LANES]) -> [Self; LANES]
    where
        T: Real,
    {
        unsafe {
            for _ in 0..LANES.ilog2() {
                let old = rows;
                for i in 0..LANES / 2 {
                    (rows[2 * i], rows[2 * i + 1]) = old[i].interleave(old[i + LANES / 2]);
                }
            }
            rows
        }
    }

    /// The first `n` of memory; zeros behind.
    #[inline(always)]
    unsafe fn load_first(from: *const T, n: usize) -> Self
    where
        T: Real,
    {
        unsafe {
            if n >= LANES {
                return Self::load(from);
            }
            let mut all = [T::of(0.0); LANES];
            for (i, x) in all.iter_mut().enumerate().take(n) {
                *x = *from.add(i);
            }
            Self::load(all.as_ptr())
        }
    }

    /// Only the first `n` are written.
    #[inline(always)]
    unsafe fn store_first(self, to: *mut T, n: usize)
    where
        T: Real,
    {
        unsafe {
            if n >= LANES {
                return self.store(to);
            }
            let all = self.to_array();
            for (i, x) in all.iter().enumerate().take(n) {
                *to.add(i) = *x;
            }
        }
    }

    /// As an array.
    #[inline(always)]
    unsafe fn to_array(self) -> [T; LANES]
    where
        T: Real,
    {
        unsafe {
            let mut all = [T::of(0.0); LANES];
            self.store(all.as_mut_ptr());
            all
        }
    }

    /// Their sum: neighbours at distance 8 first, then 4, 2, 1.
    #[inline(always)]
    unsafe fn sum(self) -> T
    where
        T: Real,
    {
        unsafe {
            let mut x = self.to_array();
            let one = T::of(1.0);
            let mut half = LANES / 2;
            while half > 0 {
                for i in 0..half {
                    x[i] = x[i].fma(one, x[i + half]);
                }
                half /= 2;
            }
            x[0]
        }
    }
}

/// Something to compute with sixteen numbers at a time.
pub trait Kernel<T: Real> {
    /// What it gives.
    type Output;
    /// Does it. Implementations are `#[inline(always)]`, so that they become part of a function that has the
    /// instructions.
    fn run<L: Lanes<T>>(self) -> Self::Output;
}

impl Real for f32 {
    #[cfg(target_arch = "x86_64")]
    type Avx512 = avx512::F32;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = avx2::F32;

    #[inline(always)]
    fn of(x: f64) -> f32 {
        x as f32
    }
    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn fma(self, a: f32, b: f32) -> f32 {
        self.mul_add(a, b)
    }
}

impl Real for f64 {
    #[cfg(target_arch = "x86_64")]
    type Avx512 = avx512::F64;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = avx2::F64;

    #[inline(always)]
    fn of(x: f64) -> f64 {
        x
    }
    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }
    #[inline(always)]
    fn fma(self, a: f64, b: f64) -> f64 {
        self.mul_add(a, b)
    }
}
