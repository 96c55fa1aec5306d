//! Philox 4x32-10, one block at a time and sixteen at a time.
//!
//! Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011,
//! section 3.3; constants from its table. Sixteen blocks side by side are written as loops
//! over lanes, which the compiler turns into whatever vectors the processor has: the numbers
//! are the same on all of them.
#![expect(
    clippy::inline_always,
    reason = "a function is compiled for AVX2 by being inlined into one that is"
)]

pub(crate) const MULTIPLIER_0: u32 = 0xD251_1F53;
pub(crate) const MULTIPLIER_1: u32 = 0xCD9E_8D57;
pub(crate) const WEYL_0: u32 = 0x9E37_79B9;
pub(crate) const WEYL_1: u32 = 0xBB67_AE85;
pub(crate) const ROUNDS: u32 = 10;

/// Blocks computed side by side by [`philox_lanes`].
pub(crate) const LANES: usize = 16;

/// High and low half of a 64-bit product.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the halves of a 64-bit product")]
fn multiply(a: u32, b: u32) -> (u32, u32) {
    let product = u64::from(a) * u64::from(b);
    ((product >> 32) as u32, product as u32)
}

/// Four random words for a counter under a key.
pub fn philox4x32_10(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    let [mut k0, mut k1] = key;
    for _ in 0..ROUNDS {
        let (high_0, low_0) = multiply(MULTIPLIER_0, c0);
        let (high_1, low_1) = multiply(MULTIPLIER_1, c2);
        (c0, c1, c2, c3) = (high_1 ^ c1 ^ k0, low_1, high_0 ^ c3 ^ k1, low_0);
        k0 = k0.wrapping_add(WEYL_0);
        k1 = k1.wrapping_add(WEYL_1);
    }
    [c0, c1, c2, c3]
}

/// A key for one purpose of a run, so that the streams of two purposes never meet: the first
/// words of the block (purpose, a, b, 0) under the run's seed.
pub fn purpose_key(seed: u64, purpose: u32, a: u32, b: u32) -> [u32; 2] {
    let [k0, k1, ..] = philox4x32_10([purpose, a, b, 0], halves(seed));
    [k0, k1]
}

/// Low and high word of a 64-bit number.
#[expect(clippy::cast_possible_truncation, reason = "splits a number into its words")]
pub(crate) fn halves(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

/// Words of the sixteen blocks whose first counter word is `first_block` + lane:
/// `result[word][lane]`.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a lane index is below 16")]
pub(crate) fn philox_lanes(first_block: u32, rest: [u32; 3], key: [u32; 2]) -> [[u32; LANES]; 4] {
    let mut c0: [u32; LANES] = std::array::from_fn(|lane| first_block.wrapping_add(lane as u32));
    let (mut c1, mut c2, mut c3) = ([rest[0]; LANES], [rest[1]; LANES], [rest[2]; LANES]);
    let [mut k0, mut k1] = key;
    for _ in 0..ROUNDS {
        for lane in 0..LANES {
            let (high_0, low_0) = multiply(MULTIPLIER_0, c0[lane]);
            let (high_1, low_1) = multiply(MULTIPLIER_1, c2[lane]);
            c0[lane] = high_1 ^ c1[lane] ^ k0;
            c1[lane] = low_1;
            c2[lane] = high_0 ^ c3[lane] ^ k1;
            c3[lane] = low_0;
        }
        k0 = k0.wrapping_add(WEYL_0);
        k1 = k1.wrapping_add(WEYL_1);
    }
    [c0, c1, c2, c3]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_three_published_vectors_hold() {
        // Random123 1.14, tests/kat_vectors, philox4x32 10.
        assert_eq!(
            philox4x32_10([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox4x32_10([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        let counter = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        let key = [0xa409_3822, 0x299f_31d0];
        assert_eq!(
            philox4x32_10(counter, key),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn purposes_and_seeds_give_different_keys() {
        let keys = [
            purpose_key(1, 1, 0, 0),
            purpose_key(1, 2, 0, 0),
            purpose_key(2, 1, 0, 0),
            purpose_key(1, 1, 1, 0),
        ];
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key));
        }
    }

    proptest! {
        #[test]
        fn lanes_equal_single_blocks(first: u32, rest: [u32; 3], key: [u32; 2]) {
            let lanes = philox_lanes(first, rest, key);
            #[expect(clippy::needless_range_loop, reason = "the lane also counts the block")]
            for lane in 0..LANES {
                let counter = [first.wrapping_add(u32::try_from(lane).unwrap()), rest[0], rest[1], rest[2]];
                let block = philox4x32_10(counter, key);
                for word in 0..4 {
                    prop_assert_eq!(lanes[word][lane], block[word]);
                }
            }
        }
    }
}
