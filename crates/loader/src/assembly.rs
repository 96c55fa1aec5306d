//! Puts sequences of tokens into a micro-batch: specials, masks, padding, digest.

use masking::{
    MaskKey, MaskedPositions, MaskingConfig, MaskingError, Vocabulary, mask_capacity, mask_sequence,
};
use shards::{PackedSequence, ShardError, ShardReader};
use tokenizer::Tokenizer;

use crate::config::LoaderConfig;
use crate::digest::{SlotContent, slot_digest};
use crate::error::LoaderError;
use crate::excluded::Excluded;
use crate::ids::Step;
use crate::micro_batch::MicroBatch;

/// What rows are made with.
#[derive(Debug, Clone)]
pub(crate) struct RowFormat {
    pub(crate) bos: u32,
    pub(crate) eos: u32,
    pub(crate) pad: u32,
    pub(crate) sequence_length: usize,
    pub(crate) masking: MaskingConfig,
    pub(crate) vocabulary: Vocabulary,
}

impl RowFormat {
    /// Rows of `sequence_length` tokens of `tokenizer`, masked as `config` says.
    ///
    /// # Errors
    /// [`LoaderError::Masking`] for a tokenizer that masking cannot use.
    pub(crate) fn new(
        config: &LoaderConfig,
        sequence_length: usize,
        tokenizer: &Tokenizer,
    ) -> Result<Self, LoaderError> {
        let special = tokenizer.special();
        let vocabulary = Vocabulary::new(special.mask, &tokenizer.special_table(), tokenizer.word_starts())?;
        Ok(Self {
            bos: special.bos,
            eos: special.eos,
            pad: special.pad,
            sequence_length,
            masking: config.masking,
            vocabulary: vocabulary.with_newline(tokenizer.newline()),
        })
    }
}

/// A micro-batch that is being filled, and the scratch of filling it.
#[derive(Debug)]
pub(crate) struct Assembly<'a> {
    format: &'a RowFormat,
    batch: MicroBatch,
    masked: MaskedPositions,
    row: Vec<u32>,
    bytes: Vec<u8>,
}

impl<'a> Assembly<'a> {
    /// Starts micro-batch `index` of `step` with room for `sequences` rows.
    pub(crate) fn new(format: &'a RowFormat, step: Step, index: u64, sequences: usize) -> Self {
        let sequence_length = format.sequence_length;
        let capacity = mask_capacity(sequence_length, format.masking.mlm_probability());
        Self {
            format,
            batch: MicroBatch {
                index,
                step,
                sequences: 0,
                sequence_length,
                input_ids: Vec::with_capacity(sequences * sequence_length),
                lengths: Vec::with_capacity(sequences),
                masked_positions: Vec::with_capacity(sequences * capacity),
                labels: Vec::with_capacity(sequences * capacity),
                weights: Vec::with_capacity(sequences * capacity),
                capacity,
                masked_tokens: 0,
                tokens: 0,
                digest: 0,
            },
            masked: MaskedPositions::default(),
            row: Vec::with_capacity(sequence_length),
            bytes: Vec::new(),
        }
    }

    /// Begins a row with `<s>`; the caller appends the sequence.
    pub(crate) fn begin_row(&mut self) -> &mut Vec<u32> {
        self.row.clear();
        self.row.push(self.format.bos);
        &mut self.row
    }

    /// Ends the row with `</s>`, masks it and adds it as slot `slot` of the step.
    pub(crate) fn end_row(&mut self, slot: u64, key: MaskKey) -> Result<(), MaskingError> {
        self.row.push(self.format.eos);
        let (config, vocabulary) = (self.format.masking, &self.format.vocabulary);
        mask_sequence(key, config, vocabulary, &mut self.row, &mut self.masked)?;
        let content = SlotContent {
            step: self.batch.step,
            slot,
            input_ids: &self.row,
            masked_positions: &self.masked.positions,
            labels: &self.masked.labels,
        };
        let digest = slot_digest(&content, &mut self.bytes);
        self.append_row(digest);
        Ok(())
    }

    /// The row that was added last, as the model sees it, and its masks.
    pub(crate) fn last_row(&self) -> (&[u32], &MaskedPositions) {
        (&self.row, &self.masked)
    }

    pub(crate) fn format(&self) -> &'a RowFormat {
        self.format
    }

    pub(crate) fn finish(self) -> MicroBatch {
        self.batch
    }

    fn append_row(&mut self, digest: u64) {
        let batch = &mut self.batch;
        let first_token = batch.input_ids.len();
        batch.input_ids.extend(self.row.iter().map(|&id| i64::from(id)));
        let padded = first_token + batch.sequence_length;
        batch.input_ids.resize(padded, i64::from(self.format.pad));

        let first = signed(first_token);
        let positions = self.masked.positions.iter();
        batch
            .masked_positions
            .extend(positions.map(|&p| first + i64::from(p)));
        batch
            .labels
            .extend(self.masked.labels.iter().map(|&label| i64::from(label)));
        batch.weights.resize(batch.labels.len(), 1.0);

        batch.sequences += 1;
        let used_and_unused = batch.sequences * batch.capacity;
        batch.masked_positions.resize(used_and_unused, first);
        batch.labels.resize(used_and_unused, 0);
        batch.weights.resize(used_and_unused, 0.0);

        batch.lengths.push(count(&self.row));
        batch.tokens += u64::from(count(&self.row));
        batch.masked_tokens += u64::from(count(&self.masked.positions));
        batch.digest = batch.digest.wrapping_add(digest);
    }
}

/// Adds one packed sequence of `reader` to `assembly`.
pub(crate) fn push_packed(
    assembly: &mut Assembly<'_>,
    (slot, key): (u64, MaskKey),
    reader: &ShardReader,
    packed: &PackedSequence,
    excluded: &Excluded,
) -> Result<(), LoaderError> {
    let format = assembly.format();
    if packed.length as usize + 2 > format.sequence_length {
        return Err(LoaderError::Shards(ShardError::PackingRow {
            path: reader.path().to_owned(),
            block: packed.block,
            token_offset: packed.token_offset,
            length: packed.length,
        }));
    }
    excluded.read(reader, packed, format.eos, assembly.begin_row())?;
    assembly
        .end_row(slot, key)
        .map_err(|source| LoaderError::Sequence {
            path: reader.path().to_owned(),
            block: packed.block,
            token_offset: packed.token_offset,
            source,
        })
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a sequence is far shorter than 2^32"
)]
fn count(words: &[u32]) -> u32 {
    words.len() as u32
}

#[expect(
    clippy::cast_possible_wrap,
    reason = "a count of tokens in memory is below 2^63"
)]
fn signed(index: usize) -> i64 {
    index as i64
}

#[cfg(test)]
mod tests {
    use masking::MaskingScheme;

    use super::*;

    fn format(sequence_length: usize) -> RowFormat {
        let is_special: Vec<bool> = (0..20).map(|id| id < 4 || id == 19).collect();
        RowFormat {
            bos: 0,
            eos: 2,
            pad: 1,
            sequence_length,
            masking: MaskingConfig::new(0.25, MaskingScheme::Token).unwrap(),
            vocabulary: Vocabulary::new(19, &is_special, &[true; 20]).unwrap(),
        }
    }

    fn fill(format: &RowFormat, contents: &[Vec<u32>]) -> MicroBatch {
        let mut assembly = Assembly::new(format, Step(4), 1, contents.len());
        for (slot, content) in (0..).zip(contents) {
            let key = MaskKey {
                seed: 1,
                epoch: 0,
                sample: slot,
            };
            assembly.begin_row().extend(content);
            assembly.end_row(slot, key).unwrap();
        }
        assembly.finish()
    }

    #[test]
    fn rows_are_padded_and_unused_masks_have_weight_zero() {
        let contents: Vec<Vec<u32>> = [14_u32, 0, 1, 13].map(|n| (4..4 + n).collect()).to_vec();
        let batch = fill(&format(16), &contents);
        assert_eq!((batch.sequences, batch.capacity), (4, 4));
        assert_eq!(batch.lengths, [16, 2, 3, 15]);
        assert_eq!(batch.tokens, 36);
        for (row, content) in contents.iter().enumerate() {
            let mut ids = batch.input_ids[row * 16..(row + 1) * 16].to_vec();
            let masks = row * 4..(row + 1) * 4;
            let mut used = 0;
            for i in masks {
                let position = usize::try_from(batch.masked_positions[i]).unwrap() - row * 16;
                if batch.weights[i] > 0.0 {
                    assert!((1..=content.len()).contains(&position));
                    ids[position] = batch.labels[i];
                    used += 1;
                } else {
                    assert_eq!((position, batch.labels[i]), (0, 0));
                }
            }
            let mut expected = vec![0];
            expected.extend(content.iter().map(|&id| i64::from(id)));
            expected.push(2);
            expected.resize(16, 1);
            assert_eq!(ids, expected);
            assert!(used <= 4);
        }
        let used = batch.weights.iter().filter(|&&weight| weight > 0.0).count();
        assert_eq!(batch.masked_tokens, used as u64);
    }

    #[test]
    fn the_digest_of_a_micro_batch_is_the_sum_of_its_slots() {
        let contents: Vec<Vec<u32>> = [9_u32, 3, 14].map(|n| (4..4 + n).collect()).to_vec();
        let format = format(16);
        let whole = fill(&format, &contents).digest;
        let sum = (0..3).fold(0_u64, |sum, slot| {
            let mut assembly = Assembly::new(&format, Step(4), 9, 1);
            let key = MaskKey {
                seed: 1,
                epoch: 0,
                sample: slot,
            };
            let content = &contents[usize::try_from(slot).unwrap()];
            assembly.begin_row().extend(content);
            assembly.end_row(slot, key).unwrap();
            sum.wrapping_add(assembly.finish().digest)
        });
        assert_eq!(whole, sum);
    }
}
