//! The order of a source's sequences in an epoch: a permutation that is computed, not stored.
//!
//! A Feistel network over a power of two that holds the size, and cycle walking
//! down to the size itself: what falls outside is encrypted again until it falls inside
//! (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002, section 5). Position
//! and seed give the sequence in constant time and memory, at any step.

use philox::{philox4x32_10, split};

/// Rounds of the network; an even number leaves the two halves on their sides.
const NUM_ROUNDS: u32 = 8;
/// A network over fewer bits than this is visibly uneven over many epochs (chi-square test
/// below); small sizes walk longer cycles instead.
const MIN_BITS: u32 = 6;
/// Keeps the draws of order apart from those of masks under the same seed: `orde`, `r!!!`.
const PURPOSE_KEY: [u32; 2] = [0x6f72_6465, 0x7221_2121];

/// A permutation of `0..size`, different for every seed, source and epoch.
#[derive(Debug, Clone)]
pub(crate) struct Permutation {
    size: u64,
    left_bits: u32,
    right_bits: u32,
    words: [u32; 4],
}

/// What selects a permutation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OrderKey {
    pub(crate) seed: u64,
    /// Hash of the source's name.
    pub(crate) source: u64,
    pub(crate) epoch: u64,
}

impl Permutation {
    /// The permutation of `0..size` that `key` selects.
    pub(crate) fn new(key: OrderKey, size: u64) -> Self {
        let bits = (u64::BITS - size.saturating_sub(1).leading_zeros()).max(MIN_BITS);
        let (source_high, source_low) = split(key.source);
        let (epoch_high, epoch_low) = split(key.epoch);
        let (seed_high, seed_low) = split(key.seed);
        Self {
            size,
            left_bits: bits / 2,
            right_bits: bits - bits / 2,
            words: philox4x32_10(
                [source_low, source_high, epoch_low, epoch_high],
                [seed_low ^ PURPOSE_KEY[0], seed_high ^ PURPOSE_KEY[1]],
            ),
        }
    }

    /// Where `index`, which is below the size, is sent.
    pub(crate) fn apply(&self, index: u64) -> u64 {
        debug_assert!(index < self.size, "{index} is not below {}", self.size);
        walk(index, self.size, |value| self.encrypt(value))
    }

    fn encrypt(&self, value: u64) -> u64 {
        let (mut left_bits, mut right_bits) = (self.left_bits, self.right_bits);
        let (mut left, mut right) = (value >> right_bits, value & low_bits(right_bits));
        for round in 0..NUM_ROUNDS {
            let mixed = left ^ (self.round_word(round, right) & low_bits(left_bits));
            (left, right) = (right, mixed);
            (left_bits, right_bits) = (right_bits, left_bits);
        }
        (left << right_bits) | right
    }

    fn round_word(&self, round: u32, half: u64) -> u64 {
        let (_, half) = split(half);
        let [key_0, key_1, counter_2, counter_3] = self.words;
        let words = philox4x32_10([half, round, counter_2, counter_3], [key_0, key_1]);
        u64::from(words[0])
    }
}

/// Cycle walking: `encrypt` until the value falls below `size` again.
fn walk(index: u64, size: u64, encrypt: impl Fn(u64) -> u64) -> u64 {
    let mut value = encrypt(index);
    while value >= size {
        value = encrypt(value);
    }
    value
}

fn low_bits(num_bits: u32) -> u64 {
    (1 << num_bits) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: OrderKey = OrderKey {
        seed: 11,
        source: 0x0123_4567_89ab_cdef,
        epoch: 2,
    };

    fn order(key: OrderKey, size: u64) -> Vec<u64> {
        let permutation = Permutation::new(key, size);
        (0..size).map(|index| permutation.apply(index)).collect()
    }

    fn assert_bijective(key: OrderKey, size: u64) {
        assert_each_once(size, order(key, size).into_iter());
    }

    fn assert_each_once(size: u64, order: impl Iterator<Item = u64>) {
        let mut seen = vec![false; usize::try_from(size).unwrap()];
        for value in order {
            let seen = &mut seen[usize::try_from(value).unwrap()];
            assert!(!*seen, "{value} comes twice in a permutation of {size}");
            *seen = true;
        }
        assert!(
            seen.into_iter().all(|seen| seen),
            "a permutation of {size} has holes"
        );
    }

    /// Sizes of one number of bits share the network, whose values are computed once here and
    /// looked up in the walk that [`Permutation::apply`] takes.
    #[test]
    fn the_order_is_a_bijection_for_every_size_to_10000() {
        let mut table: Vec<u64> = Vec::new();
        for size in 1..=10_000 {
            let permutation = Permutation::new(KEY, size);
            let num_values = 1_u64 << (permutation.left_bits + permutation.right_bits);
            if table.len() as u64 != num_values {
                assert!(num_values >= size);
                table = (0..num_values).map(|value| permutation.encrypt(value)).collect();
            }
            let looked_up = |value: u64| table[usize::try_from(value).unwrap()];
            assert_each_once(size, (0..size).map(|index| walk(index, size, looked_up)));
            for index in [0, size / 3, size - 1] {
                assert_eq!(permutation.apply(index), walk(index, size, looked_up));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_order_is_a_bijection_for_larger_sizes(
            size in 10_001_u64..120_000, seed: u64, source: u64, epoch: u64,
        ) {
            assert_bijective(OrderKey { seed, source, epoch }, size);
        }

        #[test]
        fn huge_sizes_stay_inside_and_keep_indices_apart(
            size in (1_u64 << 32)..(1 << 63), a: u64, b: u64,
        ) {
            let permutation = Permutation::new(KEY, size);
            let (a, b) = (a % size, b % size);
            let (to_a, to_b) = (permutation.apply(a), permutation.apply(b));
            prop_assert!(to_a < size && to_b < size);
            prop_assert_eq!(a == b, to_a == to_b);
        }
    }

    #[test]
    fn the_order_differs_by_seed_source_and_epoch_and_repeats_under_the_same() {
        let base = order(KEY, 100);
        for other in [
            OrderKey { seed: 12, ..KEY },
            OrderKey {
                source: KEY.source + 1,
                ..KEY
            },
            OrderKey { epoch: 3, ..KEY },
        ] {
            assert_ne!(order(other, 100), base, "{other:?}");
        }
        assert_eq!(order(KEY, 100), base);
    }

    #[test]
    fn the_order_of_a_known_key_never_changes() {
        // A change here changes the order promise of every run that exists.
        assert_eq!(order(KEY, 12), GOLDEN_ORDER);
    }
    const GOLDEN_ORDER: [u64; 12] = [0, 7, 11, 2, 4, 9, 5, 1, 6, 8, 10, 3];

    #[test]
    fn over_many_epochs_every_index_comes_to_every_place_equally_often() {
        for size in [2_u64, 3, 5, 8, 13] {
            let num_epochs = 6000;
            let side = usize::try_from(size).unwrap();
            let mut counts = vec![0_u64; side * side];
            for epoch in 0..num_epochs {
                for (place, value) in order(OrderKey { epoch, ..KEY }, size).iter().enumerate() {
                    counts[place * side + usize::try_from(*value).unwrap()] += 1;
                }
            }
            let expected = num_epochs as f64 / size as f64;
            let chi_square: f64 = counts
                .iter()
                .map(|&count| (count as f64 - expected).powi(2) / expected)
                .sum();
            let freedom = ((side - 1) * (side - 1)) as f64;
            let limit = freedom + 5.0 * (2.0 * freedom).sqrt();
            assert!(chi_square < limit, "size {size}: {chi_square} over {limit}");
        }
    }
}
