//! How alike two texts are: the Jaccard similarity of their sets of five-word shingles, exactly
//! and by `MinHash` signatures. It reads and writes nothing.
//!
//! Signatures: one-permutation hashing (Li, Owen and Zhang 2012, section 2), empty bins filled
//! from others (Shrivastava 2017, section 3, with a probe that visits every bin). Candidates by
//! bands of rows: Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", section 3.4.

use xxhash_rust::xxh3::xxh3_64;

/// Words of a shingle.
const SHINGLE_WORDS: usize = 5;

/// Values of a signature.
pub(crate) const NUM_BINS: usize = 128;

/// Bands of a signature. Two texts that agree in one of them are compared.
pub(crate) const NUM_BANDS: usize = 16;

const BAND_ROWS: usize = NUM_BINS / NUM_BANDS;

/// The least similarity that may be asked for: 16 bands of 8 rows miss one pair in 20 of it
/// (1 - (1 - 0.8^8)^16 = 0.947), one in 37 million of 0.95, and two in five of 0.7.
pub(crate) const LEAST_SIMILARITY: f64 = 0.8;

/// A sketch of a text's set of shingles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature([u32; NUM_BINS]);

impl Signature {
    /// The signature of a text in pieces; where it is cut into pieces makes no difference.
    pub(crate) fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        // Wider than a value, so that no value means an empty bin.
        const EMPTY: u64 = u64::MAX;
        let mut smallest = [EMPTY; NUM_BINS];
        for_each_shingle(texts, |shingle| {
            // The highest 7 of 64 bits choose the bin, the lowest 32 are the value.
            let bin = (shingle >> 57) as usize;
            smallest[bin] = smallest[bin].min(shingle & u64::from(u32::MAX));
        });
        let value = |bin| {
            let full = probe(bin).find(|bin| smallest[*bin] != EMPTY);
            full.map_or(u32::MAX, |bin| u32::try_from(smallest[bin]).unwrap_or(u32::MAX))
        };
        Self(std::array::from_fn(value))
    }

    /// Estimates the Jaccard similarity; the standard error is at most
    /// `sqrt(j (1 - j) / NUM_BINS)`.
    pub(crate) fn similarity(&self, other: &Self) -> f64 {
        let equal = self.0.iter().zip(&other.0).filter(|(a, b)| a == b).count();
        equal as f64 / NUM_BINS as f64
    }

    /// One hash a band, different between bands.
    pub(crate) fn bands(&self) -> [u64; NUM_BANDS] {
        let bytes = self.to_bytes();
        std::array::from_fn(|band| {
            let rows = &bytes[4 * BAND_ROWS * band..4 * BAND_ROWS * (band + 1)];
            xxhash_rust::xxh3::xxh3_64_with_seed(rows, band as u64)
        })
    }

    /// Its values, little-endian.
    pub(crate) fn to_bytes(&self) -> [u8; 4 * NUM_BINS] {
        std::array::from_fn(|at| self.0[at / 4].to_le_bytes()[at % 4])
    }

    /// The opposite of [`Signature::to_bytes`].
    pub(crate) fn from_bytes(bytes: &[u8; 4 * NUM_BINS]) -> Self {
        let value = |bin: usize| std::array::from_fn(|byte| bytes[4 * bin + byte]);
        Self(std::array::from_fn(|bin| u32::from_le_bytes(value(bin))))
    }
}

/// How far below a similarity the estimate of a pair that has it may lie: four standard errors.
pub(crate) fn estimate_margin(similarity: f64) -> f64 {
    4.0 * (similarity * (1.0 - similarity) / NUM_BINS as f64).sqrt()
}

/// The hashes of a text's shingles, sorted and each once.
pub(crate) fn shingles<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<u64> {
    let mut shingles = Vec::new();
    for_each_shingle(texts, |shingle| shingles.push(shingle));
    shingles.sort_unstable();
    shingles.dedup();
    shingles
}

/// Jaccard similarity of two sorted sets; that of two empty ones is 1.
pub(crate) fn jaccard(a: &[u64], b: &[u64]) -> f64 {
    let (mut i, mut j, mut shared) = (0, 0, 0_usize);
    while i < a.len() && j < b.len() {
        shared += usize::from(a[i] == b[j]);
        let (step_a, step_b) = (a[i] <= b[j], b[j] <= a[i]);
        i += usize::from(step_a);
        j += usize::from(step_b);
    }
    match a.len() + b.len() - shared {
        0 => 1.0,
        union => shared as f64 / union as f64,
    }
}

/// Calls `each` with the hash of every run of five words; a shorter text is one shingle.
fn for_each_shingle<'a>(texts: impl Iterator<Item = &'a str>, mut each: impl FnMut(u64)) {
    let mut last = [0_u64; SHINGLE_WORDS];
    let mut num_words = 0;
    for word in texts.flat_map(str::split_whitespace) {
        last[num_words % SHINGLE_WORDS] = xxh3_64(word.as_bytes());
        num_words += 1;
        if num_words >= SHINGLE_WORDS {
            each(combine(&last, num_words));
        }
    }
    if (1..SHINGLE_WORDS).contains(&num_words) {
        each(combine(&last, num_words));
    }
}

/// One hash of the last words in their order, oldest first; `next` is the place of the oldest.
fn combine(words: &[u64; SHINGLE_WORDS], next: usize) -> u64 {
    // Odd multipliers of splitmix64 (Steele, Lea and Flood 2014) spread every bit upwards and,
    // with the shifts, downwards.
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut hash = 0_u64;
    for at in next..next + SHINGLE_WORDS {
        hash = (hash.rotate_left(23) ^ words[at % SHINGLE_WORDS]).wrapping_mul(STEP);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// A bin, and after it all others in an order of its own.
fn probe(bin: usize) -> impl Iterator<Item = usize> {
    let [start, step, ..] = xxh3_64(&(bin as u64).to_le_bytes())
        .to_le_bytes()
        .map(usize::from);
    // An odd step visits each of 128 bins.
    let step = step | 1;
    let others = (0..NUM_BINS).map(move |turn| (start + turn * step) & (NUM_BINS - 1));
    std::iter::once(bin).chain(others)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A text of `n` different words with every `every`-th replaced.
    fn text(n: usize, every: usize) -> String {
        let word = |at: usize| {
            if at % every == every - 1 {
                format!("other{at} ")
            } else {
                format!("word{at} ")
            }
        };
        (0..n).map(word).collect()
    }

    fn whole(text: &str) -> std::iter::Once<&str> {
        std::iter::once(text)
    }

    proptest! {
        #[test]
        fn the_estimate_lies_within_its_error_of_the_exact_similarity(n in 300_usize..3000, every in 20_usize..400) {
            let (a, b) = (text(n, usize::MAX), text(n, every));
            let exact = jaccard(&shingles(whole(&a)), &shingles(whole(&b)));
            let estimate = Signature::of(whole(&a)).similarity(&Signature::of(whole(&b)));
            // Five standard errors, and one bin for exact 0 and 1.
            let error = 5.0 * (exact * (1.0 - exact) / NUM_BINS as f64).sqrt() + 1.0 / NUM_BINS as f64;
            prop_assert!((estimate - exact).abs() <= error, "{} for {}", estimate, exact);
        }

        #[test]
        fn similar_texts_share_a_band(n in 400_usize..3000, every in 200_usize..400) {
            let (a, b) = (text(n, usize::MAX), text(n, every));
            let exact = jaccard(&shingles(whole(&a)), &shingles(whole(&b)));
            prop_assert!(exact > 0.93);
            let (a, b) = (Signature::of(whole(&a)).bands(), Signature::of(whole(&b)).bands());
            prop_assert!(a.iter().zip(&b).any(|(a, b)| a == b));
        }

        #[test]
        fn where_a_text_is_cut_makes_no_difference(words in proptest::collection::vec("[a-c]{1,3}", 0..40), cut in 0_usize..40) {
            let joined = words.join(" ");
            let (first, second) = words.split_at(cut.min(words.len()));
            let (first, second) = (first.join(" "), second.join("\u{a0}\n"));
            let pieces = || [first.as_str(), second.as_str()].into_iter();
            prop_assert_eq!(shingles(pieces()), shingles(whole(&joined)));
            let signature = Signature::of(pieces());
            prop_assert_eq!(&signature, &Signature::of(whole(&joined)));
            prop_assert_eq!(Signature::from_bytes(&signature.to_bytes()), signature);
        }
    }

    #[test]
    fn jaccard_is_shared_over_all() {
        assert!((jaccard(&[1, 2, 3], &[2, 3, 4]) - 0.5).abs() < 1e-12);
        assert!(jaccard(&[1], &[2]).abs() < 1e-12);
        assert!((jaccard(&[], &[]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn shorter_texts_than_a_shingle_are_told_apart_and_order_counts() {
        let one = |text| shingles(whole(text));
        for (a, b) in [
            ("a", "b"),
            ("a b", "b a"),
            ("a b c d", "a b c e"),
            ("a", "a a"),
            ("a b c d e", "b c d e a"),
        ] {
            assert_ne!(one(a), one(b), "{a} and {b}");
            assert_eq!((one(a).len(), one(b).len()), (1, 1));
        }
        assert!(one("").is_empty());
        assert_eq!(Signature::of(whole("")).0, [u32::MAX; NUM_BINS]);
    }

    #[test]
    fn every_bin_finds_a_full_one() {
        for bin in 0..NUM_BINS {
            let mut visited: Vec<usize> = probe(bin).skip(1).collect();
            visited.sort_unstable();
            assert_eq!(visited, (0..NUM_BINS).collect::<Vec<_>>());
        }
    }
}
