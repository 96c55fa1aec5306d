//! Sixteen f32 side by side, for what stands between the products.

use std::arch::x86_64::{
    __m256i, __m512, __m512bh, __m512i, __mmask16, _mm256_mask_storeu_epi16, _mm256_storeu_si256,
    _mm512_cvtne2ps_pbh, _mm512_cvtneps_pbh, _mm512_dpbf16_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_maskz_loadu_epi16, _mm512_mul_ps, _mm512_permutexvar_epi16,
    _mm512_reduce_add_ps, _mm512_roundscale_ps, _mm512_scalef_ps, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_storeu_ps, _mm512_storeu_si512, _mm512_sub_ps,
};

use crate::dropout::keep_bits::RowBits;
use crate::memory::Bf16;

/// Numbers side by side.
pub(super) const LANES: usize = 16;

/// Powers of ln 2 divided by factorials, the highest first: the series of 2^x. Between -1/2 and 1/2 it is
/// within 4e-6 of the value, and a bf16 ends at 2e-3.
const SERIES: [f32; 6] = [
    1.333_355_8e-3,
    9.618_129e-3,
    5.550_411e-2,
    0.240_226_5,
    std::f32::consts::LN_2,
    1.0,
];

/// 2 to the power of every lane; 0 far below, where the scaling leaves nothing whatever the series is.
#[inline]
#[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
pub(super) fn exp2(power: __m512) -> __m512 {
    let whole = _mm512_roundscale_ps::<0>(power);
    let rest = _mm512_sub_ps(power, whole);
    let mut sum = _mm512_set1_ps(SERIES[0]);
    for &factor in &SERIES[1..] {
        sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(factor));
    }
    _mm512_scalef_ps(sum, whole)
}

/// The lanes of chunk `chunk` that the bits of a row keep.
#[inline]
#[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
#[expect(
    clippy::cast_possible_truncation,
    reason = "sixteen bits of the word are the lanes'"
)]
pub(super) fn kept(bits: RowBits<'_>, chunk: usize) -> __mmask16 {
    (bits.word(chunk * LANES / 8) >> bits.shift) as u16
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
    store_half(rounded(values), target);
}

#[inline]
#[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
pub(super) fn store_half(values: __m256i, target: &mut [u32; LANES / 2]) {
    // SAFETY: the target has 32 bytes.
    unsafe { _mm256_storeu_si256(target.as_mut_ptr().cast(), values) }
}

/// Rounds two rows of sixteen numbers to bf16: first all of the first, then all of the second.
#[inline]
#[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
pub(super) fn rounded_rows(first: __m512, second: __m512) -> __m512i {
    // SAFETY: both are 64 bytes of which every pattern is valid.
    unsafe { std::mem::transmute(_mm512_cvtne2ps_pbh(second, first)) }
}

/// The numbers of [`rounded_rows`] as words of one of each.
#[inline]
#[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
pub(super) fn store_words(rows: __m512i, target: &mut [u32; LANES]) {
    const ORDER: [u16; 2 * LANES] = [
        0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29,
        14, 30, 15, 31,
    ];
    // SAFETY: both arrays have 64 bytes.
    unsafe {
        let order = _mm512_loadu_si512(ORDER.as_ptr().cast());
        let words = _mm512_permutexvar_epi16(order, rows);
        _mm512_storeu_si512(target.as_mut_ptr().cast(), words);
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attention::bf16::has_kernel;
    use crate::instructions::Instructions;

    #[target_feature(enable = "avx512bf16,avx512vl,avx512dq")]
    fn exp2_of(power: f32) -> f32 {
        let mut values = [0.0; LANES];
        store(exp2(_mm512_set1_ps(power)), &mut values);
        values[3]
    }

    #[test]
    fn powers_of_two_are_near_and_special_ones_exact() {
        if !has_kernel(Instructions::detect()) {
            return;
        }
        // SAFETY: the processor has the instructions.
        let exp2 = |power| unsafe { exp2_of(power) };
        for step in -4000..400i16 {
            let power = f32::from(step) * 0.0137;
            let expected = f64::from(power).exp2();
            assert!(
                (f64::from(exp2(power)) - expected).abs() <= 4e-6 * expected,
                "{power}"
            );
        }
        let special = [0.0, 1.0, -1e30, f32::NEG_INFINITY].map(|power| exp2(power).to_bits());
        assert_eq!(special, [1.0f32, 2.0, 0.0, 0.0].map(f32::to_bits));
        assert!(exp2(f32::NAN).is_nan());
    }

    #[test]
    fn rows_of_any_length_are_multiplied_and_written_to_their_end() {
        if !has_kernel(Instructions::detect()) {
            return;
        }
        for length in [1, 15, 16, 17, 32, 33, 64] {
            let row: Vec<f32> = (0..64u8).map(|index| f32::from(index) - 9.0).collect();
            let mut written = [Bf16::from_f32(-1.0); 65];
            // SAFETY: the processor has the instructions.
            unsafe { write_row(&row, 2.0, &mut written[..length]) };
            let values: Vec<f32> = written.iter().map(|value| value.to_f32()).collect();
            let expected = row[..length].iter().map(|value| 2.0 * value);
            assert!(values[..length].iter().copied().eq(expected), "{length}");
            assert!(
                values[length..]
                    .iter()
                    .all(|value| value.total_cmp(&-1.0).is_eq())
            );
            // SAFETY: as above.
            let product = unsafe { dot(&written[..length], &written[1..=length]) };
            let products = values.iter().zip(&values[1..]).take(length);
            let expected: f32 = products.map(|(left, right)| left * right).sum();
            assert!(
                (product - expected).abs() <= 1e-3 * expected.abs(),
                "{length}: {product} {expected}"
            );
        }
    }
}
