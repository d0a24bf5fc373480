//! Sixteen numbers in 256-bit registers.

#[allow(clippy::wildcard_imports, reason = "intrinsics, whose names say whose they are")]
use std::arch::x86_64::*;

use super::{Kernel, Lanes, Real};

/// # Safety
/// The processor must have the instructions.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn run<T: Real, K: Kernel<T>>(kernel: K) -> K::Output {
    kernel.run::<T::Avx2>()
}

/// 2 registers of 8.
#[derive(Clone, Copy)]
pub struct F32([__m256; 2]);

impl Lanes<f32> for F32 {
    const TILE: (usize, usize) = (6, 1);

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        unsafe { F32([_mm256_set1_ps(x); 2]) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { F32([_mm256_loadu_ps(from.add(0)), _mm256_loadu_ps(from.add(8))]) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe {
            _mm256_storeu_ps(to.add(0), self.0[0]);
            _mm256_storeu_ps(to.add(8), self.0[1]);
        }
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        unsafe { F32([_mm256_add_ps(self.0[0], b.0[0]), _mm256_add_ps(self.0[1], b.0[1])]) }
    }
    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        unsafe { F32([_mm256_sub_ps(self.0[0], b.0[0]), _mm256_sub_ps(self.0[1], b.0[1])]) }
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        unsafe { F32([_mm256_mul_ps(self.0[0], b.0[0]), _mm256_mul_ps(self.0[1], b.0[1])]) }
    }
    #[inline(always)]
    unsafe fn div(self, b: Self) -> Self {
        unsafe { F32([_mm256_div_ps(self.0[0], b.0[0]), _mm256_div_ps(self.0[1], b.0[1])]) }
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        unsafe { F32([_mm256_sqrt_ps(self.0[0]), _mm256_sqrt_ps(self.0[1])]) }
    }
    #[inline(always)]
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        unsafe {
            F32([
                _mm256_fmadd_ps(self.0[0], a.0[0], b.0[0]),
                _mm256_fmadd_ps(self.0[1], a.0[1], b.0[1]),
            ])
        }
    }
    #[inline(always)]
    unsafe fn max(self, b: Self) -> Self {
        unsafe { F32([_mm256_max_ps(self.0[0], b.0[0]), _mm256_max_ps(self.0[1], b.0[1])]) }
    }
    #[inline(always)]
    unsafe fn min(self, b: Self) -> Self {
        unsafe { F32([_mm256_min_ps(self.0[0], b.0[0]), _mm256_min_ps(self.0[1], b.0[1])]) }
    }
    #[inline(always)]
    unsafe fn if_above(self, b: Self, yes: Self, no: Self) -> Self {
        unsafe {
            F32([
                _mm256_blendv_ps(no.0[0], yes.0[0], _mm256_cmp_ps::<_CMP_GT_OQ>(self.0[0], b.0[0])),
                _mm256_blendv_ps(no.0[1], yes.0[1], _mm256_cmp_ps::<_CMP_GT_OQ>(self.0[1], b.0[1])),
            ])
        }
    }
    #[inline(always)]
    unsafe fn round(self) -> Self {
        unsafe {
            F32([
                _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0[0]),
                _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0[1]),
            ])
        }
    }
    #[inline(always)]
    unsafe fn exp2i(self) -> Self {
        unsafe {
            // Added to 1.5 * 2^23, an integer is in the lowest bits.
            let (magic, bias) = (_mm256_set1_ps(12_582_912.0), _mm256_set1_epi32(127));
            F32([
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(
                    _mm256_castps_si256(_mm256_add_ps(self.0[0], magic)),
                    bias,
                ))),
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(
                    _mm256_castps_si256(_mm256_add_ps(self.0[1], magic)),
                    bias,
                ))),
            ])
        }
    }
    #[inline(always)]
    unsafe fn interleave(self, b: Self) -> (Self, Self) {
        unsafe {
            let (a, b) = (self.0, b.0);
            let low = [_mm256_unpacklo_ps(a[0], b[0]), _mm256_unpackhi_ps(a[0], b[0])];
            let high = [_mm256_unpacklo_ps(a[1], b[1]), _mm256_unpackhi_ps(a[1], b[1])];
            (
                F32([
                    _mm256_permute2f128_ps::<0x20>(low[0], low[1]),
                    _mm256_permute2f128_ps::<0x31>(low[0], low[1]),
                ]),
                F32([
                    _mm256_permute2f128_ps::<0x20>(high[0], high[1]),
                    _mm256_permute2f128_ps::<0x31>(high[0], high[1]),
                ]),
            )
        }
    }
}

/// 4 registers of 4.
#[derive(Clone, Copy)]
pub struct F64([__m256d; 4]);

impl Lanes<f64> for F64 {
    const TILE: (usize, usize) = (3, 1);

    #[inline(always)]
    unsafe fn splat(x: f64) -> Self {
        unsafe { F64([_mm256_set1_pd(x); 4]) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f64) -> Self {
        unsafe {
            F64([
                _mm256_loadu_pd(from.add(0)),
                _mm256_loadu_pd(from.add(4)),
                _mm256_loadu_pd(from.add(8)),
                _mm256_loadu_pd(from.add(12)),
            ])
        }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f64) {
        unsafe {
            _mm256_storeu_pd(to.add(0), self.0[0]);
            _mm256_storeu_pd(to.add(4), self.0[1]);
            _mm256_storeu_pd(to.add(8), self.0[2]);
            _mm256_storeu_pd(to.add(12), self.0[3]);
        }
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        unsafe {
            F64([
                _mm256_add_pd(self.0[0], b.0[0]),
                _mm256_add_pd(self.0[1], b.0[1]),
                _mm256_add_pd(self.0[2], b.0[2]),
                _mm256_add_pd(self.0[3], b.0[3]),
            ])
        }
    }
    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        unsafe {
            F64([
                _mm256_sub_pd(self.0[0], b.0[0]),
                _mm256_sub_pd(self.0[1], b.0[1]),
                _mm256_sub_pd(self.0[2], b.0[2]),
                _mm256_sub_pd(self.0[3], b.0[3]),
            ])
        }
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        unsafe {
            F64([
                _mm256_mul_pd(self.0[0], b.0[0]),
                _mm256_mul_pd(self.0[1], b.0[1]),
                _mm256_mul_pd(self.0[2], b.0[2]),
                _mm256_mul_pd(self.0[3], b.0[3]),
            ])
        }
    }
    #[inline(always)]
    unsafe fn div(self, b: Self) -> Self {
        unsafe {
            F64([
                _mm256_div_pd(self.0[0], b.0[0]),
                _mm256_div_pd(self.0[1], b.0[1]),
                _mm256_div_pd(self.0[2], b.0[2]),
                _mm256_div_pd(self.0[3], b.0[3]),
            ])
        }
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        unsafe {
            F64([
                _mm256_sqrt_pd(self.0[0]),
                _mm256_sqrt_pd(self.0[1]),
                _mm256_sqrt_pd(self.0[2]),
                _mm256_sqrt_pd(self.0[3]),
            ])
        }
    }
    #[inline(always)]
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        unsafe {
            F64([
                _mm256_fmadd_pd(self.0[0], a.0[0], b.0[0]),
                _mm256_fmadd_pd(self.0[1], a.0[1], b.0[1]),
                _mm256_fmadd_pd(self.0[2], a.0[2], b.0[2]),
                _mm256_fmadd_pd(self.0[3], a.0[3], b.0[3]),
            ])
        }
    }
    #[inline(always)]
    unsafe fn max(self, b: Self) -> Self {
        unsafe {
            F64([
                _mm256_max_pd(self.0[0], b.0[0]),
                _mm256_max_pd(self.0[1], b.0[1]),
                _mm256_max_pd(self.0[2], b.0[2]),
                _mm256_max_pd(self.0[3], b.0[3]),
            ])
        }
    }
    #[inline(always)]
    unsafe fn min(self, b: Self) -> Self {
        unsafe {
            F64([
                _mm256_min_pd(self.0[0], b.0[0]),
                _mm256_min_pd(self.0[1], b.0[1]),
                _mm256_min_pd(self.0[2], b.0[2]),
                _mm256_min_pd(self.0[3], b.0[3]),
            ])
        }
    }
    #[inline(always)]
    unsafe fn if_above(self, b: Self, yes: Self, no: Self) -> Self {
        unsafe {
            F64([
                _mm256_blendv_pd(no.0[0], yes.0[0], _mm256_cmp_pd::<_CMP_GT_OQ>(self.0[0], b.0[0])),
                _mm256_blendv_pd(no.0[1], yes.0[1], _mm256_cmp_pd::<_CMP_GT_OQ>(self.0[1], b.0[1])),
                _mm256_blendv_pd(no.0[2], yes.0[2], _mm256_cmp_pd::<_CMP_GT_OQ>(self.0[2], b.0[2])),
                _mm256_blendv_pd(no.0[3], yes.0[3], _mm256_cmp_pd::<_CMP_GT_OQ>(self.0[3], b.0[3])),
            ])
        }
    }
    #[inline(always)]
    unsafe fn round(self) -> Self {
        unsafe {
            F64([
                _mm256_round_pd::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0[0]),
                _mm256_round_pd::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0[1]),
                _mm256_round_pd::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0[2]),
                _mm256_round_pd::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0[3]),
            ])
        }
    }
    #[inline(always)]
    unsafe fn exp2i(self) -> Self {
        unsafe {
            // Added to 1.5 * 2^52, an integer is in the lowest bits.
            let (magic, bias) = (_mm256_set1_pd(6_755_399_441_055_744.0), _mm256_set1_epi64x(1023));
            F64([
                _mm256_castsi256_pd(_mm256_slli_epi64::<52>(_mm256_add_epi64(
                    _mm256_castpd_si256(_mm256_add_pd(self.0[0], magic)),
                    bias,
                ))),
                _mm256_castsi256_pd(_mm256_slli_epi64::<52>(_mm256_add_epi64(
                    _mm256_castpd_si256(_mm256_add_pd(self.0[1], magic)),
                    bias,
                ))),
                _mm256_castsi256_pd(_mm256_slli_epi64::<52>(_mm256_add_epi64(
                    _mm256_castpd_si256(_mm256_add_pd(self.0[2], magic)),
                    bias,
                ))),
                _mm256_castsi256_pd(_mm256_slli_epi64::<52>(_mm256_add_epi64(
                    _mm256_castpd_si256(_mm256_add_pd(self.0[3], magic)),
                    bias,
                ))),
            ])
        }
    }
}
