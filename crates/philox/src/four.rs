//! Four calls of Philox at once, in vectors where the processor's are known to be there.

#[cfg(target_arch = "x86_64")]
mod sse2;

#[cfg(target_arch = "x86_64")]
pub use sse2::four_philox4x32_10;

/// The random words of four counters that differ in their first word.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub fn four_philox4x32_10(first_words: [u32; 4], [a, b, c]: [u32; 3], key: [u32; 2]) -> [[u32; 4]; 4] {
    first_words.map(|first| crate::block::philox4x32_10([first, a, b, c], key))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::block::philox4x32_10;

    proptest! {
        #[test]
        fn four_together_are_the_same_as_one_after_the_other(
            first_words: [u32; 4], others: [u32; 3], key: [u32; 2],
        ) {
            let [a, b, c] = others;
            let single = first_words.map(|first| philox4x32_10([first, a, b, c], key));
            prop_assert_eq!(four_philox4x32_10(first_words, others, key), single);
        }
    }
}
