//! Masking of single tokens: every maskable position is chosen by itself.

use crate::draws::Draws;
use crate::error::MaskingError;
use crate::select::{position_key, select_smallest};
use crate::vocabulary::Vocabulary;

/// Scratch that is reused from sequence to sequence.
#[derive(Debug, Clone, Default)]
pub(crate) struct SingleTokens {
    keys: Vec<u64>,
    ranked: Vec<u64>,
}

impl SingleTokens {
    /// Leaves the positions to mask in `positions`, in order; `count` says how many of the
    /// maskable ones.
    pub(crate) fn select(
        &mut self,
        draws: &Draws,
        vocabulary: &Vocabulary,
        input_ids: &[u32],
        count: impl Fn(usize) -> usize,
        positions: &mut Vec<u32>,
    ) -> Result<(), MaskingError> {
        let num_maskable = rank_positions(draws, vocabulary, input_ids, &mut self.keys)?;
        let keys = &self.keys[..num_maskable];
        select_smallest(keys, count(num_maskable), &mut self.ranked, positions);
        Ok(())
    }
}

/// Leaves the random key of every maskable position in `keys`, and counts them.
fn rank_positions(
    draws: &Draws,
    vocabulary: &Vocabulary,
    input_ids: &[u32],
    keys: &mut Vec<u64>,
) -> Result<usize, MaskingError> {
    if keys.len() < input_ids.len() {
        keys.resize(input_ids.len(), 0);
    }
    let mut num_maskable = 0;
    draws.rank(input_ids, |position, token, word| {
        // written always and kept where it counts: special tokens come without warning, and
        // a branch on them would be guessed wrong
        keys[num_maskable] = position_key(word, position);
        let special = vocabulary.check_special(position as usize, token)?;
        num_maskable += usize::from(!special);
        Ok(())
    })?;
    Ok(num_maskable)
}
