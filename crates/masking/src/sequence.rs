//! Masks one sequence: count, positions, labels, replacements.
//!
//! Draws are addressed, never taken in turn: word `position mod 4` of one Philox call ranks
//! a position for selection, and a selected position has a call of its own for what
//! replaces it. So a mask depends on (seed, epoch, sample, position) and on nothing that
//! happened before.

use crate::error::MaskingError;
use crate::random::{four_philox4x32_10, philox4x32_10, split};
use crate::replace::{Split, replacement};
use crate::select::{count_to_mask, position_key, select_smallest};
use crate::vocabulary::Vocabulary;
use crate::whole_word::{Word, push_position, select_words};

/// How many tokens are masked, whether by whole words, and by what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaskingConfig {
    mlm_probability: f64,
    whole_word: bool,
    split: Split,
}

impl MaskingConfig {
    /// Masks a share `mlm_probability` of the tokens, by whole words if asked. 80 % of them
    /// become the mask, 10 % a random token.
    ///
    /// # Errors
    /// [`MaskingError::Probability`] unless it lies between 0 and 1.
    pub fn new(mlm_probability: f64, whole_word: bool) -> Result<Self, MaskingError> {
        if !(0.0..=1.0).contains(&mlm_probability) {
            return Err(MaskingError::Probability {
                probability: mlm_probability,
            });
        }
        Ok(Self {
            mlm_probability,
            whole_word,
            split: Split::BERT,
        })
    }

    /// Shows the mask in a share `mask_replace_prob` of the masked positions, a random token in
    /// `random_replace_prob`, and the token itself in the rest.
    ///
    /// # Errors
    /// [`MaskingError::Replacement`] unless both and their sum lie between 0 and 1.
    pub fn with_replacement(
        self,
        mask_replace_prob: f64,
        random_replace_prob: f64,
    ) -> Result<Self, MaskingError> {
        let split = Split::new(mask_replace_prob, random_replace_prob)?;
        Ok(Self { split, ..self })
    }

    /// Share of the tokens that is masked.
    pub fn mlm_probability(self) -> f64 {
        self.mlm_probability
    }

    /// Whether words are masked whole.
    pub fn whole_word(self) -> bool {
        self.whole_word
    }
}

/// What a mask depends on, beside the position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaskKey {
    /// Seed of the run.
    pub seed: u64,
    /// Epoch of the sequence's source.
    pub epoch: u64,
    /// Number of the sequence among all sequences of all sources.
    pub sample: u64,
}

/// The masked positions of one sequence. Reused from call to call, it allocates nothing.
#[derive(Debug, Clone, Default)]
pub struct MaskedPositions {
    /// Masked positions, in order.
    pub positions: Vec<u32>,
    /// The original token of each of them.
    pub labels: Vec<u32>,
    keys: Vec<u64>,
    ranked: Vec<u64>,
    words: Vec<Word>,
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
    let count = |num_maskable| count_to_mask(num_maskable, config.mlm_probability, draws.count_word());
    if config.whole_word {
        let num_maskable = rank_words(&draws, vocabulary, input_ids, masked)?;
        masked.positions.clear();
        select_words(&mut masked.words, count(num_maskable), &mut masked.positions);
    } else {
        let num_maskable = rank_positions(&draws, vocabulary, input_ids, masked)?;
        let keys = &masked.keys[..num_maskable];
        select_smallest(
            keys,
            count(num_maskable),
            &mut masked.ranked,
            &mut masked.positions,
        );
    }
    masked.labels.clear();
    for positions in masked.positions.chunks(LANES) {
        for (&position, words) in positions.iter().zip(draws.replacement_words(positions)) {
            let shown = &mut input_ids[position as usize];
            masked.labels.push(*shown);
            *shown = replacement(config.split, *shown, words, vocabulary);
        }
    }
    Ok(())
}

/// Leaves the random key of every maskable position in `masked`, and counts them.
fn rank_positions(
    draws: &Draws,
    vocabulary: &Vocabulary,
    input_ids: &[u32],
    masked: &mut MaskedPositions,
) -> Result<usize, MaskingError> {
    let keys = &mut masked.keys;
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

/// Leaves the words of the sequence with their random keys in `masked`, and counts the
/// maskable positions.
fn rank_words(
    draws: &Draws,
    vocabulary: &Vocabulary,
    input_ids: &[u32],
    masked: &mut MaskedPositions,
) -> Result<usize, MaskingError> {
    masked.words.clear();
    let mut num_maskable = 0;
    draws.rank(input_ids, |position, token, word| {
        if vocabulary.check_special(position as usize, token)? {
            return Ok(());
        }
        num_maskable += 1;
        let previous = (position as usize).checked_sub(1).map(|before| input_ids[before]);
        let starts_word = vocabulary.starts_word(previous, token);
        let key = position_key(word, position);
        push_position(&mut masked.words, key, position, starts_word);
        Ok(())
    })?;
    Ok(num_maskable)
}

/// The counter's first word holds the purpose in its upper bits, a position below.
const PURPOSE_SHIFT: u32 = 28;
const MAX_LENGTH: usize = 1 << PURPOSE_SHIFT;
/// Calls of Philox that are made together.
const LANES: usize = 4;
/// Keeps the draws of masking apart from those of order, initialisation and dropout under
/// the same seed: the letters `mask` and `mlm!`.
const PURPOSE_KEY: [u32; 2] = [0x6d61_736b, 0x6d6c_6d21];

/// The random words of one sequence.
struct Draws {
    key: [u32; 2],
    counter: [u32; 3],
}

impl Draws {
    fn new(key: MaskKey) -> Self {
        let (seed_high, seed_low) = split(key.seed);
        let (sample_high, sample_low) = split(key.sample);
        let (epoch_high, epoch_low) = split(key.epoch);
        Self {
            key: [seed_low ^ PURPOSE_KEY[0], seed_high ^ PURPOSE_KEY[1]],
            // Samples stay far below 2^63, so that their upper bits are free for an epoch
            // beyond 2^32.
            counter: [sample_low, sample_high ^ epoch_high.reverse_bits(), epoch_low],
        }
    }

    fn count_word(&self) -> u32 {
        let [a, b, c] = self.counter;
        philox4x32_10([0, a, b, c], self.key)[0]
    }

    /// Hands each position with its token and the random word that ranks it to `visit`, in order.
    #[inline]
    fn rank(
        &self,
        input_ids: &[u32],
        mut visit: impl FnMut(u32, u32, u32) -> Result<(), MaskingError>,
    ) -> Result<(), MaskingError> {
        for (block, ids) in (0_u32..).step_by(LANES).zip(input_ids.chunks(4 * LANES)) {
            let words = self.words(1, [0, 1, 2, 3].map(|next| block + next));
            for ((position, &token), &word) in (block * 4..).zip(ids).zip(words.as_flattened()) {
                visit(position, token, word)?;
            }
        }
        Ok(())
    }

    /// The random words of `positions`, at most [`LANES`] of them.
    #[inline]
    fn replacement_words(&self, positions: &[u32]) -> [[u32; 4]; LANES] {
        let mut indices = [0; LANES];
        indices[..positions.len()].copy_from_slice(positions);
        self.words(2, indices)
    }

    #[inline]
    fn words(&self, purpose: u32, indices: [u32; LANES]) -> [[u32; 4]; LANES] {
        let first_words = indices.map(|index| (purpose << PURPOSE_SHIFT) | index);
        four_philox4x32_10(first_words, self.counter, self.key)
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "small numbers of a test")]
mod tests;
