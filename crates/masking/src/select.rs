//! How many positions are masked, and which: the smallest random keys.
//!
//! The count is exact, not binomial: `floor(p n + u)` of n maskable positions, u uniform in
//! [0, 1), so that its mean is p n and it never exceeds [`mask_capacity`]. The rows of the
//! masked-LM head are therefore a fixed number a sequence.

/// The most positions that are masked in a sequence of `sequence_length` tokens, two of which
/// are `<s>` and `</s>`: `ceil(p (T - 2))`.
///
/// ```
/// assert_eq!(masking::mask_capacity(512, 0.15), 77);
/// ```
pub fn mask_capacity(sequence_length: usize, mlm_probability: f64) -> usize {
    most_masked(sequence_length.saturating_sub(2), mlm_probability)
}

/// Rounding of the product p n must not lift it over a whole number.
const PRODUCT_ROUNDING: f64 = 1e-9;

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a product of a length and a probability, neither negative"
)]
fn most_masked(num_maskable: usize, mlm_probability: f64) -> usize {
    (mlm_probability * num_maskable as f64 - PRODUCT_ROUNDING)
        .ceil()
        .max(0.0) as usize
}

/// The number of positions to mask among `num_maskable`; `word` is random.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a product of a length and a probability, neither negative"
)]
pub(crate) fn count_to_mask(num_maskable: usize, mlm_probability: f64, word: u32) -> usize {
    let uniform = f64::from(word) / 4_294_967_296.0;
    let count = (mlm_probability * num_maskable as f64 + uniform).floor() as usize;
    count.min(most_masked(num_maskable, mlm_probability))
}

/// A random key that carries its position: unequal keys, ordered by the random word.
#[inline]
pub(crate) fn position_key(word: u32, position: u32) -> u64 {
    (u64::from(word) << 32) | u64::from(position)
}

/// The position that `key` carries.
#[inline]
pub(crate) fn key_position(key: u64) -> u32 {
    philox::split(key).1
}

/// Leaves the positions of the `count` smallest of `keys`, in order of position if `keys` are;
/// `ranked` is scratch.
pub(crate) fn select_smallest(keys: &[u64], count: usize, ranked: &mut Vec<u64>, positions: &mut Vec<u32>) {
    positions.clear();
    if count == 0 {
        return;
    }
    keep_below(keys, probable_bound(keys.len(), count), ranked);
    if ranked.len() < count {
        ranked.clear();
        ranked.extend_from_slice(keys);
    }
    let (_, &mut last, _) = ranked.select_nth_unstable(count - 1);
    positions.resize(keys.len(), 0);
    let mut num = 0;
    for &key in keys {
        // without a branch, which would be guessed wrong at every masked position
        positions[num] = key_position(key);
        num += usize::from(key <= last);
    }
    positions.truncate(num);
}

/// Leaves the keys below `bound` in `kept`, without a branch on each.
fn keep_below(keys: &[u64], bound: u64, kept: &mut Vec<u64>) {
    kept.resize(keys.len(), 0);
    let mut num = 0;
    for &key in keys {
        kept[num] = key;
        num += usize::from(key < bound);
    }
    kept.truncate(num);
}

/// A bound that has the `count` smallest of `num_keys` random keys below it nearly always: four
/// standard deviations above their share. Ranking what is below takes a third of the time of
/// ranking all, and the result is the same.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float that is too large becomes the largest number, which keeps every key"
)]
fn probable_bound(num_keys: usize, count: usize) -> u64 {
    let (num_keys, count) = (num_keys as f64, count as f64);
    let deviation = (count * (1.0 - count / num_keys).max(0.0)).sqrt();
    let share = (count + 4.0 * deviation + 1.0) / num_keys;
    (share * 18_446_744_073_709_551_616.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_capacity_of_the_recipe_is_77() {
        assert_eq!(mask_capacity(512, 0.15), 77);
        assert_eq!(mask_capacity(128, 0.15), 19);
        assert_eq!(mask_capacity(22, 0.15), 3);
        assert_eq!(mask_capacity(32, 0.1), 3);
        assert_eq!(mask_capacity(2, 0.15), 0);
        assert_eq!(mask_capacity(0, 0.15), 0);
        assert_eq!(mask_capacity(10, 1.0), 8);
    }

    #[test]
    fn the_count_is_the_product_rounded_down_or_up() {
        assert_eq!(count_to_mask(510, 0.15, 0), 76);
        assert_eq!(count_to_mask(510, 0.15, 0x7fff_ffff), 76);
        assert_eq!(count_to_mask(510, 0.15, 0x8000_0000), 77);
        assert_eq!(count_to_mask(510, 0.15, u32::MAX), 77);
        assert_eq!(count_to_mask(20, 0.15, u32::MAX), 3);
        assert_eq!(count_to_mask(1, 0.15, 0), 0);
        assert_eq!(count_to_mask(0, 0.15, u32::MAX), 0);
        assert_eq!(count_to_mask(7, 1.0, u32::MAX), 7);
    }

    #[test]
    fn what_is_ranked_lies_below_the_bound_in_the_order_of_the_keys() {
        let mut kept = vec![8; 2];
        keep_below(&[5, 1, 9, 3], 5, &mut kept);
        assert_eq!(kept, [1, 3]);
    }

    #[test]
    fn the_bound_is_four_deviations_and_a_key_above_the_share() {
        let share = |num_keys, count| probable_bound(num_keys, count) as f64 / 2f64.powi(64);
        // (77 + 4 sqrt(77 (1 - 77 / 512)) + 1) / 512 and (20 + 4 sqrt(20 / 2) + 1) / 40
        assert!((share(512, 77) - 0.215_53).abs() < 1e-4, "{}", share(512, 77));
        assert!((share(40, 20) - 0.841_23).abs() < 1e-4, "{}", share(40, 20));
        assert_eq!(probable_bound(40, 40), u64::MAX);
    }

    proptest! {
        #[test]
        fn position_selection_takes_exactly_the_count_smallest_keys_in_order(
            words in proptest::collection::vec(any::<u32>(), 1..300),
            share in 0.0..=1.0,
        ) {
            let keys: Vec<u64> = (0..).zip(&words).map(|(p, &w)| position_key(w, p)).collect();
            let count = most_masked(keys.len(), share).min(keys.len());
            let (mut ranked, mut positions) = (Vec::new(), Vec::new());
            select_smallest(&keys, count, &mut ranked, &mut positions);
            let mut sorted = keys.clone();
            sorted.sort_unstable();
            let mut expected: Vec<u32> = sorted[..count].iter().map(|&k| key_position(k)).collect();
            expected.sort_unstable();
            prop_assert_eq!(positions, expected);
        }

        #[test]
        fn a_bound_that_was_too_low_changes_nothing(
            words in proptest::collection::vec(u32::MAX / 2.., 2..200), count in 1_usize..40,
        ) {
            // all keys in the upper half: the bound of a small count keeps none or a few
            let keys: Vec<u64> = (0..).zip(&words).map(|(p, &w)| position_key(w, p)).collect();
            let count = count.min(keys.len());
            let (mut ranked, mut positions) = (Vec::new(), vec![7; 3]);
            select_smallest(&keys, count, &mut ranked, &mut positions);
            let mut expected = keys.clone();
            expected.sort_unstable();
            let mut expected: Vec<u32> = expected[..count].iter().map(|&k| key_position(k)).collect();
            expected.sort_unstable();
            prop_assert_eq!(positions, expected);
        }

        #[test]
        fn the_count_never_exceeds_the_capacity(
            num_maskable in 0_usize..600, padding in 0_usize..50, p in 0.0..=1.0, word: u32,
        ) {
            let count = count_to_mask(num_maskable, p, word);
            prop_assert!(count <= mask_capacity(num_maskable + 2 + padding, p));
            prop_assert!(count <= num_maskable);
            prop_assert!((count as f64 - p * num_maskable as f64).abs() <= 1.0);
        }
    }
}
