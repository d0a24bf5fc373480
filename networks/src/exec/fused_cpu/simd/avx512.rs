//! Sixteen numbers in 512-bit registers.

#[allow(clippy::wildcard_imports, reason = "intrinsics, whose names say whose they are")]
use std::arch::x86_64::*;

use super::{Kernel, Lanes, Real};

/// # Safety
/// The processor must have the instructions.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn run<T: Real, K: Kernel<T>>(kernel: K) -> K::Output {
    kernel.run::<T::Avx512>()
}

/// 1 register of 16.
#[derive(Clone, Copy)]
pub struct F32([__m512; 1]);

impl Lanes<f32> for F32 {
    const TILE: (usize, usize) = (12, 2);

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        unsafe { F32([_mm512_set1_ps(x); 1]) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { F32([_mm512_loadu_ps(from.add(0))]) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe {
            _mm512_storeu_ps(to.add(0), self.0[0]);
        }
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        unsafe { F32([_mm512_add_ps(self.0[0], b.0[0])]) }
    }
    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        unsafe { F32([_mm512_sub_ps(self.0[0], b.0[0])]) }
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        unsafe { F32([_mm512_mul_ps(self.0[0], b.0[0])]) }
    }
    #[inline(always)]
    unsafe fn div(self, b: Self) -> Self {
        unsafe { F32([_mm512_div_ps(self.0[0], b.0[0])]) }
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        unsafe { F32([_mm512_sqrt_ps(self.0[0])]) }
    }
    #[inline(always)]
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        unsafe { F32([_mm512_fmadd_ps(self.0[0], a.0[0], b.0[0])]) }
    }
    #[inline(always)]
    unsafe fn max(self, b: Self) -> Self {
        unsafe { F32([_mm512_max_ps(self.0[0], b.0[0])]) }
    }
    #[inline(always)]
    unsafe fn min(self, b: Self) -> Self {
        unsafe { F32([_mm512_min_ps(self.0[0], b.0[0])]) }
    }
    #[inline(always)]
    unsafe fn if_above(self, b: Self, yes: Self, no: Self) -> Self {
        unsafe {
            F32([_mm512_mask_blend_ps(
                _mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0[0], b.0[0]),
                no.0[0],
                yes.0[0],
            )])
        }
    }
    #[inline(always)]
    unsafe fn round(self) -> Self {
        unsafe { F32([_mm512_roundscale_ps::<0>(self.0[0])]) }
    }
    #[inline(always)]
    unsafe fn exp2i(self) -> Self {
        unsafe {
            // Added to 1.5 * 2^23, an integer is in the lowest bits.
            let (magic, bias) = (_mm512_set1_ps(12_582_912.0), _mm512_set1_epi32(127));
            F32([_mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_add_epi32(
                _mm512_castps_si512(_mm512_add_ps(self.0[0], magic)),
                bias,
            )))])
        }
    }
    #[inline(always)]
    unsafe fn interleave(self, b: Self) -> (Self, Self) {
        unsafe {
            // From 16 on an index is one of `b`.
            let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            let high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
            let (a, b) = (self.0[0], b.0[0]);
            (F32([_mm512_permutex2var_ps(a, low, b)]), F32([_mm512_permutex2var_ps(a, high, b)]))
        }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> Self {
        unsafe { F32([_mm512_maskz_loadu_ps(first(n), from)]) }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize) {
        unsafe { _mm512_mask_storeu_ps(to, first(n), self.0[0]) }
    }
}

/// The first `n` of sixteen.
#[inline(always)]
fn first(n: usize) -> __mmask16 {
    if n >= 16 { !0 } else { (1 << n) - 1 }
}

/// 2 registers of 8.
#[derive(Clone, Copy)]
pub struct F64([__m512d; 2]);

impl Lanes<f64> for F64 {
    const TILE: (usize, usize) = (6, 2);

    #[inline(always)]
    unsafe fn splat(x: f64) -> Self {
        unsafe { F64([_mm512_set1_pd(x); 2]) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f64) -> Self {
        unsafe { F64([_mm512_loadu_pd(from.add(0)), _mm512_loadu_pd(from.add(8))]) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f64) {
        unsafe {
            _mm512_storeu_pd(to.add(0), self.0[0]);
            _mm512_storeu_pd(to.add(8), self.0[1]);
        }
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        unsafe { F64([_mm512_add_pd(self.0[0], b.0[0]), _mm512_add_pd(self.0[1], b.0[1])]) }
    }
    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        unsafe { F64([_mm512_sub_pd(self.0[0], b.0[0]), _mm512_sub_pd(self.0[1], b.0[1])]) }
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        unsafe { F64([_mm512_mul_pd(self.0[0], b.0[0]), _mm512_mul_pd(self.0[1], b.0[1])]) }
    }
    #[inline(always)]
    unsafe fn div(self, b: Self) -> Self {
        unsafe { F64([_mm512_div_pd(self.0[0], b.0[0]), _mm512_div_pd(self.0[1], b.0[1])]) }
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        unsafe { F64([_mm512_sqrt_pd(self.0[0]), _mm512_sqrt_pd(self.0[1])]) }
    }
    #[inline(always)]
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        unsafe {
            F64([
                _mm512_fmadd_pd(self.0[0], a.0[0], b.0[0]),
                _mm512_fmadd_pd(self.0[1], a.0[1], b.0[1]),
            ])
        }
    }
    #[inline(always)]
    unsafe fn max(self, b: Self) -> Self {
        unsafe { F64([_mm512_max_pd(self.0[0], b.0[0]), _mm512_max_pd(self.0[1], b.0[1])]) }
    }
    #[inline(always)]
    unsafe fn min(self, b: Self) -> Self {
        unsafe { F64([_mm512_min_pd(self.0[0], b.0[0]), _mm512_min_pd(self.0[1], b.0[1])]) }
    }
    #[inline(always)]
    unsafe fn if_above(self, b: Self, yes: Self, no: Self) -> Self {
        unsafe {
            F64([
                _mm512_mask_blend_pd(
                    _mm512_cmp_pd_mask::<_CMP_GT_OQ>(self.0[0], b.0[0]),
                    no.0[0],
                    yes.0[0],
                ),
                _mm512_mask_blend_pd(
                    _mm512_cmp_pd_mask::<_CMP_GT_OQ>(self.0[1], b.0[1]),
                    no.0[1],
                    yes.0[1],
                ),
            ])
        }
    }
    #[inline(always)]
    unsafe fn round(self) -> Self {
        unsafe { F64([_mm512_roundscale_pd::<0>(self.0[0]), _mm512_roundscale_pd::<0>(self.0[1])]) }
    }
    #[inline(always)]
    unsafe fn exp2i(self) -> Self {
        unsafe {
            // Added to 1.5 * 2^52, an integer is in the lowest bits.
            let (magic, bias) = (_mm512_set1_pd(6_755_399_441_055_744.0), _mm512_set1_epi64(1023));
            F64([
                _mm512_castsi512_pd(_mm512_slli_epi64::<52>(_mm512_add_epi64(
                    _mm512_castpd_si512(_mm512_add_pd(self.0[0], magic)),
                    bias,
                ))),
                _mm512_castsi512_pd(_mm512_slli_epi64::<52>(_mm512_add_epi64(
                    _mm512_castpd_si512(_mm512_add_pd(self.0[1], magic)),
                    bias,
                ))),
            ])
        }
    }
}
