//! Remembers the tokens of words, in bounded memory.
//!
//! Short words (up to 16 bytes and six tokens below 65,536, nearly all of running text) sit in
//! a table of two-slot buckets, one cache line each, where a new word pushes out the older of
//! two. The rest sits in a hash map that is emptied when full. Losing an entry costs time and
//! never changes an id.
//!
//! Words come from whoever sends text. Short words that are chosen to meet in one bucket push each
//! other out, and each is merged again: at most 16 bytes. The map's hash has a random key, so that
//! nobody can choose long words that meet in one place of it.

use std::collections::HashMap;

use crate::TokenId;

/// Buckets of the short table: 2^15 x 64 bytes = 2 MiB.
const BUCKET_BITS: u32 = 15;
const SHORT_BYTES: usize = 16;
const SHORT_TOKENS: usize = 6;
/// Longer words are merged each time: they hardly ever come twice.
const LONG_BYTES: usize = 256;
const LONG_ENTRIES: usize = 1 << 14;

/// A short word: its bytes in two overlapping halves, its length, and its tokens.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    low: u64,
    high: u64,
    length: u16,
    num_tokens: u16,
    tokens: [u16; SHORT_TOKENS],
}

/// Two slots on one cache line, the newer first.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
struct Bucket([Slot; 2]);

/// The words seen lately and their tokens.
#[derive(Debug)]
pub(crate) struct WordCache {
    short: Vec<Bucket>,
    long: HashMap<Box<[u8]>, (u32, u32)>,
    long_tokens: Vec<TokenId>,
}

impl WordCache {
    pub(crate) fn new() -> Self {
        Self {
            short: vec![Bucket::default(); 1 << BUCKET_BITS],
            long: HashMap::new(),
            long_tokens: Vec::new(),
        }
    }

    /// Appends the tokens of `word`, computing them by `merge` if it is not known.
    #[inline]
    pub(crate) fn tokens_into(
        &mut self,
        word: &[u8],
        out: &mut Vec<TokenId>,
        merge: impl FnOnce(&mut Vec<TokenId>),
    ) {
        if word.len() > SHORT_BYTES {
            return self.long_tokens_into(word, out, merge);
        }
        let key = ShortKey::new(word);
        let bucket = &self.short[key.bucket()];
        for slot in &bucket.0 {
            if key.is_of(slot) {
                let length = out.len() + usize::from(slot.num_tokens);
                out.extend(slot.tokens.map(TokenId::from));
                out.truncate(length);
                return;
            }
        }
        self.add_short(word, key, out, merge);
    }

    #[cold]
    fn add_short(
        &mut self,
        word: &[u8],
        key: ShortKey,
        out: &mut Vec<TokenId>,
        merge: impl FnOnce(&mut Vec<TokenId>),
    ) {
        let start = out.len();
        // words of many tokens are kept beside the long ones
        if let Some(&(first, count)) = self.long.get(word) {
            out.extend_from_slice(&self.long_tokens[first as usize..][..count as usize]);
            return;
        }
        merge(out);
        let tokens = &out[start..];
        let narrow = tokens.iter().all(|&token| u16::try_from(token).is_ok());
        if !narrow || tokens.len() > SHORT_TOKENS {
            return self.remember_long(word, start, out);
        }
        let mut slot = key.slot();
        for (kept, &token) in slot.tokens.iter_mut().zip(tokens) {
            *kept = u16::try_from(token).unwrap_or_default();
        }
        slot.num_tokens = u16::try_from(tokens.len()).unwrap_or_default();
        let bucket = &mut self.short[key.bucket()];
        bucket.0 = [slot, bucket.0[0]];
    }

    fn long_tokens_into(
        &mut self,
        word: &[u8],
        out: &mut Vec<TokenId>,
        merge: impl FnOnce(&mut Vec<TokenId>),
    ) {
        if word.len() > LONG_BYTES {
            return merge(out);
        }
        if let Some(&(first, count)) = self.long.get(word) {
            out.extend_from_slice(&self.long_tokens[first as usize..][..count as usize]);
            return;
        }
        let start = out.len();
        merge(out);
        self.remember_long(word, start, out);
    }

    /// Keeps `out[start..]` as the tokens of `word`.
    fn remember_long(&mut self, word: &[u8], start: usize, out: &[TokenId]) {
        if self.long.len() >= LONG_ENTRIES {
            self.long.clear();
            self.long_tokens.clear();
        }
        let tokens = &out[start..];
        let (Ok(first), Ok(count)) = (u32::try_from(self.long_tokens.len()), u32::try_from(tokens.len()))
        else {
            return;
        };
        self.long_tokens.extend_from_slice(tokens);
        self.long.insert(word.into(), (first, count));
    }
}

/// The bytes of a word of at most 16 bytes as two numbers; with the length they tell it apart
/// from every other word.
#[derive(Debug, Clone, Copy)]
struct ShortKey {
    low: u64,
    high: u64,
    length: u16,
}

impl ShortKey {
    #[inline]
    fn new(word: &[u8]) -> Self {
        let (low, high) = match *word {
            [] => (0, 0),
            [first] => (u64::from(first), 0),
            [first, .., last] if word.len() < 4 => {
                let middle = word[word.len() / 2];
                (
                    u64::from(first) | u64::from(middle) << 8 | u64::from(last) << 16,
                    0,
                )
            }
            _ => match (word.first_chunk::<8>(), word.last_chunk::<8>()) {
                (Some(low), Some(high)) => (u64::from_le_bytes(*low), u64::from_le_bytes(*high)),
                _ => (u64::from(first_four(word)), u64::from(last_four(word))),
            },
        };
        #[expect(clippy::cast_possible_truncation, reason = "words here have at most 16 bytes")]
        let length = word.len() as u16;
        Self { low, high, length }
    }

    #[inline]
    fn bucket(self) -> usize {
        // odd constants from the fractional parts of pi (as in wyhash); only spread matters
        let mixed = (self.low ^ 0x2436_F6A8_885A_308D).wrapping_mul(0x9E37_79B9_7F4A_7C15)
            ^ (self.high ^ u64::from(self.length))
                .wrapping_mul(0xC2B2_AE3D_27D4_EB4F)
                .rotate_left(29);
        let mixed = mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        usize::try_from(mixed >> (64 - BUCKET_BITS)).unwrap_or_default()
    }

    #[inline]
    fn is_of(self, slot: &Slot) -> bool {
        self.low == slot.low && self.high == slot.high && self.length == slot.length
    }

    fn slot(self) -> Slot {
        let Self { low, high, length } = self;
        Slot {
            low,
            high,
            length,
            ..Slot::default()
        }
    }
}

#[inline]
fn first_four(word: &[u8]) -> u32 {
    word.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

#[inline]
fn last_four(word: &[u8]) -> u32 {
    word.last_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stand-in for merging: one token a byte, plus an offset.
    fn tokens_of(cache: &mut WordCache, word: &[u8], offset: u32) -> Vec<TokenId> {
        let mut out = vec![7];
        cache.tokens_into(word, &mut out, |out| {
            out.extend(word.iter().map(|&byte| u32::from(byte) + offset));
        });
        assert_eq!(out.remove(0), 7);
        out
    }

    #[test]
    fn a_known_word_gives_what_it_gave_first() {
        for length in 0..40usize {
            let mut cache = WordCache::new();
            let word: Vec<u8> = (0..length).map(|i| u8::try_from(i * 5 + 1).unwrap()).collect();
            let first = tokens_of(&mut cache, &word, 0);
            let again = tokens_of(&mut cache, &word, 0);
            assert_eq!(first, again, "length {length}");
        }
    }

    #[test]
    fn no_word_is_taken_for_another() {
        let mut cache = WordCache::new();
        let mut words: Vec<Vec<u8>> = vec![vec![]];
        for length in 1..=20usize {
            for place in 0..length {
                for byte in [0, 1, 255] {
                    let mut word = vec![b'a'; length];
                    word[place] = byte;
                    words.push(word);
                }
            }
        }
        for _ in 0..2 {
            for word in &words {
                let expected: Vec<u32> = word.iter().map(|&byte| u32::from(byte)).collect();
                assert_eq!(tokens_of(&mut cache, word, 0), expected);
            }
        }
    }

    #[test]
    fn tokens_above_sixteen_bits_are_kept_too() {
        let mut cache = WordCache::new();
        assert_eq!(tokens_of(&mut cache, b"ab", 70_000), [70_097, 70_098]);
        assert_eq!(tokens_of(&mut cache, b"ab", 70_000), [70_097, 70_098]);
    }

    /// Words whose first eight bytes undo the first multiplication of the unkeyed hash (it is then
    /// zero whatever the next eight are): all of them met in one place of the map.
    fn colliding_words(count: u64) -> Vec<Vec<u8>> {
        const SEED1: u64 = 0x243f_6a88_85a3_08d3;
        let word = |i: u64| [&SEED1.to_le_bytes()[..], &i.to_le_bytes(), &[b'x'; 16]].concat();
        (0..count).map(word).collect()
    }

    #[test]
    fn words_chosen_to_collide_spread_over_the_map_and_cost_no_more_than_others() {
        use std::collections::BTreeSet;
        use std::hash::BuildHasher;

        let words = colliding_words(u64::try_from(LONG_ENTRIES).unwrap() - 1);
        let unkeyed: BTreeSet<u64> = words
            .iter()
            .map(|word| rustc_hash::FxBuildHasher.hash_one(word.as_slice()))
            .collect();
        assert_eq!(unkeyed.len(), 1, "the words collide where the hash has no key");
        let mut cache = WordCache::new();
        let keyed: BTreeSet<u64> = words
            .iter()
            .map(|word| cache.long.hasher().hash_one(word.as_slice()))
            .collect();
        assert!(keyed.len() > words.len() * 99 / 100, "{} places", keyed.len());
        // Compared with each other the words would be 10^9 comparisons in these rounds.
        let start = std::time::Instant::now();
        for _ in 0..8 {
            for word in &words {
                tokens_of(&mut cache, word, 0);
            }
        }
        assert_eq!(cache.long.len(), words.len());
        assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    }

    #[test]
    fn short_words_chosen_to_meet_in_one_bucket_are_merged_again_and_no_more() {
        let bucket = |i: u64| ShortKey::new(&i.to_le_bytes()).bucket();
        let meeting: Vec<u64> = (0..400_000).filter(|&i| bucket(i) == bucket(0)).collect();
        assert!(meeting.len() > 3, "{meeting:?}");
        let (mut cache, mut merges) = (WordCache::new(), 0_usize);
        for _ in 0..10 {
            for i in &meeting {
                cache.tokens_into(&i.to_le_bytes(), &mut Vec::new(), |out| {
                    merges += 1;
                    out.push(7);
                });
            }
        }
        assert!(merges <= 10 * meeting.len(), "{merges}");
        assert!(cache.long.is_empty());
    }

    #[test]
    fn memory_stays_bounded_over_many_words() {
        let mut cache = WordCache::new();
        for i in 0..3 * LONG_ENTRIES {
            let word = format!("a word that is long enough {i}");
            tokens_of(&mut cache, word.as_bytes(), 0);
        }
        assert!(cache.long.len() <= LONG_ENTRIES);
        assert!(cache.long_tokens.len() <= LONG_ENTRIES * LONG_BYTES);
    }
}
