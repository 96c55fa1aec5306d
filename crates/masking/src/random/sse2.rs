//! Four calls of Philox at once with SSE2, which every `x86_64` has.

use std::arch::x86_64::{
    __m128i, _mm_and_si128, _mm_cvtsi128_si64, _mm_mul_epu32, _mm_or_si128, _mm_set_epi64x, _mm_slli_epi64,
    _mm_srli_epi64, _mm_unpackhi_epi64, _mm_xor_si128,
};

use super::{MULTIPLIERS, NUM_ROUNDS, next_key, split};

/// The words of four counters that differ in their first word: two words are multiplied at once, and the
/// next two while their products are on their way.
#[inline]
#[expect(unsafe_code, reason = "SIMD")]
pub(crate) fn four_philox4x32_10(first_words: [u32; 4], others: [u32; 3], key: [u32; 2]) -> [[u32; 4]; 4] {
    // SAFETY: every x86_64 has SSE2.
    unsafe { philox(first_words, others, key) }
}

#[inline]
#[target_feature(enable = "sse2")]
fn philox(first_words: [u32; 4], others: [u32; 3], mut key: [u32; 2]) -> [[u32; 4]; 4] {
    let both = |word: u32| pair(word, word);
    let (multipliers, low_word) = ([both(MULTIPLIERS[0]), both(MULTIPLIERS[1])], both(u32::MAX));
    let [a, b, c, d] = first_words;
    let [second, third, fourth] = others.map(both);
    let mut pairs = [pair(a, b), pair(c, d)].map(|first| [first, second, third, fourth]);
    for _ in 0..NUM_ROUNDS {
        let [key_0, key_1] = key.map(both);
        for counter in &mut pairs {
            let product_0 = _mm_mul_epu32(multipliers[0], counter[0]);
            let product_1 = _mm_mul_epu32(multipliers[1], counter[2]);
            let mix =
                |product, word, key| _mm_xor_si128(_mm_xor_si128(_mm_srli_epi64::<32>(product), word), key);
            *counter = [
                mix(product_1, counter[1], key_0),
                _mm_and_si128(product_1, low_word),
                mix(product_0, counter[3], key_1),
                _mm_and_si128(product_0, low_word),
            ];
        }
        key = next_key(key);
    }
    let [[first, second], [third, fourth]] = pairs.map(|pair| words_of(pair));
    [first, second, third, fourth]
}

/// A word of two counters, each in the lower half of its 64 bits.
#[target_feature(enable = "sse2")]
fn pair(first: u32, second: u32) -> __m128i {
    _mm_set_epi64x(i64::from(second), i64::from(first))
}

/// The words of both counters of a pair.
#[target_feature(enable = "sse2")]
fn words_of([a, b, c, d]: [__m128i; 4]) -> [[u32; 4]; 2] {
    let halves = [(a, b), (c, d)].map(|(low, high)| _mm_or_si128(low, _mm_slli_epi64::<32>(high)));
    let words = |halves: [__m128i; 2]| {
        let [(b, a), (d, c)] = halves.map(|half| split(_mm_cvtsi128_si64(half).cast_unsigned()));
        [a, b, c, d]
    };
    [
        words(halves),
        words(halves.map(|half| _mm_unpackhi_epi64(half, half))),
    ]
}
