//! Sixteen f32 side by side, for what stands between the products.

use std::arch::x86_64::{
    __m256i, __m512, __m512bh, __m512i, __mmask16, _CMP_NLT_UQ, _mm256_mask_storeu_epi16,
    _mm256_storeu_si256, _mm512_add_ps, _mm512_cmp_ps_mask, _mm512_cvtneps_pbh, _mm512_dpbf16_ps,
    _mm512_fmadd_ps, _mm512_fnmadd_ps, _mm512_loadu_ps, _mm512_maskz_loadu_epi16, _mm512_maskz_mov_ps,
    _mm512_mul_ps, _mm512_reduce_add_ps, _mm512_roundscale_ps, _mm512_scalef_ps, _mm512_set1_ps,
    _mm512_setzero_ps, _mm512_storeu_ps,
};

use crate::keep_bits::word;
use crate::lanes::{EXP, LEAST_EXPONENT, LN_2_HIGH, LN_2_LOW};
use crate::memory::Bf16;

/// Numbers side by side.
pub(super) const LANES: usize = 16;

/// e to the power of every lane, as [`crate::lanes::Lanes::exp`].
#[inline]
#[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
pub(super) fn exp(power: __m512) -> __m512 {
    let whole = _mm512_roundscale_ps::<0>(_mm512_mul_ps(power, _mm512_set1_ps(std::f32::consts::LOG2_E)));
    let rest = _mm512_fnmadd_ps(whole, _mm512_set1_ps(LN_2_HIGH), power);
    let rest = _mm512_fnmadd_ps(whole, _mm512_set1_ps(LN_2_LOW), rest);
    let mut sum = _mm512_set1_ps(EXP[0]);
    for &factor in &EXP[1..] {
        sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(factor));
    }
    let line = _mm512_add_ps(rest, _mm512_set1_ps(1.0));
    let sum = _mm512_fmadd_ps(sum, _mm512_mul_ps(rest, rest), line);
    // A NaN is not less.
    let is_there = _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(power, _mm512_set1_ps(LEAST_EXPONENT));
    _mm512_maskz_mov_ps(is_there, _mm512_scalef_ps(sum, whole))
}

/// The lanes of chunk `chunk` that a row of [`crate::keep_bits::KeepBits`] keeps.
#[inline]
#[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
#[expect(
    clippy::cast_possible_truncation,
    reason = "sixteen bits of the word are the lanes'"
)]
pub(super) fn kept((bytes, shift): (&[u8], u32), chunk: usize) -> __mmask16 {
    (word(bytes, chunk * LANES / 8) >> shift) as u16
}

/// Rounds sixteen numbers to bf16.
#[inline]
#[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
pub(super) fn rounded(values: __m512) -> __m256i {
    // SAFETY: both are 32 bytes of which every pattern is valid.
    unsafe { std::mem::transmute(_mm512_cvtneps_pbh(values)) }
}

/// Rounds sixteen numbers to bf16, as words of two that follow each other.
#[inline]
#[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
pub(super) fn store_rounded(values: __m512, target: &mut [u32; LANES / 2]) {
    // SAFETY: the target has 32 bytes.
    unsafe { _mm256_storeu_si256(target.as_mut_ptr().cast(), rounded(values)) }
}

/// Writes a row, padded to whole vectors, times `factor`.
#[inline]
#[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
pub(super) fn write_row(row: &[f32], factor: f32, target: &mut [Bf16]) {
    let factor = _mm512_set1_ps(factor);
    for (row, target) in row.as_chunks::<LANES>().0.iter().zip(target.chunks_mut(LANES)) {
        // SAFETY: the row has 64 bytes, and as many numbers are stored as the target has.
        unsafe {
            let scaled = _mm512_mul_ps(_mm512_loadu_ps(row.as_ptr()), factor);
            let lanes = u16::MAX >> (LANES - target.len());
            _mm256_mask_storeu_epi16(target.as_mut_ptr().cast(), lanes, rounded(scaled));
        }
    }
}

/// Sum of the products of two rows.
#[inline]
#[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
pub(super) fn dot(left: &[Bf16], right: &[Bf16]) -> f32 {
    let mut sum = _mm512_setzero_ps();
    for (left, right) in left.chunks(2 * LANES).zip(right.chunks(2 * LANES)) {
        let lanes = u32::MAX >> (2 * LANES - left.len().min(right.len()));
        // SAFETY: as many numbers are loaded as both have.
        let (left, right) = unsafe {
            (
                _mm512_maskz_loadu_epi16(lanes, left.as_ptr().cast()),
                _mm512_maskz_loadu_epi16(lanes, right.as_ptr().cast()),
            )
        };
        sum = _mm512_dpbf16_ps(sum, pairs(left), pairs(right));
    }
    _mm512_reduce_add_ps(sum)
}

/// Sixteen pairs of bf16.
#[inline]
#[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
pub(super) fn pairs(words: __m512i) -> __m512bh {
    // SAFETY: both are 64 bytes of which every pattern is valid.
    unsafe { std::mem::transmute(words) }
}

#[inline]
#[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
pub(super) fn load(values: &[f32; LANES]) -> __m512 {
    // SAFETY: the array has 64 bytes.
    unsafe { _mm512_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
pub(super) fn store(lanes: __m512, values: &mut [f32; LANES]) {
    // SAFETY: the array has 64 bytes.
    unsafe { _mm512_storeu_ps(values.as_mut_ptr(), lanes) }
}
