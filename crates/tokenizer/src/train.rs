//! Trains a vocabulary: counts words, then merges the most frequent pair over and over.
//!
//! The algorithm is Sennrich et al. 2016 over bytes, with the conventions of Hugging Face's
//! trainer: alphabet in code point order, ties go to the pair with the smaller ids. It is our
//! own because theirs visits words and pairs in the order of a randomly seeded hash map, which
//! reaches the result when one string is formed by two different merges. Here every choice is
//! by a total order: equal texts give equal bytes.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::path::Path;

use rustc_hash::FxHashMap;

use crate::bpe::alphabet;
use crate::bpe::split::word_end;
use crate::special::{FIRST_SPECIALS, MASK};
use crate::{TokenId, Tokenizer, TokenizerError};

/// A pair seen once says nothing about the language: Hugging Face's byte-level trainer and
/// the published RoBERTa vocabulary use 2 as well.
const MIN_FREQUENCY: i64 = 2;

/// Size of a vocabulary without any merge.
const SMALLEST: usize = FIRST_SPECIALS.len() + 256 + 1;

type Pair = (TokenId, TokenId);

/// Trains on `texts`; see [`Trainer`] for feeding texts from several threads.
///
/// Specials are 0-3, then the 256 bytes, then the merges in the order of learning, `<mask>`
/// last. If the texts have fewer merges the vocabulary is smaller and
/// [`Tokenizer::requested_vocab_size`] keeps what was asked for.
///
/// # Errors
/// [`TokenizerError::VocabularyTooSmall`], or [`TokenizerError::NoText`] for texts without a
/// single character.
pub fn train(texts: impl Iterator<Item = String>, vocab_size: usize) -> Result<Tokenizer, TokenizerError> {
    let mut trainer = Trainer::new();
    for text in texts {
        trainer.add(&text);
    }
    trainer.train(vocab_size)
}

/// Counts words, then learns merges from the counts.
#[derive(Debug, Default)]
pub struct Trainer {
    /// Keyed at random, because the texts are not ours: words that fall together under a known hash would
    /// make counting quadratic. Nothing depends on the order.
    counts: HashMap<Box<[u8]>, u64>,
}

impl Trainer {
    /// A trainer that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts the words of a text.
    pub fn add(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let end = word_end(bytes, at);
            match self.counts.get_mut(&bytes[at..end]) {
                Some(count) => *count += 1,
                None => {
                    self.counts.insert(bytes[at..end].into(), 1);
                }
            }
            at = end;
        }
    }

    /// Takes over the counts of another trainer; the order of merging does not matter.
    #[expect(clippy::iter_over_hash_type, reason = "sums do not depend on the order")]
    pub fn merge(&mut self, other: Self) {
        for (word, count) in other.counts {
            *self.counts.entry(word).or_default() += count;
        }
    }

    /// Number of different words so far.
    pub fn num_words(&self) -> usize {
        self.counts.len()
    }

    /// Learns a vocabulary of at most `vocab_size` entries.
    ///
    /// # Errors
    /// As [`train`].
    pub fn train(self, vocab_size: usize) -> Result<Tokenizer, TokenizerError> {
        if vocab_size < SMALLEST {
            return Err(TokenizerError::VocabularyTooSmall {
                requested: vocab_size,
                smallest: SMALLEST,
            });
        }
        if self.counts.is_empty() {
            return Err(TokenizerError::NoText);
        }
        let mut words: Vec<(Box<[u8]>, u64)> = self.counts.into_iter().collect();
        words.sort_unstable();
        let mut learner = Learner::new(&words);
        drop(words);
        learner.learn(vocab_size - 1);
        learner.tokens.push(MASK.to_owned());
        let mut tokenizer = Tokenizer::from_parts(Path::new("(trained)"), learner.tokens, learner.merges)?;
        tokenizer.set_requested_vocab_size(Some(vocab_size));
        Ok(tokenizer)
    }
}

/// A word as the tokens that it consists of so far.
struct Word {
    tokens: Vec<TokenId>,
    count: i64,
}

/// Words, how often each pair occurs in them, and where.
struct Learner {
    tokens: Vec<String>,
    ids: FxHashMap<String, TokenId>,
    merges: Vec<Pair>,
    learned: FxHashMap<Pair, TokenId>,
    words: Vec<Word>,
    pairs: FxHashMap<Pair, PairUse>,
    /// Most frequent first, then the smaller pair. Counts may be stale: too high, never too low.
    queue: BinaryHeap<(i64, Reverse<Pair>)>,
}

/// How often a pair occurs, and in which words it may (some of them twice, some no longer).
#[derive(Default)]
struct PairUse {
    count: i64,
    words: Vec<u32>,
}

impl Learner {
    fn new(counted: &[(Box<[u8]>, u64)]) -> Self {
        let alphabet = alphabet::in_code_point_order().into_iter().map(String::from);
        let tokens: Vec<String> = FIRST_SPECIALS
            .into_iter()
            .map(String::from)
            .chain(alphabet)
            .collect();
        let ids: FxHashMap<String, TokenId> = tokens.iter().cloned().zip(0..).collect();
        let byte_ids: Vec<TokenId> = (0..=255u8)
            .map(|byte| ids[&alphabet::char_of(byte).to_string()])
            .collect();
        let words = counted
            .iter()
            .map(|(bytes, count)| Word {
                tokens: bytes.iter().map(|&byte| byte_ids[usize::from(byte)]).collect(),
                count: i64::try_from(*count).unwrap_or(i64::MAX),
            })
            .collect();
        let mut learner = Self {
            tokens,
            ids,
            merges: Vec::new(),
            learned: FxHashMap::default(),
            words,
            pairs: FxHashMap::default(),
            queue: BinaryHeap::new(),
        };
        learner.count_pairs();
        learner
    }

    fn count_pairs(&mut self) {
        for (index, word) in (0u32..).zip(&self.words) {
            for pair in word.tokens.windows(2) {
                let pair_use = self.pairs.entry((pair[0], pair[1])).or_default();
                pair_use.count += word.count;
                if pair_use.words.last() != Some(&index) {
                    pair_use.words.push(index);
                }
            }
        }
        let mut queue: Vec<_> = self
            .pairs
            .iter()
            .map(|(&pair, used)| (used.count, Reverse(pair)))
            .collect();
        queue.sort_unstable();
        self.queue = queue.into();
    }

    /// Merges until the vocabulary has `size` entries or no pair is frequent enough.
    fn learn(&mut self, size: usize) {
        while self.tokens.len() < size {
            let Some((count, Reverse(pair))) = self.queue.pop() else {
                return;
            };
            let actual = self.pairs.get(&pair).map_or(0, |used| used.count);
            if count != actual {
                if actual > 0 {
                    self.queue.push((actual, Reverse(pair)));
                }
                continue;
            }
            if count < MIN_FREQUENCY {
                return;
            }
            self.merge(pair);
        }
    }

    /// Replaces `pair` by one token in every word.
    fn merge(&mut self, pair: Pair) {
        let token = self.token_of(pair);
        let Some(mut used) = self.pairs.remove(&pair) else {
            return;
        };
        used.words.sort_unstable();
        used.words.dedup();
        let mut grown = Vec::new();
        for index in used.words {
            let word = &mut self.words[index as usize];
            let count = word.count;
            merge_in_word(&mut word.tokens, pair, token, |changed, sign| {
                if changed == pair {
                    return;
                }
                let pair_use = self.pairs.entry(changed).or_default();
                pair_use.count += i64::from(sign) * count;
                if sign > 0 {
                    if pair_use.words.last() != Some(&index) {
                        pair_use.words.push(index);
                    }
                    grown.push(changed);
                }
            });
        }
        grown.sort_unstable();
        grown.dedup();
        for pair in grown {
            let count = self.pairs.get(&pair).map_or(0, |used| used.count);
            self.queue.push((count, Reverse(pair)));
        }
    }

    /// The token that `pair` forms. A pair comes a second time when its parts were formed
    /// again by other merges: it then keeps its first rank.
    fn token_of(&mut self, pair: Pair) -> TokenId {
        if let Some(&token) = self.learned.get(&pair) {
            return token;
        }
        let joined = format!("{}{}", self.tokens[pair.0 as usize], self.tokens[pair.1 as usize]);
        let next = TokenId::try_from(self.tokens.len()).unwrap_or(TokenId::MAX);
        let token = *self.ids.entry(joined.clone()).or_insert(next);
        if token == next {
            self.tokens.push(joined);
        }
        self.merges.push(pair);
        self.learned.insert(pair, token);
        token
    }
}

/// Replaces `pair` by `token` from left to right and tells which pairs beside it came (+1)
/// and went (-1).
fn merge_in_word(tokens: &mut Vec<TokenId>, pair: Pair, token: TokenId, mut changed: impl FnMut(Pair, i8)) {
    let mut i = 0;
    while i + 1 < tokens.len() {
        if (tokens[i], tokens[i + 1]) == pair {
            if i > 0 {
                changed((tokens[i - 1], pair.0), -1);
                changed((tokens[i - 1], token), 1);
            }
            tokens[i] = token;
            tokens.remove(i + 1);
            if let Some(&next) = tokens.get(i + 1) {
                changed((pair.1, next), -1);
                changed((token, next), 1);
            }
        }
        i += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trained(text: &str, size: usize) -> Tokenizer {
        train(std::iter::once(text.to_owned()), size).unwrap()
    }

    #[test]
    fn specials_alphabet_merges_and_mask_are_in_this_order() {
        let tokenizer = trained("low low low lower", 300);
        let spelled: Vec<&str> = (0..4).filter_map(|id| tokenizer.token(id)).collect();
        assert_eq!(spelled, FIRST_SPECIALS);
        assert_eq!(
            (tokenizer.token(4), tokenizer.token(259)),
            (Some("!"), Some("\u{143}"))
        );
        // (l,o) and (o,w) occur four times each: the smaller pair first
        assert_eq!(tokenizer.token(260), Some("lo"));
        assert_eq!(tokenizer.token(261), Some("low"));
        assert_eq!(tokenizer.token(262), Some("Ġlow"));
        assert_eq!(tokenizer.special().mask as usize, tokenizer.vocab_size() - 1);
        assert_eq!(tokenizer.vocab_size(), 264, "no other pair comes twice");
        assert_eq!(tokenizer.requested_vocab_size(), Some(300));
    }

    #[test]
    fn training_stops_at_the_size_asked_for() {
        let tokenizer = trained("low low low lower lower newest newest widest widest", 265);
        assert_eq!(tokenizer.vocab_size(), 265);
    }

    #[test]
    fn the_order_of_texts_does_not_matter() {
        let texts: Vec<String> = (0..50)
            .map(|i| format!("revenue of item {} rose by {}", i % 7, i * i))
            .collect();
        let forward = train(texts.iter().cloned(), 350).unwrap();
        let backward = train(texts.iter().rev().cloned(), 350).unwrap();
        assert_eq!(forward.files(512).unwrap(), backward.files(512).unwrap());
        let (mut left, mut right) = (Trainer::new(), Trainer::new());
        for (i, text) in texts.iter().enumerate() {
            if i % 3 == 0 {
                left.add(text);
            } else {
                right.add(text);
            }
        }
        left.merge(right);
        assert_eq!(left.train(350).unwrap().hash(), forward.hash());
    }

    #[test]
    fn a_run_of_one_letter_merges_from_the_left() {
        let mut tokens = vec![1, 1, 1, 1, 1];
        let mut changes = Vec::new();
        merge_in_word(&mut tokens, (1, 1), 9, |pair, sign| changes.push((pair, sign)));
        assert_eq!(tokens, [9, 9, 1]);
        assert_eq!(changes.iter().filter(|(pair, _)| *pair == (9, 1)).count(), 3);
    }

    #[test]
    fn too_small_a_vocabulary_and_no_text_are_refused() {
        let small = train(std::iter::once("a".to_owned()), SMALLEST - 1);
        assert!(matches!(
            small,
            Err(TokenizerError::VocabularyTooSmall {
                requested: 260,
                smallest: 261
            })
        ));
        assert!(matches!(
            train(std::iter::empty(), 300),
            Err(TokenizerError::NoText)
        ));
        let none = train(std::iter::once(String::new()), 300);
        assert!(matches!(none, Err(TokenizerError::NoText)));
        assert_eq!(trained("a", SMALLEST).vocab_size(), SMALLEST);
    }
}
