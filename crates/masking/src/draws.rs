//! The random words of one sequence.
//!
//! Draws are addressed, never taken in turn: word `position mod 4` of one Philox call ranks
//! a position for selection, and a selected position has a call of its own for what
//! replaces it. So a mask depends on (seed, epoch, sample, position) and on nothing that
//! happened before.

use philox::{four_philox4x32_10, philox4x32_10, split};

use crate::error::MaskingError;

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

/// The counter's first word holds the purpose in its upper bits, a position below.
const PURPOSE_SHIFT: u32 = 28;
/// The longest sequence that a counter has room for.
pub(crate) const MAX_LENGTH: usize = 1 << PURPOSE_SHIFT;
/// Calls of Philox that are made together.
pub(crate) const LANES: usize = 4;
/// Keeps the draws of masking apart from those of order, initialization and dropout under
/// the same seed: the letters `mask` and `mlm!`.
const PURPOSE_KEY: [u32; 2] = [0x6d61_736b, 0x6d6c_6d21];

/// The random words of one sequence.
pub(crate) struct Draws {
    key: [u32; 2],
    counter: [u32; 3],
}

impl Draws {
    pub(crate) fn new(key: MaskKey) -> Self {
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

    pub(crate) fn count_word(&self) -> u32 {
        let [a, b, c] = self.counter;
        philox4x32_10([0, a, b, c], self.key)[0]
    }

    /// Hands each position with its token and the random word that ranks it to `visit`, in order.
    #[inline]
    pub(crate) fn rank(
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
    pub(crate) fn replacement_words(&self, positions: &[u32]) -> [[u32; 4]; LANES] {
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
