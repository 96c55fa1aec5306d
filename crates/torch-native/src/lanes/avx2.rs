//! The form of [`Lanes`] for processors with AVX2 and fused multiply-add.

#![expect(
    unsafe_code,
    reason = "AVX2 instructions, reached only through functions compiled for AVX2"
)]
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for AVX2 by being inlined into one that is"
)]

use std::arch::x86_64::{
    __m256, __m256i, _CMP_LT_OQ, _CMP_UNORD_Q, _mm_loadu_si128, _mm_storeu_si128, _mm256_add_epi32,
    _mm256_add_ps, _mm256_and_ps, _mm256_and_si256, _mm256_andnot_ps, _mm256_blendv_ps, _mm256_castps_si256,
    _mm256_castsi256_ps, _mm256_castsi256_si128, _mm256_cmp_ps, _mm256_cmpeq_epi32, _mm256_cmpgt_epi32,
    _mm256_cvtepu16_epi32, _mm256_div_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256,
    _mm256_max_ps, _mm256_movemask_ps, _mm256_mul_ps, _mm256_packus_epi32, _mm256_permute4x64_epi64,
    _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi32, _mm256_slli_epi32, _mm256_sllv_epi32,
    _mm256_srli_epi32, _mm256_storeu_ps, _mm256_sub_ps,
};

use super::operations::{Lanes, WIDTH};
use crate::memory::Bf16;

/// The AVX2 form. Only functions that a `target_feature(enable = "avx2,fma")` function inlines
/// may name it as their type.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(__m256);

/// Calls an instruction of AVX2 or FMA.
macro_rules! avx2 {
    ($call:expr) => {
        // SAFETY: the processor has AVX2 and FMA, by the rule of `Avx2`; memory is touched only
        // through references to eight numbers.
        unsafe { $call }
    };
}

impl Lanes for Avx2 {
    type Selector = __m256i;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self(avx2!(_mm256_set1_ps(value)))
    }
    #[inline(always)]
    fn load(values: &[f32; WIDTH]) -> Self {
        Self(avx2!(_mm256_loadu_ps(values.as_ptr())))
    }
    #[inline(always)]
    fn store(self, values: &mut [f32; WIDTH]) {
        avx2!(_mm256_storeu_ps(values.as_mut_ptr(), self.0));
    }
    #[inline(always)]
    fn widen(values: &[Bf16; WIDTH]) -> Self {
        Self(avx2!({
            let halves = _mm_loadu_si128(values.as_ptr().cast());
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(halves)))
        }))
    }
    #[inline(always)]
    fn narrow(self, values: &mut [Bf16; WIDTH]) {
        avx2!({
            let bits = _mm256_castps_si256(self.0);
            let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
            let rounding = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
            let rounded = _mm256_srli_epi32::<16>(_mm256_add_epi32(bits, rounding));
            let is_nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(self.0, self.0);
            let nan = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fc0));
            let halves = _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(rounded), nan, is_nan));
            let packed = _mm256_permute4x64_epi64::<0b1000>(_mm256_packus_epi32(halves, halves));
            _mm_storeu_si128(values.as_mut_ptr().cast(), _mm256_castsi256_si128(packed));
        });
    }
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Self(avx2!(_mm256_add_ps(self.0, other.0)))
    }
    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        Self(avx2!(_mm256_sub_ps(self.0, other.0)))
    }
    #[inline(always)]
    fn times(self, other: Self) -> Self {
        Self(avx2!(_mm256_mul_ps(self.0, other.0)))
    }
    #[inline(always)]
    fn times_plus(self, factor: Self, addend: Self) -> Self {
        Self(avx2!(_mm256_fmadd_ps(self.0, factor.0, addend.0)))
    }
    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        Self(avx2!(_mm256_max_ps(self.0, other.0)))
    }
    #[inline(always)]
    fn over(self, other: Self) -> Self {
        Self(avx2!(_mm256_div_ps(self.0, other.0)))
    }
    #[inline(always)]
    fn magnitude(self) -> Self {
        Self(avx2!(_mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0)))
    }
    #[inline(always)]
    fn or_where_positive(self, other: Self, sign: Self) -> Self {
        Self(avx2!(_mm256_blendv_ps(other.0, self.0, sign.0)))
    }
    #[inline(always)]
    fn power_of_two(self) -> Self {
        Self(avx2!(_mm256_castsi256_ps(_mm256_slli_epi32::<23>(
            _mm256_castps_si256(self.0)
        ))))
    }
    #[inline(always)]
    fn zero_where_below(self, power: Self, limit: f32) -> Self {
        Self(avx2!(_mm256_andnot_ps(
            _mm256_cmp_ps::<_CMP_LT_OQ>(power.0, _mm256_set1_ps(limit)),
            self.0
        )))
    }
    #[inline(always)]
    fn selector(shift: u32) -> __m256i {
        avx2!(_mm256_sllv_epi32(
            _mm256_set1_epi32(1),
            _mm256_add_epi32(
                _mm256_set1_epi32(shift.cast_signed()),
                _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)
            )
        ))
    }
    #[inline(always)]
    fn keep(self, word: u32, selector: __m256i) -> Self {
        Self(avx2!(_mm256_and_ps(
            self.0,
            _mm256_castsi256_ps(_mm256_cmpeq_epi32(
                _mm256_and_si256(_mm256_set1_epi32(word.cast_signed()), selector),
                selector
            ))
        )))
    }
    #[inline(always)]
    fn halves_below(words: &[u32; 2 * WIDTH], threshold: u32) -> u32 {
        let mut below = 0;
        for (half, words) in words.as_chunks::<WIDTH>().0.iter().enumerate() {
            avx2!({
                let words = _mm256_loadu_si256(words.as_ptr().cast());
                let threshold = _mm256_set1_epi32(threshold.cast_signed());
                let lower = _mm256_and_si256(words, _mm256_set1_epi32(0xffff));
                let lower = _mm256_castsi256_ps(_mm256_cmpgt_epi32(threshold, lower));
                let upper = _mm256_srli_epi32::<16>(words);
                let upper = _mm256_castsi256_ps(_mm256_cmpgt_epi32(threshold, upper));
                below |= _mm256_movemask_ps(lower).cast_unsigned() << (half * WIDTH);
                below |= _mm256_movemask_ps(upper).cast_unsigned() << ((2 + half) * WIDTH);
            });
        }
        below
    }
}
