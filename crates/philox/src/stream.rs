//! The words of a stream one after the other, as the traits of `rand_core` have it.

use std::convert::Infallible;

use rand_core::block::{BlockRng, Generator};
use rand_core::{SeedableRng, TryRng};

use crate::block::{philox4x32_10, split};

/// A stream of random words: the blocks of the counters (0, stream), (1, stream) and so on.
#[derive(Debug, Clone)]
pub struct PhiloxRng(BlockRng<Blocks>);

#[derive(Debug, Clone)]
struct Blocks {
    key: [u32; 2],
    stream: [u32; 2],
    next: u64,
}

impl Generator for Blocks {
    type Output = [u32; 4];

    fn generate(&mut self, output: &mut Self::Output) {
        let ((high, low), [a, b]) = (split(self.next), self.stream);
        *output = philox4x32_10([low, high, a, b], self.key);
        self.next = self.next.wrapping_add(1);
    }
}

impl PhiloxRng {
    /// The stream `stream` under `key`; different ones share no block.
    pub fn new(key: [u32; 2], stream: [u32; 2]) -> Self {
        Self(BlockRng::new(Blocks { key, stream, next: 0 }))
    }
}

impl SeedableRng for PhiloxRng {
    /// Key and stream, in little-endian order.
    type Seed = [u8; 16];

    fn from_seed(seed: Self::Seed) -> Self {
        let [a, b, c, d] = rand_core::utils::read_words(&seed);
        Self::new([a, b], [c, d])
    }
}

impl TryRng for PhiloxRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.next_word())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.next_u64_from_u32())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill_bytes(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rand::seq::SliceRandom;
    use rand::{Rng, RngExt};

    use super::*;

    #[test]
    fn a_stream_is_the_blocks_of_its_counters_in_order() {
        let mut stream = PhiloxRng::new([7, 8], [9, 10]);
        let words: Vec<u32> = (0..12).map(|_| stream.next_u32()).collect();
        let blocks = [0, 1, 2].map(|block| philox4x32_10([block, 0, 9, 10], [7, 8]));
        assert_eq!(words, blocks.as_flattened());
    }

    #[test]
    fn long_words_and_bytes_are_taken_from_the_same_words() {
        let words = philox4x32_10([0, 0, 0, 0], [1, 0]);
        let stream = || PhiloxRng::new([1, 0], [0, 0]);
        assert_eq!(
            stream().next_u64(),
            u64::from(words[1]) << 32 | u64::from(words[0])
        );
        let mut bytes = [0; 16];
        stream().fill_bytes(&mut bytes);
        assert_eq!(bytes, words.map(u32::to_le_bytes).as_flattened());
    }

    #[test]
    fn keys_streams_and_seeds_give_other_words_and_repeat_otherwise() {
        let first = |mut stream: PhiloxRng| stream.next_u64();
        let base = first(PhiloxRng::new([1, 2], [3, 4]));
        assert_eq!(base, first(PhiloxRng::new([1, 2], [3, 4])));
        for (key, stream) in [
            ([2, 2], [3, 4]),
            ([1, 3], [3, 4]),
            ([1, 2], [4, 4]),
            ([1, 2], [3, 5]),
        ] {
            assert_ne!(base, first(PhiloxRng::new(key, stream)));
        }
        let seed = [1_u32, 2, 3, 4].map(u32::to_le_bytes);
        let seed = <[u8; 16]>::try_from(seed.as_flattened()).unwrap();
        assert_eq!(base, first(PhiloxRng::from_seed(seed)));
        assert_ne!(
            first(PhiloxRng::seed_from_u64(1)),
            first(PhiloxRng::seed_from_u64(2))
        );
    }

    #[test]
    fn rand_draws_with_it() {
        let mut stream = PhiloxRng::seed_from_u64(5);
        let drawn: Vec<i64> = (0..500).map(|_| stream.random_range(-2..=2)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&-2), Some(&2)));
        let mut order: Vec<u32> = (0..50).collect();
        order.shuffle(&mut stream);
        assert!(!order.is_sorted());
    }
}
