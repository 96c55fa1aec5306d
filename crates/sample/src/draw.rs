//! The sample's own small generator: a splitmix64 stream named by (seed, purpose, index).
//!
//! It is not the generator of masks or of the training order; those live in `masking` and
//! `loader`.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// One stream of draws; equal (seed, purpose, index) give the equal stream on every machine.
#[derive(Debug, Clone)]
pub(super) struct Draw {
    state: u64,
}

impl Draw {
    /// The stream for `purpose` number `index` under the run's `seed`.
    pub(super) fn new(seed: u64, purpose: &str, index: u64) -> Self {
        let mut state = xxh3_64_with_seed(purpose.as_bytes(), seed);
        state ^= index.wrapping_mul(0xd1b5_4a32_d192_ed03);
        Self { state }
    }

    /// The next 64 bits (Steele, Lea, Flood 2014, splitmix64).
    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..count`; `count` must not be 0.
    pub(super) fn below(&mut self, count: usize) -> usize {
        let product = u128::from(self.next()) * (count as u128);
        usize::try_from(product >> 64).expect("the high half is below count, which is a usize")
    }

    /// A number in `low..=high`.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = usize::try_from(high - low + 1).expect("callers pass low <= high");
        low + i64::try_from(self.below(span)).expect("below a span that came from an i64")
    }

    /// True in `percent` of the draws.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One item, each as likely as another.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// One item, the early ones more often, as words in prose are.
    pub(super) fn pick_early<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let draws = [(); 4].map(|()| self.below(items.len()));
        &items[draws.into_iter().min().unwrap_or(0)]
    }

    /// The items in a drawn order.
    pub(super) fn shuffled<T: Clone>(&mut self, items: &[T]) -> Vec<T> {
        let mut order = items.to_vec();
        for last in (1..order.len()).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_seed_purpose_and_index_and_repeat_otherwise() {
        let first = |seed, purpose, index| Draw::new(seed, purpose, index).next();
        assert_eq!(first(1, "a", 2), first(1, "a", 2));
        assert_ne!(first(1, "a", 2), first(2, "a", 2));
        assert_ne!(first(1, "a", 2), first(1, "b", 2));
        assert_ne!(first(1, "a", 2), first(1, "a", 3));
    }

    #[test]
    fn bounded_draws_stay_in_bounds_and_reach_both_ends() {
        let mut draw = Draw::new(7, "bounds", 0);
        let seen: Vec<i64> = (0..500).map(|_| draw.between(-2, 2)).collect();
        assert_eq!(seen.iter().min(), Some(&-2));
        assert_eq!(seen.iter().max(), Some(&2));
    }
}
