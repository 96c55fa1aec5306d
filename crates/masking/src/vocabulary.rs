//! What masking needs to know of a vocabulary: special tokens, word starts, the mask.

use crate::error::MaskingError;

const SPECIAL: u8 = 1;
const WORD_START: u8 = 2;
const LINE_END: u8 = 4;

/// A vocabulary as masking sees it.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    mask: u32,
    /// One entry a token id: [`SPECIAL`], [`WORD_START`], [`LINE_END`].
    flags: Vec<u8>,
    special_ids: Vec<u32>,
    num_ordinary: u32,
}

impl Vocabulary {
    /// Describes a vocabulary of `is_special.len()` tokens: which of them are never masked
    /// nor drawn as replacement, and with which of them a word begins.
    ///
    /// # Errors
    /// [`MaskingError::Vocabulary`] if the tables differ in length or hold no ordinary token;
    /// [`MaskingError::MaskToken`] if `mask` is not one of the special tokens.
    pub fn new(mask: u32, is_special: &[bool], word_starts: &[bool]) -> Result<Self, MaskingError> {
        let special_ids: Vec<u32> = (0..)
            .zip(is_special)
            .filter_map(|(id, &special)| special.then_some(id))
            .collect();
        let vocab_size = is_special.len();
        let num_ordinary = u32::try_from(vocab_size - special_ids.len()).unwrap_or(0);
        if vocab_size != word_starts.len() || num_ordinary == 0 {
            return Err(MaskingError::Vocabulary {
                vocab_size,
                num_special: special_ids.len(),
                num_word_starts: word_starts.len(),
            });
        }
        if special_ids.binary_search(&mask).is_err() {
            return Err(MaskingError::MaskToken { mask, vocab_size });
        }
        let flags = is_special
            .iter()
            .zip(word_starts)
            .map(|(&special, &start)| u8::from(special) * SPECIAL + u8::from(start) * WORD_START)
            .collect();
        Ok(Self {
            mask,
            flags,
            special_ids,
            num_ordinary,
        })
    }

    /// Names the token that ends a line: a word begins after it, although the first token of a
    /// line carries no leading space that would say so. An id outside the vocabulary never occurs.
    #[must_use]
    pub fn with_newline(mut self, newline: u32) -> Self {
        if let Some(flags) = self.flags.get_mut(newline as usize) {
            *flags |= LINE_END;
        }
        self
    }

    /// The id of the mask token.
    pub fn mask(&self) -> u32 {
        self.mask
    }

    /// Whether `token` is special; an error where the vocabulary lacks it.
    #[inline]
    pub(crate) fn check_special(&self, position: usize, token: u32) -> Result<bool, MaskingError> {
        match self.flags.get(token as usize) {
            Some(flags) => Ok(flags & SPECIAL != 0),
            None => Err(MaskingError::TokenOutsideVocabulary {
                token,
                position,
                vocab_size: self.flags.len(),
            }),
        }
    }

    /// Whether a word begins with `token` after `previous`; the vocabulary has both.
    #[inline]
    pub(crate) fn starts_word(&self, previous: Option<u32>, token: u32) -> bool {
        self.flags[token as usize] & WORD_START != 0
            || previous.is_some_and(|previous| self.flags[previous as usize] & LINE_END != 0)
    }

    /// An ordinary token, uniform over all of the vocabulary, out of two random words.
    #[inline]
    pub(crate) fn ordinary(&self, high: u32, low: u32) -> u32 {
        let mut id = below(self.num_ordinary, high, low);
        for &special in &self.special_ids {
            if id < special {
                break;
            }
            id += 1;
        }
        id
    }
}

/// A whole number below `bound` out of two words: `floor(bound * u)` with u of 64 bits, whose
/// departure from uniform is below `bound / 2^64`.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the quotient is below `bound`")]
fn below(bound: u32, high: u32, low: u32) -> u32 {
    let draw = (u128::from(high) << 32) | u128::from(low);
    ((draw * u128::from(bound)) >> 64) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_tokens_are_all_that_are_not_special() {
        let is_special = [true, false, true, true, false, false, true];
        let vocabulary = Vocabulary::new(6, &is_special, &[true; 7]).unwrap();
        let drawn: Vec<u32> = [0, 0x5555_5556, 0xaaaa_aaab]
            .map(|high| vocabulary.ordinary(high, 0))
            .to_vec();
        assert_eq!(drawn, [1, 4, 5]);
        assert_eq!(vocabulary.ordinary(u32::MAX, u32::MAX), 5);
    }

    #[test]
    fn tables_that_do_not_fit_are_refused() {
        assert!(matches!(
            Vocabulary::new(0, &[true, false], &[true]),
            Err(MaskingError::Vocabulary {
                num_word_starts: 1,
                ..
            })
        ));
        assert!(matches!(
            Vocabulary::new(0, &[true, true], &[true, true]),
            Err(MaskingError::Vocabulary { num_special: 2, .. })
        ));
        assert!(matches!(
            Vocabulary::new(1, &[true, false], &[true, true]),
            Err(MaskingError::MaskToken { mask: 1, .. })
        ));
        assert!(matches!(
            Vocabulary::new(2, &[true, false], &[true, true]),
            Err(MaskingError::MaskToken { mask: 2, .. })
        ));
    }

    #[test]
    fn a_bounded_draw_reaches_both_ends_and_no_further() {
        assert_eq!(below(7, 0, 0), 0);
        assert_eq!(below(7, u32::MAX, u32::MAX), 6);
        assert_eq!(below(1, u32::MAX, u32::MAX), 0);
        assert_eq!(below(2, 0x7fff_ffff, u32::MAX), 0);
        assert_eq!(below(2, 0x8000_0000, 0), 1);
    }
}
