//! Dropout's bits by AVX-512: the generator of [`crate::philox`], sixteen blocks in a vector.
//!
//! The compiler widens the words that loops over lanes multiply; here one multiplication takes those in
//! even places and one those in odd ones, `docs/decisions/0007-cpu-kernels.md`.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_and_si512, _mm512_cmplt_epu32_mask, _mm512_mask_blend_epi32,
    _mm512_mul_epu32, _mm512_set1_epi32, _mm512_setr_epi32, _mm512_slli_epi64, _mm512_srli_epi32,
    _mm512_srli_epi64, _mm512_xor_si512,
};
use std::ops::Range;

use super::stream::{GROUP, Stream};
use crate::philox::{LANES, MULTIPLIER_0, MULTIPLIER_1, ROUNDS, WEYL_0, WEYL_1};

/// Both halves of the 64-bit products of sixteen words by one, and where they go: high, low.
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq")]
fn multiply_words(words: __m512i, factor: __m512i) -> (__m512i, __m512i) {
    const ODD: u16 = 0xaaaa;
    let even = _mm512_mul_epu32(words, factor);
    let odd = _mm512_mul_epu32(_mm512_srli_epi64::<32>(words), factor);
    (
        _mm512_mask_blend_epi32(ODD, _mm512_srli_epi64::<32>(even), odd),
        _mm512_mask_blend_epi32(ODD, even, _mm512_slli_epi64::<32>(odd)),
    )
}

/// [`Stream::keep_bits`] in vectors of sixteen blocks.
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq")]
#[expect(
    clippy::cast_possible_truncation,
    reason = "callers keep to `MAX_ELEMENTS`: blocks are numbered in 32 bits"
)]
pub(super) fn keep_bits(stream: Stream, groups: Range<usize>, bytes: &mut [u8]) {
    let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let same = [MULTIPLIER_0, MULTIPLIER_1].map(u32::cast_signed);
    let (multiplier_0, multiplier_1) = (_mm512_set1_epi32(same[0]), _mm512_set1_epi32(same[1]));
    let threshold = _mm512_set1_epi32(stream.threshold.cast_signed());
    let lower_half = _mm512_set1_epi32(0xffff);
    let [r0, r1, r2] = stream.rest.map(u32::cast_signed);
    for (group, bytes) in groups.zip(bytes.as_chunks_mut::<{ GROUP / 8 }>().0) {
        let first = ((group * LANES) as u32).cast_signed();
        let mut c0 = _mm512_add_epi32(_mm512_set1_epi32(first), lanes);
        let (mut c1, mut c2, mut c3) = (
            _mm512_set1_epi32(r0),
            _mm512_set1_epi32(r1),
            _mm512_set1_epi32(r2),
        );
        let [mut k0, mut k1] = stream.key;
        for _ in 0..ROUNDS {
            let (high_0, low_0) = multiply_words(c0, multiplier_0);
            let (high_1, low_1) = multiply_words(c2, multiplier_1);
            let (key_0, key_1) = (
                _mm512_set1_epi32(k0.cast_signed()),
                _mm512_set1_epi32(k1.cast_signed()),
            );
            c0 = _mm512_xor_si512(_mm512_xor_si512(high_1, c1), key_0);
            c2 = _mm512_xor_si512(_mm512_xor_si512(high_0, c3), key_1);
            (c1, c3) = (low_1, low_0);
            k0 = k0.wrapping_add(WEYL_0);
            k1 = k1.wrapping_add(WEYL_1);
        }
        let bytes = bytes.as_chunks_mut::<4>().0;
        for (words, bytes) in [c0, c1, c2, c3].into_iter().zip(bytes) {
            let lower = _mm512_cmplt_epu32_mask(_mm512_and_si512(words, lower_half), threshold);
            let upper = _mm512_cmplt_epu32_mask(_mm512_srli_epi32::<16>(words), threshold);
            *bytes = (u32::from(lower) | u32::from(upper) << LANES).to_le_bytes();
        }
    }
}
