//! Four calls of Philox at once with SSE2, which every `x86_64` has.

use safe_arch::{
    bitand_m128i, bitor_m128i, bitxor_m128i, m128i, mul_widen_u32_odd_m128i, set_i64_m128i,
    shl_imm_u64_m128i, shr_imm_u64_m128i,
};

use crate::block::{MULTIPLIERS, NUM_ROUNDS, next_key};

/// The random words of four counters that differ in their first word: two words are multiplied at once, and
/// the next two while their products are on their way.
#[inline]
pub fn four_philox4x32_10(first_words: [u32; 4], others: [u32; 3], mut key: [u32; 2]) -> [[u32; 4]; 4] {
    let both = |word| pair(word, word);
    let (multipliers, low_word) = (MULTIPLIERS.map(both), both(u32::MAX));
    let [a, b, c, d] = first_words;
    let [second, third, fourth] = others.map(both);
    let mut pairs = [pair(a, b), pair(c, d)].map(|first| [first, second, third, fourth]);
    for _ in 0..NUM_ROUNDS {
        let [key_0, key_1] = key.map(both);
        for counter in &mut pairs {
            let product_0 = mul_widen_u32_odd_m128i(multipliers[0], counter[0]);
            let product_1 = mul_widen_u32_odd_m128i(multipliers[1], counter[2]);
            let mix =
                |product, word, key| bitxor_m128i(bitxor_m128i(shr_imm_u64_m128i::<32>(product), word), key);
            *counter = [
                mix(product_1, counter[1], key_0),
                bitand_m128i(product_1, low_word),
                mix(product_0, counter[3], key_1),
                bitand_m128i(product_0, low_word),
            ];
        }
        key = next_key(key);
    }
    let [[first, second], [third, fourth]] = pairs.map(words_of);
    [first, second, third, fourth]
}

/// A word of two counters, each in the lower half of its 64 bits.
#[inline]
fn pair(first: u32, second: u32) -> m128i {
    set_i64_m128i(i64::from(second), i64::from(first))
}

/// The words of both counters of a pair.
#[inline]
fn words_of([a, b, c, d]: [m128i; 4]) -> [[u32; 4]; 2] {
    let words = |low, high| <[u32; 4]>::from(bitor_m128i(low, shl_imm_u64_m128i::<32>(high)));
    let ([a0, b0, a1, b1], [c0, d0, c1, d1]) = (words(a, b), words(c, d));
    [[a0, b0, c0, d0], [a1, b1, c1, d1]]
}
