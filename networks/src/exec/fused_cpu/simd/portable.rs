//! Sixteen numbers in an array.

use super::{LANES, Lanes, Real};

#[inline(always)]
fn map<T: Real>(a: [T; LANES], f: impl Fn(T) -> T) -> [T; LANES] {
    a.map(f)
}

#[inline(always)]
fn zip<T: Real>(a: [T; LANES], b: [T; LANES], f: impl Fn(T, T) -> T) -> [T; LANES] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

impl<T: Real> Lanes<T> for [T; LANES] {
    const TILE: (usize, usize) = (4, 1);

    unsafe fn splat(x: T) -> Self {
        [x; LANES]
    }
    unsafe fn load(from: *const T) -> Self {
        unsafe { from.cast::<Self>().read_unaligned() }
    }
    unsafe fn store(self, to: *mut T) {
        unsafe { to.cast::<Self>().write_unaligned(self) }
    }
    unsafe fn add(self, b: Self) -> Self {
        zip(self, b, |a, b| a + b)
    }
    unsafe fn sub(self, b: Self) -> Self {
        zip(self, b, |a, b| a - b)
    }
    unsafe fn mul(self, b: Self) -> Self {
        zip(self, b, |a, b| a * b)
    }
    unsafe fn div(self, b: Self) -> Self {
        zip(self, b, |a, b| a / b)
    }
    unsafe fn sqrt(self) -> Self {
        map(self, T::root)
    }
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        std::array::from_fn(|i| self[i].fma(a[i], b[i]))
    }
    unsafe fn max(self, b: Self) -> Self {
        zip(self, b, |a, b| if a > b { a } else { b })
    }
    unsafe fn min(self, b: Self) -> Self {
        zip(self, b, |a, b| if a < b { a } else { b })
    }
    unsafe fn if_above(self, b: Self, yes: Self, no: Self) -> Self {
        std::array::from_fn(|i| if self[i] > b[i] { yes[i] } else { no[i] })
    }
    unsafe fn round(self) -> Self {
        map(self, T::nearest)
    }
    unsafe fn exp2i(self) -> Self {
        map(self, T::power_of_two)
    }
}
