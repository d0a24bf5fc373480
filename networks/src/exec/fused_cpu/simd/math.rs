//! Exponentials in the same bits everywhere: a system's `exp` differs from the next one's in its last bit.

use super::{Isa, Kernel, Lanes, Real};

/// What the series below need to know of a number.
pub trait Constants:
    std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + Sized
{
    /// Terms of the exponential's series on `|x| <= ln(2) / 2`.
    const EXP_TERMS: usize;
    /// Terms of the logarithm's.
    const LOG_TERMS: usize;
    /// Exponents beyond which a power of e is no normal number.
    const EXP_RANGE: (f64, f64);
    /// The upper part of `ln 2`, with zeros at the end, so that its products with small integers are exact.
    const LN_2_HIGH: f64;
    /// Square root.
    fn root(self) -> Self;
    /// To the nearest integer, ties to even.
    fn nearest(self) -> Self;
    /// `2^self` of an integer.
    fn power_of_two(self) -> Self;
    /// Mantissa in `[0.5, 1)` and exponent of a positive normal number.
    fn split(self) -> (Self, f64);
}

impl Constants for f32 {
    const EXP_TERMS: usize = 7;
    const LOG_TERMS: usize = 8;
    const EXP_RANGE: (f64, f64) = (-87.0, 88.0);
    const LN_2_HIGH: f64 = 0.693_359_375;
    fn root(self) -> f32 {
        self.sqrt()
    }
    fn nearest(self) -> f32 {
        self.round_ties_even()
    }
    fn power_of_two(self) -> f32 {
        f32::from_bits(((self as i32).wrapping_add(127) as u32) << 23)
    }
    fn split(self) -> (f32, f64) {
        let bits = self.to_bits();
        let exponent = ((bits >> 23) & 0xff) as i32 - 126;
        (f32::from_bits((bits & 0x007f_ffff) | 0x3f00_0000), f64::from(exponent))
    }
}

impl Constants for f64 {
    const EXP_TERMS: usize = 14;
    const LOG_TERMS: usize = 18;
    const EXP_RANGE: (f64, f64) = (-708.0, 709.0);
    const LN_2_HIGH: f64 = 0.693_147_180_369_123_8;
    fn root(self) -> f64 {
        self.sqrt()
    }
    fn nearest(self) -> f64 {
        self.round_ties_even()
    }
    fn power_of_two(self) -> f64 {
        f64::from_bits(((self as i64).wrapping_add(1023) as u64) << 52)
    }
    fn split(self) -> (f64, f64) {
        let bits = self.to_bits();
        let exponent = ((bits >> 52) & 0x7ff) as i64 - 1022;
        (f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3fe0_0000_0000_0000), exponent as f64)
    }
}

/// `1 / k!`
const INVERSE_FACTORIALS: [f64; 15] = {
    let mut table = [1.0; 15];
    let (mut k, mut factorial) = (1, 1.0);
    while k < table.len() {
        factorial *= k as f64;
        table[k] = 1.0 / factorial;
        k += 1;
    }
    table
};

/// `1 / (2 k + 1)`
const INVERSE_ODDS: [f64; 19] = {
    let mut table = [1.0; 19];
    let mut k = 0;
    while k < table.len() {
        table[k] = 1.0 / (2 * k + 1) as f64;
        k += 1;
    }
    table
};

/// `x = n ln 2 + r`: `n` and `e^r - 1`.
#[inline(always)]
unsafe fn reduced<T: Real, L: Lanes<T>>(x: L) -> (L, L) {
    unsafe {
        let (low, high) = T::EXP_RANGE;
        // In this order NaN stays NaN.
        let x = L::splat(T::of(high)).min(L::splat(T::of(low)).max(x));
        let n = x.mul(L::splat(T::of(std::f64::consts::LOG2_E))).round();
        let upper = T::of(T::LN_2_HIGH);
        let r = n.fma(L::splat(T::of(-upper.wide())), x);
        let r = n.fma(L::splat(T::of(upper.wide() - std::f64::consts::LN_2)), r);
        let mut k = T::EXP_TERMS;
        let mut sum = L::splat(T::of(INVERSE_FACTORIALS[k]));
        while k > 1 {
            k -= 1;
            sum = sum.fma(r, L::splat(T::of(INVERSE_FACTORIALS[k])));
        }
        (n, sum.mul(r))
    }
}

/// `e^x`. Beyond the range of normal numbers it stays at its end.
#[inline(always)]
pub(crate) unsafe fn exp<T: Real, L: Lanes<T>>(x: L) -> L {
    unsafe {
        let (n, q) = reduced(x);
        let scale = n.exp2i();
        q.fma(scale, scale)
    }
}

/// `ln(1 + x)` for `0 <= x <= 1`: `2 artanh(x / (2 + x))`.
#[inline(always)]
pub(crate) unsafe fn log1p<T: Real, L: Lanes<T>>(x: L) -> L {
    unsafe {
        let s = x.div(x.add(L::splat(T::of(2.0))));
        let square = s.mul(s);
        let mut k = T::LOG_TERMS;
        let mut sum = L::splat(T::of(INVERSE_ODDS[k]));
        while k > 0 {
            k -= 1;
            sum = sum.fma(square, L::splat(T::of(INVERSE_ODDS[k])));
        }
        s.add(s).mul(sum)
    }
}

/// The hyperbolic tangent, and `e^(-2 |x|)`, from which it is made.
#[inline(always)]
pub(crate) unsafe fn tanh<T: Real, L: Lanes<T>>(x: L) -> (L, L) {
    unsafe {
        let (zero, one) = (L::splat(T::of(0.0)), L::splat(T::of(1.0)));
        let (n, q) = reduced(L::splat(T::of(-2.0)).mul(x.abs()));
        let scale = n.exp2i();
        let e = q.fma(scale, scale);
        // 1 - e without cancellation where e is near 1.
        let gap = one.sub(scale).sub(q.mul(scale));
        let t = gap.div(one.add(e));
        (zero.if_above(x, zero.sub(t), t), e)
    }
}

/// The logistic function.
#[inline(always)]
pub(crate) unsafe fn sigmoid<T: Real, L: Lanes<T>>(x: L) -> L {
    unsafe {
        let (zero, one) = (L::splat(T::of(0.0)), L::splat(T::of(1.0)));
        let e = exp(zero.sub(x.abs()));
        let s = one.div(one.add(e));
        zero.if_above(x, e.mul(s), s)
    }
}

/// The natural logarithm of a positive normal number.
pub(crate) fn log<T: Real>(x: T) -> T {
    let (m, n) = x.split();
    let (m, n) = if m.wide() < std::f64::consts::FRAC_1_SQRT_2 { (m + m, n - 1.0) } else { (m, n) };
    let s = (m - T::of(1.0)) / (m + T::of(1.0));
    let square = s * s;
    let mut sum = T::of(0.0);
    for k in (0..=T::LOG_TERMS).rev() {
        sum = sum.fma(square, T::of(INVERSE_ODDS[k]));
    }
    let n = T::of(n);
    let upper = T::of(T::LN_2_HIGH);
    n.fma(upper, (s + s).fma(sum, n * T::of(std::f64::consts::LN_2 - upper.wide())))
}

/// `e^x` of one number.
pub fn exp_of<T: Real>(x: T) -> T {
    struct Exp<T>(T);

    impl<T: Real> Kernel<T> for Exp<T> {
        type Output = T;

        #[inline(always)]
        fn run<L: Lanes<T>>(self) -> T {
            // SAFETY: instructions are those of `run`.
            unsafe { exp(L::splat(self.0)).to_array()[0] }
        }
    }

    Isa::best().run(Exp(x))
}
