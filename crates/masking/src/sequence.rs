//! Masks one sequence: positions by the scheme, labels, replacements.

use crate::config::{MaskingConfig, MaskingScheme};
use crate::draws::{Draws, LANES, MAX_LENGTH, MaskKey};
use crate::error::MaskingError;
use crate::replace::replacement;
use crate::select::count_to_mask;
use crate::single_tokens::SingleTokens;
use crate::vocabulary::Vocabulary;
use crate::whole_word::WholeWords;

/// The masked positions of one sequence. Reused from call to call, it allocates nothing.
#[derive(Debug, Clone, Default)]
pub struct MaskedPositions {
    /// Masked positions, in order.
    pub positions: Vec<u32>,
    /// The original token of each of them.
    pub labels: Vec<u32>,
    tokens: SingleTokens,
    words: WholeWords,
}

/// Masks `input_ids` in place and leaves positions and original tokens in `masked`.
/// Special tokens (padding is one) are never masked.
///
/// # Errors
/// [`MaskingError::TokenOutsideVocabulary`] or [`MaskingError::TooLong`]; `input_ids` are
/// then untouched.
pub fn mask_sequence(
    key: MaskKey,
    config: MaskingConfig,
    vocabulary: &Vocabulary,
    input_ids: &mut [u32],
    masked: &mut MaskedPositions,
) -> Result<(), MaskingError> {
    if input_ids.len() > MAX_LENGTH {
        return Err(MaskingError::TooLong {
            length: input_ids.len(),
            limit: MAX_LENGTH,
        });
    }
    let draws = Draws::new(key);
    let count = |num_maskable| count_to_mask(num_maskable, config.mlm_probability(), draws.count_word());
    let (tokens, words, positions) = (&mut masked.tokens, &mut masked.words, &mut masked.positions);
    match config.scheme() {
        MaskingScheme::Token => tokens.select(&draws, vocabulary, input_ids, count, positions)?,
        MaskingScheme::WholeWord => words.select(&draws, vocabulary, input_ids, count, positions)?,
    }
    masked.labels.clear();
    for positions in masked.positions.chunks(LANES) {
        for (&position, words) in positions.iter().zip(draws.replacement_words(positions)) {
            let shown = &mut input_ids[position as usize];
            masked.labels.push(*shown);
            *shown = replacement(config.shares(), *shown, words, vocabulary);
        }
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "small numbers of a test")]
mod tests;
