//! A micro-batch: the unit of work, the same at any number of ranks.

use crate::ids::Step;

/// Rows of one global micro-batch, padded to a rectangle, with masked positions in rows of
/// fixed capacity. Dimensions: B sequences, T positions, C masked positions a sequence at
/// most.
#[derive(Debug, Clone, PartialEq)]
pub struct MicroBatch {
    /// Number of the micro-batch in its step, over all ranks.
    pub index: u64,
    /// Steps that were finished when it is used.
    pub step: Step,
    /// B.
    pub sequences: usize,
    /// T.
    pub sequence_length: usize,
    /// `[B * T]`, padded with the padding token.
    pub input_ids: Vec<i64>,
    /// `[B]`: tokens of each sequence, `<s>` and `</s>` included.
    pub lengths: Vec<u32>,
    /// `[B * C]`: index into the `B * T` tokens; unused ones point to the row's first token.
    pub masked_positions: Vec<i64>,
    /// `[B * C]`: the original token; 0 where unused.
    pub labels: Vec<i64>,
    /// `[B * C]`: 1 where used, 0 where unused.
    pub weights: Vec<f32>,
    /// C.
    pub capacity: usize,
    /// Masked positions that are used.
    pub masked_tokens: u64,
    /// Tokens without padding.
    pub tokens: u64,
    /// Wrapping sum of the digests of the slots.
    pub digest: u64,
}
