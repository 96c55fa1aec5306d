//! Whole-word masking: all tokens of a word or none of them.
//!
//! A word runs from a token with which a word begins to the next such token or the next
//! special token. A word that would exceed the count is passed over and shorter ones fill
//! the rest (Google's BERT, whole-word release of May 2019, does the same), so the count is
//! never exceeded and may be missed when no word fits.

use crate::draws::Draws;
use crate::error::MaskingError;
use crate::select::position_key;
use crate::vocabulary::Vocabulary;

/// Scratch that is reused from sequence to sequence.
#[derive(Debug, Clone, Default)]
pub(crate) struct WholeWords {
    words: Vec<Word>,
}

impl WholeWords {
    /// Leaves the positions to mask in `positions`, in order; `count` says how many of the
    /// maskable ones at most.
    pub(crate) fn select(
        &mut self,
        draws: &Draws,
        vocabulary: &Vocabulary,
        input_ids: &[u32],
        count: impl Fn(usize) -> usize,
        positions: &mut Vec<u32>,
    ) -> Result<(), MaskingError> {
        let num_maskable = rank_words(draws, vocabulary, input_ids, &mut self.words)?;
        positions.clear();
        select_words(&mut self.words, count(num_maskable), positions);
        Ok(())
    }
}

/// Leaves the words of the sequence with their random keys in `words`, and counts the
/// maskable positions.
fn rank_words(
    draws: &Draws,
    vocabulary: &Vocabulary,
    input_ids: &[u32],
    words: &mut Vec<Word>,
) -> Result<usize, MaskingError> {
    words.clear();
    let mut num_maskable = 0;
    draws.rank(input_ids, |position, token, word| {
        if vocabulary.check_special(position as usize, token)? {
            return Ok(());
        }
        num_maskable += 1;
        let previous = (position as usize).checked_sub(1).map(|before| input_ids[before]);
        let starts_word = vocabulary.starts_word(previous, token);
        let key = position_key(word, position);
        push_position(words, key, position, starts_word);
        Ok(())
    })?;
    Ok(num_maskable)
}

/// One word of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Word {
    /// Random key of the word's first position.
    key: u64,
    /// First position.
    start: u32,
    /// Number of tokens.
    length: u32,
}

/// Adds the next maskable position to `words`: to the last word where it continues it.
#[inline]
fn push_position(words: &mut Vec<Word>, key: u64, position: u32, starts_word: bool) {
    match words.last_mut() {
        Some(word) if !starts_word && word.start + word.length == position => word.length += 1,
        _ => words.push(Word {
            key,
            start: position,
            length: 1,
        }),
    }
}

/// Appends the positions of whole words, smallest keys first, at most `count` of them, in
/// order of position.
fn select_words(words: &mut [Word], count: usize, positions: &mut Vec<u32>) {
    words.sort_unstable_by_key(|word| word.key);
    let end = positions.len() + count;
    for word in words.iter() {
        if positions.len() == end {
            break;
        }
        if positions.len() + word.length as usize <= end {
            positions.extend(word.start..word.start + word.length);
        }
    }
    positions.sort_unstable();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::MaskKey;
    use proptest::prelude::*;

    fn words_of(starts: &[(u32, bool)]) -> Vec<Word> {
        let mut words = Vec::new();
        for &(position, starts_word) in starts {
            let key = u64::from(position.wrapping_mul(0x9e37_79b9));
            push_position(&mut words, key, position, starts_word);
        }
        words
    }

    #[test]
    fn a_word_runs_to_the_next_word_start_or_special_token() {
        // positions 1 2 3 | 4 | (5 is special) 6 7: a word never runs across a special token
        let words = words_of(&[
            (1, true),
            (2, false),
            (3, false),
            (4, true),
            (6, false),
            (7, false),
        ]);
        let spans: Vec<(u32, u32)> = words.iter().map(|w| (w.start, w.length)).collect();
        assert_eq!(spans, [(1, 3), (4, 1), (6, 2)]);
    }

    #[test]
    fn a_word_that_does_not_fit_is_passed_over_and_a_shorter_one_taken() {
        let word = |key, start, length| Word { key, start, length };
        let mut positions = Vec::new();
        select_words(
            &mut [word(2, 1, 4), word(3, 5, 1), word(1, 6, 2)],
            3,
            &mut positions,
        );
        assert_eq!(positions, [5, 6, 7]);
        positions.clear();
        select_words(&mut [word(1, 1, 5)], 4, &mut positions);
        assert!(positions.is_empty());
    }

    #[test]
    fn whole_word_masking_begins_a_word_after_a_newline() {
        // Token 6 begins a word, 5 and 7 do not: 7 joins the word of 6 unless 6 ends the line.
        let is_special = [true, true, true, true, false, false, false, false, true];
        let word_starts = [0, 1, 2, 3, 4, 5, 6, 7, 8].map(|id| id % 2 == 0);
        let vocabulary = Vocabulary::new(8, &is_special, &word_starts).unwrap();
        let draws = Draws::new(MaskKey {
            seed: 20,
            epoch: 3,
            sample: 1,
        });
        let spans = |vocabulary: &Vocabulary| {
            let mut words = Vec::new();
            rank_words(&draws, vocabulary, &[0, 5, 6, 7, 2], &mut words).unwrap();
            words
                .iter()
                .map(|word| (word.start, word.length))
                .collect::<Vec<_>>()
        };
        assert_eq!(spans(&vocabulary), [(1, 1), (2, 2)]);
        assert_eq!(spans(&vocabulary.with_newline(6)), [(1, 1), (2, 1), (3, 1)]);
    }

    proptest! {
        #[test]
        fn whole_words_or_nothing_and_never_more_than_the_count(
            tokens in proptest::collection::vec((any::<bool>(), 0_u32..8), 0..200),
            count in 0_usize..60,
        ) {
            let positions_and_starts: Vec<(u32, bool)> = (0..)
                .zip(&tokens)
                .filter(|(_, token)| token.1 != 0)
                .map(|(position, token)| (position, token.0))
                .collect();
            let mut words = words_of(&positions_and_starts);
            let mut selected = Vec::new();
            select_words(&mut words, count, &mut selected);
            prop_assert!(selected.len() <= count);
            prop_assert!(selected.is_sorted_by(|a, b| a < b));
            for word in &words {
                let taken = (word.start..word.start + word.length)
                    .filter(|position| selected.binary_search(position).is_ok())
                    .count();
                prop_assert!(taken == 0 || taken == word.length as usize);
            }
            let all: u32 = words.iter().map(|word| word.length).sum();
            prop_assert_eq!(all as usize, positions_and_starts.len());
        }
    }
}
